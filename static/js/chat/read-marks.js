/**
 * Tells the server how far the reader has read: the latest position, not each one, and again until it was heard.
 * It knows no DOM.
 */
import { SYSTEM_CLOCK } from "../core/clock.js";

const EVERY_MS = 2_000;

export class ReadMarks {
  #send;
  #clock;
  #reached = 0;
  #told = 0; // as far as the server knows
  #isAsking = false;
  #notBefore = -Infinity;
  #mustWait = false; // the server has asked for patience
  #timer;

  /** `send(seq)` resolves to the reply, or to null when there is no line. */
  constructor(send, clock = SYSTEM_CLOCK) {
    this.#send = send;
    this.#clock = clock;
  }

  /** The reader has read up to the place `seq`. */
  reach(seq) {
    if (seq <= this.#reached) return;
    this.#reached = seq;
    this.#next();
  }

  /** The server knows that the reader has read up to there. */
  know(seq) {
    this.#told = Math.max(this.#told, seq);
  }

  /** There is a line again. */
  resume() {
    this.#next();
  }

  /** The page may be gone in a moment: what waits is told at once. */
  flush() {
    if (!this.#mustWait) this.#notBefore = -Infinity;
    this.#next();
  }

  #next() {
    this.#clock.clearTimeout(this.#timer);
    if (this.#isAsking || this.#reached <= this.#told) return;
    const waitMs = this.#notBefore - this.#clock.now();
    if (waitMs > 0) this.#timer = this.#clock.setTimeout(() => this.#next(), waitMs);
    else this.#ask(this.#reached);
  }

  async #ask(seq) {
    this.#isAsking = true;
    this.#wait(EVERY_MS);
    const reply = await this.#send(seq);
    this.#isAsking = false;
    if (!reply) {
      this.#notBefore = -Infinity; // nothing was sent: a new line takes it at once
      return;
    }
    const patience = reply.error?.retry_after;
    this.#mustWait = Boolean(patience);
    if (patience) this.#wait(patience * 1000);
    else this.know(seq); // also when it was refused for good: asking again would not help
    this.#next();
  }

  #wait(ms) {
    this.#notBefore = this.#clock.now() + ms;
  }
}
