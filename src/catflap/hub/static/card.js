// One work package as an element of its lane. Knows how a card looks, not where it stands.

import { element, setMark, setText } from "./elements.js";
import { compareIds } from "./model.js";
import { age, isLong, list, moment, plain } from "./wording.js";

const TITLE_LENGTH = 300;
const IDS = 6;
let made = 0;

export class Card {
  #said = "";

  constructor(onOpen) {
    made += 1;
    this.id = element("b", { class: "wp" });
    this.title = element("span", { class: "title", dir: "auto" });
    this.button = element("button", { type: "button", tabindex: "-1", "aria-describedby": `facts-${made} age-${made}` },
      this.id, " ", this.title);
    this.agent = element("span", { class: "agent", dir: "auto" });
    this.waits = element("span", { class: "waits" });
    this.needs = element("span", { class: "needs" });
    this.facts = element("p", { class: "facts", id: `facts-${made}` }, this.agent, " ", this.waits, " ", this.needs);
    this.age = element("time", { class: "age", id: `age-${made}` });
    this.node = element("li", { class: "card", onclick: () => onOpen(this.value) },
      element("p", { class: "name" }, this.button), this.age, this.facts);
  }

  /** Show this card; touches nothing when it is shown already. */
  show(card, nowMs) {
    this.value = card;
    const said = JSON.stringify(card);
    if (said !== this.#said) {
      this.#said = said;
      this.node.dataset.wp = plain(card.wp_id, 40);
      setText(this.id, plain(card.wp_id, 40));
      setText(this.title, plain(card.title, TITLE_LENGTH) || "(no title)");
      setText(this.agent, plain(card.agent, 60));
      const { waits, needs } = dependencies(card);
      setText(this.waits, waits.length ? `waits for ${some(waits)}` : "");
      setText(this.needs, needs.length ? `after ${some(needs)}` : "");
      this.facts.hidden = this.facts.textContent.trim() === "";
    }
    this.grow(nowMs);
  }

  /** Let the age be that of now. */
  grow(nowMs) {
    const { status, status_since: since } = this.value;
    if (setText(this.age, age(since, nowMs))) {
      setMark(this.age, "datetime", since);
      setMark(this.age, "title", since && `in this lane since ${moment(since, nowMs)}`);
    }
    setMark(this.age, "data-long", isLong(status, since, nowMs));
  }

  get place() {
    return this.value.wp_id;
  }

  isBefore(other) {
    return compareIds(this.place, other.place) < 0;
  }
}

/** What a card still waits for, and what it came after. A done one waits for nothing. */
export function dependencies(card) {
  const waits = card.status === "done" ? [] : card.blocked_by;
  return { waits, needs: card.dependencies.filter((id) => !waits.includes(id)) };
}

const some = (ids) => (ids.length > IDS ? `${list(ids.slice(0, IDS))} and ${ids.length - IDS} more` : list(ids));
