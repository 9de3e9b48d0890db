// One stop for Tab on the whole board, arrows from there. Knows rows, lanes and buttons, not what they say.

const FEATURE = ".feature";
const STOPS = ".feature-head button, .card button";

/** Arrow keys over the features and cards in `root`; `toggle(button, isOpen)` is asked to open or close a feature. */
export class Rover {
  #lane = 0;
  #current = null;

  constructor(root) {
    this.root = root;
    root.addEventListener("keydown", (event) => this.#press(event));
    root.addEventListener("focusin", ({ target }) => this.#take(target.closest(STOPS)));
  }

  /** See to it that one button can be reached by Tab, after the board was drawn. */
  settle() {
    const isGone = !this.#current?.isConnected || this.#current.closest("[hidden]");
    if (isGone) this.#take(this.root.querySelector(".card button") ?? this.root.querySelector(STOPS));
  }

  focus() {
    this.settle();
    this.#current?.focus();
  }

  #take(button) {
    if (!button || button === this.#current) return;
    this.#current?.setAttribute("tabindex", "-1");
    this.#current = button;
    button.setAttribute("tabindex", "0");
    const lane = button.closest(".lane");
    if (lane) this.#lane = [...lane.parentElement.children].indexOf(lane);
  }

  #press(event) {
    const button = event.target.closest(STOPS);
    if (!button || event.altKey || event.ctrlKey || event.metaKey) return;
    const found = this.#next(event.key, button);
    if (found === undefined) return;
    event.preventDefault();
    found?.focus();
    found?.closest(".card, .feature-head").scrollIntoView({ block: "nearest" });
  }

  /** The button that a key leads to; null when there is none; undefined when it is no key of ours. */
  #next(key, button) {
    const row = button.closest(FEATURE);
    const card = button.closest(".card");
    switch (key) {
      case "ArrowDown":
        return card ? buttonOf(card.nextElementSibling) ?? headOf(row.nextElementSibling)
          : this.#edge(row, "firstElementChild") ?? headOf(row.nextElementSibling);
      case "ArrowUp":
        return card ? buttonOf(card.previousElementSibling) ?? headOf(row)
          : this.#edge(row.previousElementSibling, "lastElementChild") ?? headOf(row.previousElementSibling);
      case "ArrowLeft":
        return card ? beside(card, "previousElementSibling") : fold(button, "true");
      case "ArrowRight":
        return card ? beside(card, "nextElementSibling") : fold(button, "false");
      case "Home":
        return headOf(this.root.firstElementChild);
      case "End":
        return headOf(this.root.lastElementChild);
      case "PageDown":
        return headOf(row.nextElementSibling);
      case "PageUp":
        return headOf(card ? row : row.previousElementSibling);
      default:
        return undefined;
    }
  }

  /** The first or last card of a row, in the lane that we were in last when it has any. */
  #edge(row, which) {
    const lists = row ? [...row.querySelectorAll(".lanes:not([hidden]) ul")] : [];
    const full = [lists[this.#lane], ...lists].find((list) => list?.childElementCount > 0);
    return full ? buttonOf(full[which]) : null;
  }
}

const buttonOf = (card) => card?.querySelector("button") ?? null;
const headOf = (row) => row?.querySelector(".feature-head button") ?? null;

/** The card as far down in the next lane that has any. */
function beside(card, direction) {
  const depth = [...card.parentElement.children].indexOf(card);
  let lane = card.closest(".lane")[direction];
  while (lane && lane.querySelector("ul").childElementCount === 0) lane = lane[direction];
  const cards = lane ? [...lane.querySelector("ul").children] : [];
  return buttonOf(cards[Math.min(depth, cards.length - 1)]);
}

/** Open or close the feature of this button, if that changes anything. */
function fold(button, from) {
  if (button.getAttribute("aria-expanded") === from) button.click();
  return null;
}
