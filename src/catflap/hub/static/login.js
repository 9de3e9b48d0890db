// The form that asks who is there. It opens over the board, which stays where it was.

import { Refused, Unreachable } from "./session.js";
import { setText } from "./elements.js";

export class Login {
  constructor(dialog, session, onLogin) {
    this.dialog = dialog;
    this.session = session;
    this.onLogin = onLogin;
    this.isWanted = false;
    this.form = dialog.querySelector("form");
    this.why = dialog.querySelector("#login-why");
    this.error = dialog.querySelector("#login-error");
    this.submit = dialog.querySelector("[type=submit]");
    // Behind it there is nothing to use. A browser lets Escape be refused once; after the second it is opened again.
    dialog.addEventListener("cancel", (event) => event.preventDefault());
    dialog.addEventListener("close", () => this.isWanted && dialog.showModal());
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#try();
    });
  }

  /** Ask. `why` says what happened, when something did. */
  open(why = "") {
    this.isWanted = true;
    setText(this.why, why);
    setText(this.error, "");
    if (!this.dialog.open) this.dialog.showModal();
  }

  async #try() {
    const { username, password, team } = this.form.elements;
    this.submit.disabled = true;
    setText(this.error, "");
    try {
      await this.session.login(username.value, password.value, team.value.trim());
    } catch (error) {
      if (!(error instanceof Refused || error instanceof Unreachable)) throw error;
      setText(this.error, error instanceof Refused ? error.message : "The hub does not answer. Try again.");
      password.select();
      return;
    } finally {
      this.submit.disabled = false;
    }
    password.value = "";
    this.isWanted = false;
    this.dialog.close();
    this.onLogin();
  }
}
