// One work package whole, in a dialog: what its card has no room for, and its last events.

import { dependencies } from "./card.js";
import { element } from "./elements.js";
import { laneName, list, moment, plain, tells, whose } from "./wording.js";

export class Details {
  #shown = null;

  constructor(dialog, feed) {
    this.dialog = dialog;
    this.feed = feed;
    this.title = dialog.querySelector("h2");
    this.body = dialog.querySelector("div");
    dialog.querySelector("button").addEventListener("click", () => dialog.close());
    dialog.addEventListener("click", ({ target }) => target === dialog && dialog.close());
  }

  open(feature, card, nowMs) {
    this.#shown = { key: feature.key, wpId: card.wp_id };
    this.#draw(feature, card, nowMs);
    this.dialog.showModal();
  }

  close() {
    this.dialog.close();
  }

  /** Draw anew what is open, if the board has it still. */
  refresh(board, nowMs) {
    if (!this.dialog.open || !this.#shown) return;
    const feature = board.features.get(this.#shown.key);
    const card = feature?.cards.get(this.#shown.wpId);
    if (card) this.#draw(feature, card, nowMs);
  }

  #draw(feature, card, nowMs) {
    this.title.replaceChildren(element("span", { class: "wp", text: plain(card.wp_id, 40) }), " ",
      element("span", { dir: "auto", text: plain(card.title) || "(no title)" }));
    const { waits, needs } = dependencies(card);
    const facts = [
      ["Feature", [plain(feature.project), plain(feature.slug)].filter(Boolean).join(" / ")],
      ["Lane", `${laneName(card.status)}, since ${moment(card.status_since, nowMs) || "unknown"}`],
      ["Agent", card.agent ? [plain(card.agent), card.phase].filter(Boolean).join(", ") : ""],
      ["Waits for", list(waits)],
      ["Comes after", list(needs)],
      ["Last change", [moment(card.updated_at, nowMs), plain(card.updated_by)].filter(Boolean).join(", ")],
    ].filter(([, value]) => value);
    const events = this.feed.of(feature, card.wp_id).reverse().map((event) => element("li", {},
      element("time", { datetime: event.timestamp, text: moment(event.timestamp, nowMs) }),
      element("span", { class: "what", dir: "auto", text: tells(event) }),
      element("span", { class: "where", text: whose(event) })));
    this.body.replaceChildren(
      element("dl", {}, ...facts.flatMap(([name, value]) =>
        [element("dt", { text: name }), element("dd", { dir: "auto", text: value })])),
      ...(events.length ? [element("h3", { text: "Last events" }), element("ol", { class: "feed" }, ...events)] : []));
  }
}
