// Says to screen readers what moved, politely: what comes together is said together, and a flood is counted.

import { count, laneName, plain } from "./wording.js";

const GATHER_MS = 1500;
const MOST = 3;

export class Announcer {
  #waiting = [];
  #timer = null;

  constructor(node) {
    this.node = node;
  }

  moved(moves) {
    this.#waiting.push(...moves.map(({ card, from }) =>
      `${plain(card.wp_id, 40)} ${plain(card.title, 80)} went from ${laneName(from)} to ${laneName(card.status)}.`));
    this.#timer ??= setTimeout(() => this.#say(), GATHER_MS);
  }

  #say() {
    const said = this.#waiting;
    this.#waiting = [];
    this.#timer = null;
    this.node.textContent = said.length > MOST ? `${count(said.length)} moved.` : said.join(" ");
  }
}
