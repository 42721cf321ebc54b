/** Time that passes only when a test says so: what is to be tested takes it instead of the system's. */
export class Clock {
  #now = 0;
  #timers = new Map();
  #lastId = 0;

  now = () => this.#now;

  setTimeout = (callback, ms) => {
    this.#timers.set((this.#lastId += 1), { callback, at: this.#now + ms });
    return this.#lastId;
  };

  clearTimeout = (id) => this.#timers.delete(id);

  /** How many timers are set. */
  get waiting() {
    return this.#timers.size;
  }

  /** Lets time pass; after each timer, what was promised meanwhile is carried on. */
  async pass(ms) {
    const until = this.#now + ms;
    for (;;) {
      const [next] = [...this.#timers].filter(([, { at }]) => at <= until).sort(([, a], [, b]) => a.at - b.at);
      if (!next) break;
      const [id, { callback, at }] = next;
      this.#now = at;
      this.#timers.delete(id);
      callback();
      await settled();
    }
    this.#now = until;
    await settled();
  }

  /** Time passes and nothing runs, as in a tab that is frozen. */
  freeze(ms) {
    this.#now += ms;
  }
}

/** Everything that is ready to go on has gone on. */
export function settled() {
  return new Promise((resolve) => setImmediate(resolve));
}
