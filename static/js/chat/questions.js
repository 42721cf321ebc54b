/** What is asked over a line: each reply finds its question. It knows no DOM and no socket. */
import { SYSTEM_CLOCK } from "../core/clock.js";

export class Questions {
  #send;
  #clock;
  #lastRef = 0;
  #open = new Map(); // ref -> what to do with the reply

  /** `send` sends a frame; false when there is no line to send it on. */
  constructor(send, clock = SYSTEM_CLOCK) {
    this.#send = send;
    this.#clock = clock;
  }

  /** Asks once: the reply, or null when there is no line, or none any more before it came. */
  ask(frame) {
    const ref = (this.#lastRef += 1);
    return new Promise((resolve) => {
      if (this.#send({ ...frame, ref })) this.#open.set(ref, resolve);
      else resolve(null);
    });
  }

  /** Asks until it is answered other than by "not now". */
  async insist(frame) {
    for (;;) {
      const reply = await this.ask(frame);
      if (!reply?.error?.retry_after) return reply;
      await new Promise((resolve) => this.#clock.setTimeout(resolve, reply.error.retry_after * 1000));
    }
  }

  /** Takes a reply. */
  answer(reply) {
    this.#open.get(reply.ref)?.(reply);
    this.#open.delete(reply.ref);
  }

  /** The line is lost, and with it the replies that it owes. */
  giveUp() {
    for (const resolve of this.#open.values()) resolve(null);
    this.#open.clear();
  }
}
