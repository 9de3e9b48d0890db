// Which work packages and events are wanted, as it stands in the address. Knows the hash, not the page.

import { featureKey } from "./model.js";

const NAMES = ["view", "feature", "agent", "text"];
const VIEWS = ["board", "events", "history"];

/** What a hash such as `#view=history&agent=claude` says; what it does not say is empty. */
export function readHash(hash) {
  const given = new URLSearchParams(hash.replace(/^#/, ""));
  const found = Object.fromEntries(NAMES.map((name) => [name, given.get(name) ?? ""]));
  if (!VIEWS.includes(found.view)) [found.view] = VIEWS;
  return found;
}

/** The hash that says this, without what is empty. */
export function writeHash(filters) {
  const said = NAMES.filter((name) => filters[name] && !(name === "view" && filters.view === VIEWS[0]));
  const text = new URLSearchParams(said.map((name) => [name, filters[name]])).toString();
  return text ? `#${text}` : "#";
}

export const isFiltering = ({ feature, agent, text }) => Boolean(feature || agent || text);

/** Whether a card is wanted. */
export function wantsCard(filters, feature, card) {
  if (filters.feature && filters.feature !== feature.key) return false;
  if (filters.agent && filters.agent !== card.agent) return false;
  return hasAll(filters.text, [card.wp_id, card.title, card.agent, feature.slug, feature.project]);
}

/** Whether a feature is wanted although none of its cards is: there is none yet. */
export function wantsEmptyFeature(filters, feature) {
  if (feature.cards.size > 0 || filters.agent) return false;
  if (filters.feature && filters.feature !== feature.key) return false;
  return hasAll(filters.text, [feature.slug, feature.project]);
}

/** Whether an event is wanted, by what it says in `words`, by who did it, and by its card, when there is one. */
export function wantsEvent(filters, event, words, card) {
  const { payload } = event;
  if (filters.feature && filters.feature !== featureKey(event.project_slug, payload.feature_slug)) return false;
  const who = [payload.agent_id, payload.changed_by, payload.author, card?.agent];
  if (filters.agent && !who.includes(filters.agent)) return false;
  return hasAll(filters.text, [words, payload.feature_slug, event.project_slug, card?.title, ...who]);
}

/** Every word of the text is somewhere in the parts, in any case. */
function hasAll(text, parts) {
  if (!text) return true;
  const hay = parts.filter(Boolean).join("\n").toLowerCase();
  return text.toLowerCase().split(/\s+/).every((word) => hay.includes(word));
}
