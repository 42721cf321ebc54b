/**
 * Sends what is in an outbox: one draft after the other, so that what has to wait keeps its place, and in one tab at a
 * time. It knows no DOM and no socket.
 */
import { SYSTEM_CLOCK } from "../core/clock.js";

const REPLY_WITHIN_MS = 30_000; // a reply that takes longer was lost on a line that lives
const LATE = Symbol("late");

// Browsers have locks on https and localhost only. Without them every tab sends: each starts with the oldest draft and
// the server takes each draft once, so the order holds all the same, at the price of asking twice.
const NO_LOCKS = { request: (name, work) => work() };

export class Delivery {
  #outbox;
  #post;
  #locks;
  #clock;
  #isRunning = false;
  #isWanted = false;

  /** `post` sends a draft: the reply, or null when the line was lost before it came. The rest is the browser's. */
  constructor(outbox, post, { locks = globalThis.navigator?.locks, clock = SYSTEM_CLOCK } = {}) {
    this.#outbox = outbox;
    this.#post = post;
    this.#locks = locks ?? NO_LOCKS;
    this.#clock = clock;
  }

  /** Sends what waits, now or when the tab that does so has finished, as far as the line lets it. */
  async run() {
    this.#isWanted = true;
    if (this.#isRunning) return;
    this.#isRunning = true;
    try {
      while (this.#isWanted) {
        this.#isWanted = false;
        if (this.#outbox.next) await this.#locks.request(this.#outbox.name, () => this.#send());
      }
    } finally {
      this.#isRunning = false;
    }
  }

  /** While it has the lock. It goes with the line and with the tab, so that another one takes over. */
  async #send() {
    this.#outbox.sync();
    for (let draft; (draft = this.#outbox.next); ) {
      const reply = await this.#answer(draft);
      if (reply === null) return; // the next line goes on here
      if (reply === LATE) {
        this.#isWanted = true; // sending it again is harmless; a tab with a better line goes first
        return;
      }
      if (reply) await this.#take(draft, reply);
    }
  }

  async #take(draft, { ok, message, error }) {
    if (ok) {
      this.#outbox.settle(message);
    } else if (error.retry_after) {
      this.#outbox.wait(draft, error);
      await new Promise((resolve) => this.#clock.setTimeout(resolve, error.retry_after * 1000));
    } else {
      this.#outbox.fail(draft, error);
    }
  }

  /** The reply; null without a line; undefined when it was settled otherwise; LATE when nothing comes. */
  #answer(draft) {
    const listening = new AbortController();
    let timer;
    return new Promise((resolve) => {
      const look = () => this.#outbox.has(draft) || resolve(undefined);
      this.#outbox.addEventListener("removed", look, { signal: listening.signal });
      timer = this.#clock.setTimeout(() => resolve(LATE), REPLY_WITHIN_MS);
      this.#post(draft).then(resolve);
    }).finally(() => {
      listening.abort();
      this.#clock.clearTimeout(timer);
    });
  }
}
