// The socket to the hub: opened again whenever it ends, later and later. Knows frames, not what is in them.

import { SignedOut, Unreachable } from "./session.js";

const PROTOCOL = "catflap.v1";
const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 30_000;
const HANDSHAKE_MS = 15_000;
/** A socket that is silent for so long is dead, whatever the operating system thinks; the hub pings every 20 s. */
const SILENCE_MS = 60_000;

/** How long to wait before the next try, after so many that failed: doubled each time, and a random half of it. */
export function delayMs(failures, random) {
  return Math.min(FIRST_DELAY_MS * 2 ** failures, LONGEST_DELAY_MS) * (0.5 + random / 2);
}

export class Live {
  #session;
  #prepare;
  #onFrame;
  #onState;
  #run = null;
  #wake = () => {};

  /**
   * `prepare` runs before each socket and says after which sequence events are wanted; `onFrame` takes one frame, and
   * the next waits until it is done; `onState` hears "connecting", "live", "lost" and "signed-out".
   */
  constructor(session, { prepare, onFrame, onState }) {
    this.#session = session;
    this.#prepare = prepare;
    this.#onFrame = onFrame;
    this.#onState = onState;
    for (const [target, name] of [[window, "online"], [document, "visibilitychange"]]) {
      target.addEventListener(name, () => this.#wake());
    }
  }

  start() {
    this.stop();
    this.#run = new AbortController();
    this.#keep(this.#run.signal);
  }

  stop() {
    this.#run?.abort();
  }

  async #keep(signal) {
    let failures = 0;
    this.#onState("connecting");
    while (!signal.aborted) {
      try {
        const after = await this.#prepare();
        const token = await this.#session.socketToken();
        if (signal.aborted) return;
        await this.#socket(after, token, signal, () => {
          failures = 0;
          this.#onState("live");
        });
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof SignedOut) {
          this.#onState("signed-out");
          return;
        }
        if (!(error instanceof Unreachable)) console.error(error); // ours, and worth a look; the board goes on
      }
      if (signal.aborted) return;
      this.#onState("lost");
      await this.#pause(delayMs(failures, Math.random()), signal);
      failures += 1;
    }
  }

  /** Returns when the socket has ended and all of its frames are done. Throws Unreachable, or what a frame threw. */
  async #socket(after, token, signal, onOpen) {
    const address = new URL("/ws/v1/events/", location.href);
    address.protocol = address.protocol.replace("http", "ws");
    address.searchParams.set("after", after);
    const socket = new WebSocket(address, [PROTOCOL, `token.${token}`]);
    const close = () => socket.close();
    signal.addEventListener("abort", close);
    let silence = setTimeout(close, HANDSHAKE_MS);
    let work = Promise.resolve();
    let failure = null;
    const take = async (text) => {
      if (failure || signal.aborted) return;
      try {
        const frame = JSON.parse(text);
        if (frame.type === "ping") socket.send(JSON.stringify({ type: "pong", timestamp: frame.timestamp }));
        else await this.#onFrame(frame);
        if (frame.type === "snapshot") onOpen();
      } catch (error) {
        failure = error;
        socket.close();
      }
    };
    socket.onmessage = ({ data }) => {
      clearTimeout(silence);
      silence = setTimeout(close, SILENCE_MS);
      work = work.then(() => take(data));
    };
    await new Promise((resolve) => {
      socket.onclose = resolve;
    });
    clearTimeout(silence);
    signal.removeEventListener("abort", close);
    await work;
    if (failure) throw failure;
  }

  /** Wait; less when the network comes back, somebody looks at the page again, or nobody wants it any more. */
  #pause(ms, signal) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
      signal.addEventListener("abort", this.#wake, { once: true });
    });
  }
}
