// The team's last events, newest first. Each sequence is there once, whatever way it came.

import { element } from "./elements.js";
import { wantsEvent } from "./filters.js";
import { moment, plain, shortMoment, tells, whose } from "./wording.js";

const KEPT = 1000;
const SHOWN = 150;

export class Feed {
  #entries = [];
  #drawn = 0;

  constructor(list) {
    this.list = list;
    this.clear();
  }

  clear() {
    this.#entries = [];
    this.last = 0;
    this.redraw();
  }

  /** Take an event. False, and nothing changes, when it is here already. */
  add(sequence, event) {
    if (sequence <= this.last) return false;
    this.last = sequence;
    this.#entries.push({ sequence, event });
    if (this.#entries.length > KEPT) this.#entries.shift();
    return true;
  }

  /** Let the next `show` draw all anew: another filter, or another day. */
  redraw() {
    this.#drawn = 0;
    this.list.replaceChildren();
  }

  /** Draw what came since the last time. */
  show(board, filters, nowMs) {
    const fresh = this.#entries.filter(({ sequence }) => sequence > this.#drawn);
    const wanted = fresh.filter(({ event }) => wantsEvent(filters, event, tells(event), board.cardOf(event)))
      .slice(-SHOWN).reverse();
    this.#drawn = this.last;
    this.list.prepend(...wanted.map((entry) => draw(entry, nowMs)));
    while (this.list.childElementCount > SHOWN) this.list.lastElementChild.remove();
  }

  /** The events kept of one work package, oldest first. */
  of(feature, wpId) {
    return this.#entries.map(({ event }) => event).filter(({ project_slug: project, payload }) =>
      payload.wp_id === wpId && payload.feature_slug === feature.slug && (project ?? "") === feature.project);
  }
}

function draw({ sequence, event }, nowMs) {
  const where = [plain(event.payload.feature_slug, 100), whose(event)].filter(Boolean);
  const item = element("li", { "data-sequence": sequence, "data-type": event.event_type },
    element("time", { datetime: event.timestamp, text: shortMoment(event.timestamp, nowMs),
      title: moment(event.timestamp, nowMs) }),
    element("span", { class: "what", dir: "auto", text: tells(event) }),
    element("span", { class: "where", dir: "auto", text: where.join(" · ") }));
  if (event.payload.new_status) item.dataset.lane = event.payload.new_status;
  return item;
}
