// The features as rows, in order: which are shown, which are open. A row that nothing happened to is not touched.

import { element, setText } from "./elements.js";
import { isFiltering, wantsCard, wantsEmptyFeature } from "./filters.js";
import { LANES, compareFeatures, isFinished } from "./model.js";
import { slide } from "./motion.js";
import { Swimlane } from "./swimlane.js";
import { laneName } from "./wording.js";

/** So many features are open at first; the others, and finished ones, show their progress and open on demand. */
const OPEN_AT_FIRST = 30;

export class Swimlanes {
  #rows = new Map();
  #openness = new Map();
  #filters = null;

  /** `onMoves(moves)`: cards went from lane to lane. `onOpen(feature, card)`: somebody wants to see a card whole. */
  constructor(root, heads, { onMoves, onOpen }) {
    this.root = root;
    this.onMoves = onMoves;
    this.onOpen = onOpen;
    this.counts = Object.fromEntries(LANES.map((lane) => [lane, element("span", { class: "count" })]));
    heads.append(...LANES.map((lane) => element("li", { class: lane }, laneName(lane), " ", this.counts[lane])));
  }

  /** Show what the filters want. `keys`: the features that may have changed; those of a new filter are all. */
  show(board, filters, keys, nowMs) {
    const isNew = this.#filters === null || JSON.stringify(filters) !== this.#filters;
    if (isNew) {
      this.#filters = JSON.stringify(filters);
      this.#openness.clear();
    }
    const wanted = this.#wanted(board, filters);
    const withProject = new Set([...board.features.values()].map(({ project }) => project)).size > 1;
    if (isNew || withProject !== this.withProject || wanted.size !== this.#rows.size
      || [...wanted.keys()].some((key) => !this.#rows.has(key))) {
      this.withProject = withProject;
      this.#arrange(board, wanted, filters);
      keys = wanted.keys();
    }
    const rows = [...keys].filter((key) => wanted.has(key)).map((key) => {
      return { row: this.#rows.get(key), feature: board.features.get(key), cards: wanted.get(key), key };
    });
    const moves = rows.flatMap(({ row, feature, cards }) => row.moves(feature, cards));
    slide(moves.map((move) => move.element).filter(Boolean), () => {
      for (const { row, feature, cards, key } of rows) {
        row.show(feature, cards, { isOpen: this.#openness.get(key), withProject, nowMs });
      }
    });
    if (moves.length > 0) this.onMoves(moves);
    return this.#count(wanted);
  }

  /** Let the ages be those of now. */
  grow(nowMs) {
    for (const row of this.#rows.values()) row.grow(nowMs);
  }

  clear() {
    for (const row of this.#rows.values()) row.node.remove();
    this.#rows.clear();
    this.#filters = null;
  }

  /** The cards that are wanted, by feature; a feature without any is not there. */
  #wanted(board, filters) {
    const wanted = new Map();
    for (const feature of board.features.values()) {
      const cards = [...feature.cards.values()].filter((card) => wantsCard(filters, feature, card));
      if (cards.length > 0 || wantsEmptyFeature(filters, feature)) wanted.set(feature.key, cards);
    }
    return wanted;
  }

  /** Make, order and remove rows, and decide of those that are new whether they are open. */
  #arrange(board, wanted, filters) {
    for (const [key, row] of this.#rows) {
      if (wanted.has(key)) continue;
      row.node.remove();
      this.#rows.delete(key);
    }
    const features = [...wanted.keys()].map((key) => board.features.get(key)).sort(compareFeatures);
    const isFirst = this.#openness.size === 0;
    let open = 0;
    let before = null;
    for (const feature of features) {
      if (!this.#openness.has(feature.key)) {
        const isWorth = isFiltering(filters) || !isFinished(feature);
        this.#openness.set(feature.key, isWorth && (!isFirst || open < OPEN_AT_FIRST));
      }
      open += this.#openness.get(feature.key);
      if (!this.#rows.has(feature.key)) this.#rows.set(feature.key, this.#row(feature.key));
      const { node } = this.#rows.get(feature.key);
      const follows = before ? before.nextElementSibling : this.root.firstElementChild;
      if (follows !== node) this.root.insertBefore(node, follows);
      before = node;
    }
  }

  #row(key) {
    return new Swimlane({
      onOpen: this.onOpen,
      onToggle: (isOpen) => {
        this.#openness.set(key, isOpen);
        this.root.dispatchEvent(new CustomEvent("toggled", { detail: key }));
      },
    });
  }

  #count(wanted) {
    const counts = Object.fromEntries(LANES.map((lane) => [lane, 0]));
    let shown = 0;
    for (const cards of wanted.values()) {
      for (const card of cards) counts[card.status] += 1;
      shown += cards.length;
    }
    for (const lane of LANES) setText(this.counts[lane], String(counts[lane]));
    return { shown, features: wanted.size };
  }
}
