// One feature as a row of the board: its progress, and four lanes of cards. Touches only what changed.

import { Card } from "./card.js";
import { element, setMark, setText } from "./elements.js";
import { LANES, isFinished, progress } from "./model.js";
import { day, laneName, plain } from "./wording.js";

let made = 0;

export class Swimlane {
  #cards = new Map();
  #statuses = new Map();

  /** `onOpen(feature, card)`: somebody wants to see a card whole. `onToggle(isOpen)`: or the feature. */
  constructor({ onOpen, onToggle }) {
    made += 1;
    this.onOpen = onOpen;
    this.isOpen = false;
    this.slug = element("span", { class: "slug", dir: "auto" });
    this.button = element("button", {
      type: "button", tabindex: "-1", "aria-controls": `lanes-${made}`, onclick: () => onToggle(!this.isOpen),
    }, this.slug);
    this.segments = Object.fromEntries(LANES.map((lane) => [lane, element("span", { class: lane })]));
    this.rest = element("span");
    this.facts = element("p", { class: "facts" });
    const done = [...LANES].reverse().map((lane) => this.segments[lane]);
    const head = element("div", { class: "feature-head" },
      element("h2", { id: `feature-${made}` }, this.button),
      element("div", { class: "bar", "aria-hidden": "true" }, ...done, this.rest), this.facts);
    this.lanes = Object.fromEntries(LANES.map((lane) => [lane, makeLane(lane)]));
    this.body = element("div", { class: "lanes", id: `lanes-${made}` }, ...LANES.map((lane) => this.lanes[lane].node));
    this.node = element("section", { class: "feature", "aria-labelledby": `feature-${made}` }, head, this.body);
  }

  /** The moves that showing these cards will make: `{feature, card, from, element}`, the element when it is drawn. */
  moves(feature, cards) {
    const before = this.#statuses;
    return cards.filter((card) => before.has(card.wp_id) && before.get(card.wp_id) !== card.status).map((card) => {
      return { feature, card, from: before.get(card.wp_id), element: this.#cards.get(card.wp_id)?.node };
    });
  }

  /** Show these cards of the feature. */
  show(feature, cards, { isOpen, withProject, nowMs }) {
    this.feature = feature;
    this.isOpen = isOpen;
    this.#statuses = new Map(cards.map((card) => [card.wp_id, card.status]));
    this.#showHead(feature, withProject);
    this.body.hidden = !isOpen;
    if (isOpen) this.#showCards(cards, nowMs);
    else this.#drop(new Set());
  }

  grow(nowMs) {
    for (const card of this.#cards.values()) card.grow(nowMs);
  }

  #showHead(feature, withProject) {
    const { counts, total } = progress(feature);
    const number = Number(feature.number) && !feature.slug.startsWith(feature.number) ? `${feature.number} ` : "";
    const project = withProject && feature.project ? `${feature.project} / ` : "";
    setText(this.slug, plain(`${project}${number}${feature.slug}`, 200));
    setMark(this.button, "aria-expanded", String(this.isOpen));
    for (const lane of LANES) grow(this.segments[lane], counts[lane]);
    grow(this.rest, total - feature.cards.size);
    setMark(this.node, "data-finished", isFinished(feature));
    const end = isFinished(feature) && feature.completedAt ? ` on ${day(feature.completedAt)}` : "";
    setText(this.facts, [`${counts.done} of ${total} done${end}`, plain(feature.branch, 60)].filter(Boolean).join(" · "));
  }

  #showCards(cards, nowMs) {
    this.#drop(new Set(cards.map((card) => card.wp_id)));
    for (const value of cards) {
      let card = this.#cards.get(value.wp_id);
      if (!card) {
        card = new Card((shown) => this.onOpen(this.feature, shown));
        this.#cards.set(value.wp_id, card);
      }
      card.show(value, nowMs);
      place(card, this.lanes[value.status].list);
    }
    for (const lane of LANES) {
      const { list, node, total } = this.lanes[lane];
      setText(total, String(list.childElementCount));
      setMark(node, "data-empty", list.childElementCount === 0);
    }
  }

  #drop(kept) {
    for (const [wpId, card] of this.#cards) {
      if (kept.has(wpId)) continue;
      card.node.remove();
      this.#cards.delete(wpId);
    }
  }
}

/** Let a part of a bar be so wide, and no part where there is nothing. */
function grow(segment, share) {
  segment.style.flexGrow = share;
  setMark(segment, "hidden", share === 0);
}

function makeLane(lane) {
  const list = element("ul");
  const total = element("span", { class: "count" });
  const node = element("section", { class: "lane", "data-lane": lane, "aria-label": laneName(lane) },
    element("h3", {}, laneName(lane), " ", total), list);
  return { list, node, total };
}

const placed = new WeakMap();

/** Put a card among those of its lane, by id, keeping the focus; a card that stands right is not touched. */
function place(card, list) {
  placed.set(card.node, card);
  const next = card.node.nextElementSibling;
  const previous = card.node.previousElementSibling;
  const fits = (!next || card.isBefore(placed.get(next))) && (!previous || placed.get(previous).isBefore(card));
  if (card.node.parentElement === list && fits) return;
  const hasFocus = card.node.contains(document.activeElement);
  const after = [...list.children].find((other) => other !== card.node && card.isBefore(placed.get(other)));
  list.insertBefore(card.node, after ?? null);
  if (hasFocus) card.button.focus({ preventScroll: true });
}
