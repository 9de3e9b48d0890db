// Who is logged in: tokens, and requests that carry them. Knows the hub's login, and nothing of what it is asked for.

const REFRESH = "catflap.refresh";
const TIMEOUT_MS = 15_000;

/** The hub does not know us, or no longer: somebody has to log in. */
export class SignedOut extends Error {}

/** The hub did not answer, or not so that it helps; later it may. */
export class Unreachable extends Error {}

/** The hub refused a login; the message says why, for people. */
export class Refused extends Error {}

/** The access token lives in memory, the refresh token in this tab's storage, the password nowhere. */
export class Session {
  #storage;
  #access = null;
  #refreshing = null;

  constructor(storage) {
    this.#storage = storage;
  }

  get isKnown() {
    return this.#storage.getItem(REFRESH) !== null;
  }

  /** Log in. Throws Refused or Unreachable. */
  async login(username, password, team) {
    const answer = await send("POST", "/api/v1/token/", { body: { username, password, ...(team && { team }) } });
    if (answer.status === 401) throw new Refused("The hub does not know this name with this password.");
    if (answer.status === 429) throw new Refused(`Too many tries. Wait ${answer.headers.get("Retry-After") ?? "a few"} s.`);
    if (answer.status >= 500) throw new Unreachable(`the hub answered ${answer.status}`);
    if (!answer.ok) throw new Refused(await reason(answer));
    this.#take(await body(answer));
  }

  /** Forget the session, here and, when it can be reached, at the hub. */
  async logout() {
    const refresh = this.#storage.getItem(REFRESH);
    this.#forget();
    if (refresh === null) return;
    try {
      await send("POST", "/api/v1/token/revoke/", { body: { refresh } });
    } catch (error) {
      if (!(error instanceof Unreachable)) throw error; // unreachable: the token dies of age
    }
  }

  /** The hub's answer to a GET, as a value. Throws SignedOut or Unreachable. */
  get(path) {
    return this.#ask("GET", path);
  }

  /** A fresh token for one socket. Throws SignedOut or Unreachable. */
  async socketToken() {
    return (await this.#ask("POST", "/api/v1/ws-token/")).ws_token;
  }

  async #ask(method, path) {
    if (this.#access === null) await this.#refresh();
    let answer = await send(method, path, { access: this.#access });
    if (answer.status === 401) {
      await this.#refresh();
      answer = await send(method, path, { access: this.#access });
    }
    if (answer.status === 401) throw new SignedOut("the hub refuses a token that it just gave");
    if (!answer.ok) throw new Unreachable(`${method} ${path}: ${answer.status}`);
    return body(answer);
  }

  /** One refresh, however many ask: a refresh token is good for one use. */
  #refresh() {
    this.#refreshing ??= this.#refreshOnce().finally(() => {
      this.#refreshing = null;
    });
    return this.#refreshing;
  }

  async #refreshOnce() {
    const refresh = this.#storage.getItem(REFRESH);
    if (refresh === null) throw new SignedOut("nobody is logged in");
    const answer = await send("POST", "/api/v1/token/refresh/", { body: { refresh } });
    if (answer.status === 401 || answer.status === 400) {
      this.#forget();
      throw new SignedOut("the session is over");
    }
    if (!answer.ok) throw new Unreachable(`refresh: ${answer.status}`);
    this.#take(await body(answer));
  }

  #forget() {
    this.#access = null;
    this.#storage.removeItem(REFRESH);
  }

  #take({ access, refresh }) {
    this.#access = access;
    this.#storage.setItem(REFRESH, refresh);
  }
}

async function send(method, path, { access, body: value } = {}) {
  const headers = {};
  if (access) headers.Authorization = `Bearer ${access}`;
  if (value) headers["Content-Type"] = "application/json";
  try {
    return await fetch(path, {
      method, headers, body: value && JSON.stringify(value), cache: "no-store", credentials: "omit",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
  } catch (error) {
    throw new Unreachable(`${method} ${path}: ${error.message}`, { cause: error });
  }
}

/** The answer's JSON; something else is a proxy's page, or half of an answer. */
async function body(answer) {
  try {
    return await answer.json();
  } catch (error) {
    throw new Unreachable(`${answer.url}: no JSON`, { cause: error });
  }
}

async function reason(answer) {
  const value = await body(answer);
  return String(value.details ?? value.error ?? `The hub answered ${answer.status}.`);
}
