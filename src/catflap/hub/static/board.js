// The door of the page: makes the parts and connects them. What they do, they know themselves.

import { Announcer } from "./announcer.js";
import { Details } from "./details.js";
import { element, setText } from "./elements.js";
import { Feed } from "./feed.js";
import { isFiltering, readHash, writeHash } from "./filters.js";
import { History } from "./history.js";
import { Rover } from "./keyboard.js";
import { Live } from "./live.js";
import { Login } from "./login.js";
import { Board, LIKELY, UNKNOWN, compareFeatures, compareIds } from "./model.js";
import { Session, SignedOut, Unreachable } from "./session.js";
import { Swimlanes } from "./swimlanes.js";
import { count, plain } from "./wording.js";

const FEED_AT_FIRST = 100;
/** When more than this was missed, the feed begins anew instead of catching up. */
const MOST_MISSED = 1000;
/** How soon the hub is asked what follows from an event, by how sure the page is. */
const ASK_MS = { [UNKNOWN]: 200, [LIKELY]: 3000 };
const GROW_MS = 30_000;
const SIGNS = { connecting: "connecting", live: "live", lost: "connection lost, trying again", "signed-out": "logged out" };

const $ = (id) => document.getElementById(id);
const controls = { text: $("text"), feature: $("feature"), agent: $("agent") };

const session = new Session(sessionStorage);
const board = new Board();
const feed = new Feed($("feed"));
const details = new Details($("details"), feed);
const announcer = new Announcer($("announcer"));
const history = new History($("charts"), session, failed);
const rover = new Rover($("swimlanes"));
const swimlanes = new Swimlanes($("swimlanes"), $("lane-heads"), {
  onMoves: (moves) => announcer.moved(moves),
  onOpen: (feature, card) => details.open(feature, card, now()),
});
const login = new Login($("login"), session, () => live.start());
const live = new Live(session, { prepare, onFrame, onState });

let filters = readHash(location.hash);
let team = null;
let skew_ms = 0;
let frame = null;
let asking = { at: Infinity, timer: null };

const now = () => Date.now() + skew_ms;

/** Ask for the board, and for the feed's beginning; the sequence after which the socket shall tell. */
async function prepare() {
  const found = await session.get("/api/v1/board/");
  if (found.team_slug !== team || found.sequence < feed.last) begin(found.team_slug);
  skew_ms = Date.parse(found.server_time) - Date.now() || 0;
  board.replace(found);
  if (feed.last === 0 || found.sequence - feed.last > MOST_MISSED) {
    feed.clear();
    const after = Math.max(0, found.sequence - FEED_AT_FIRST);
    const { events } = await session.get(`/api/v1/events/?after=${after}&limit=${MOST_MISSED}`);
    for (const { sequence, event } of events) take(sequence, event);
  }
  draw();
  return feed.last;
}

/** Another team, or a hub that knows less than before: nothing on the page is true any more. */
function begin(slug) {
  team = slug;
  board.clear();
  feed.clear();
  swimlanes.clear();
  history.clear();
  details.close();
  offer();
  setText($("team"), plain(slug, 60));
  document.title = slug ? `${plain(slug, 60)} · catflap` : "catflap board";
}

async function onFrame({ type, sequence, work_packages: cards, event }) {
  if (type === "snapshot") board.replaceCards(sequence, cards);
  if (type === "event") take(sequence, event);
  draw();
}

function take(sequence, event) {
  if (!feed.add(sequence, event)) return;
  const delay_ms = ASK_MS[board.apply(sequence, event)];
  if (delay_ms) askIn(delay_ms);
}

/** Ask the hub for the board, once for all that waits for it, and at the earliest time that any of it needs. */
function askIn(delay_ms) {
  const at = performance.now() + delay_ms;
  if (asking.at <= at) return;
  clearTimeout(asking.timer);
  asking = { at, timer: setTimeout(ask, delay_ms) };
}

async function ask() {
  asking = { at: Infinity, timer: null };
  try {
    if (!board.replace(await session.get("/api/v1/board/"))) askIn(ASK_MS[UNKNOWN]); // more came meanwhile
    draw();
  } catch (error) {
    failed(error);
  }
}

/** What goes wrong on the side: the socket's own tries say whether the hub is there, and who is logged in. */
function failed(error) {
  if (error instanceof SignedOut) live.start();
  else if (!(error instanceof Unreachable)) throw error;
}

function onState(state) {
  $("sign").dataset.state = state;
  setText($("sign-text"), SIGNS[state]);
  $("logout").hidden = state === "signed-out";
  if (state === "signed-out") login.open(team === null ? "" : "The session is over. The board is as it was.");
}

/** Draw once in this frame, however much changed. */
function draw() {
  frame ??= requestAnimationFrame(() => {
    frame = null;
    drawNow(board.takeChanged());
  });
}

function drawNow(keys) {
  const { shown, features } = swimlanes.show(board, filters, keys, now());
  feed.show(board, filters, now());
  if (keys.size > 0) {
    offer();
    details.refresh(board, now());
  }
  const all = [...board.features.values()].reduce((sum, { cards }) => sum + cards.size, 0);
  setText($("summary"), isFiltering(filters) ? `${shown} of ${count(all)}` : "");
  $("empty").hidden = features > 0 || team === null;
  setText($("empty"), isFiltering(filters) ? "Nothing here matches the filters."
    : `No work package yet. They come from each member who has run: catflap auth login --server ${location.origin}`);
  rover.settle();
  if (filters.view === "history") history.show(board, filters.feature, keys, now());
}

/** Offer the features and agents that there are, keeping what is chosen. */
function offer() {
  const features = [...board.features.values()].sort(compareFeatures);
  choices(controls.feature, features.map(({ key, slug }) => [key, plain(slug, 80)]));
  const agents = new Set([...board.cards()].map(([, { agent }]) => agent).filter(Boolean));
  choices(controls.agent, [...agents].sort(compareIds).map((agent) => [agent, plain(agent, 60)]));
}

function choices(select, wanted) {
  const said = JSON.stringify(wanted);
  if (select.said === said) return;
  select.said = said;
  const chosen = filters[select.id];
  if (chosen && !wanted.some(([value]) => value === chosen)) wanted.push([chosen, plain(chosen, 80)]);
  select.replaceChildren(select.firstElementChild, ...wanted.map(([value, text]) => element("option", { value, text })));
  select.value = chosen;
}

function filter(changes) {
  window.history.replaceState(null, "", writeHash({ ...filters, ...changes }));
  obeyHash();
}

function obeyHash() {
  filters = readHash(location.hash);
  for (const [name, control] of Object.entries(controls)) if (control.value !== filters[name]) control.value = filters[name];
  $("clear").hidden = !isFiltering(filters);
  document.body.dataset.view = filters.view;
  for (const link of document.querySelectorAll(".views a")) {
    link.href = writeHash({ ...filters, view: link.dataset.view });
    if (link.dataset.view === filters.view) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  setText(controls.feature.options[0], filters.view === "history" ? "last changed" : "all features");
  $("board").hidden = filters.view === "history";
  $("history").hidden = filters.view !== "history";
  feed.redraw();
  drawNow(board.takeChanged());
}

const clearFilters = () => filter({ text: "", feature: "", agent: "" });

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  const isTyping = event.target.matches("input, select, textarea");
  if (event.key === "/" && !isTyping) {
    event.preventDefault();
    controls.text.focus();
    controls.text.select();
  } else if (event.key === "Escape" && isFiltering(filters)) {
    event.preventDefault();
    clearFilters();
  }
}

for (const [name, control] of Object.entries(controls)) {
  control.addEventListener("input", () => filter({ [name]: control.value }));
}
$("filters").addEventListener("submit", (event) => event.preventDefault());
$("clear").addEventListener("click", clearFilters);
$("skip").addEventListener("click", (event) => {
  event.preventDefault();
  rover.focus();
});
$("logout").addEventListener("click", () => {
  session.logout();
  live.stop();
  begin(null);
  onState("signed-out");
  draw();
});
$("swimlanes").addEventListener("toggled", ({ detail }) => drawNow(board.takeChanged().add(detail)));
document.addEventListener("keydown", onKey);
window.addEventListener("hashchange", obeyHash);
setInterval(() => swimlanes.grow(now()), GROW_MS);

// What sticks to the top of the window sticks below the head, which has two rows where one has no room.
new ResizeObserver(([{ target }]) => {
  document.documentElement.style.setProperty("--head", `${target.offsetHeight}px`);
}).observe($("top"));

obeyHash();
if (session.isKnown) live.start();
else onState("signed-out");
