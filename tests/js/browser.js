/** What tabs of one browser share, for tests: a storage, the events that tell of it, and locks. */

/** localStorage. `quota` is how many characters fit in; `tab()` is one tab's view of it. */
export class SharedStorage {
  quota = Infinity;
  isForbidden = false;
  #values = new Map();
  #listeners = new Map(); // tab -> what to do with an event
  #untold = [];

  /** A tab's view; `hear` is called with what other tabs have written, once that is told. */
  tab(hear) {
    const view = {
      key: (index) => [...this.#look().keys()][index],
      getItem: (key) => this.#look().get(key) ?? null,
      setItem: (key, value) => this.#write(view, key, String(value)),
      removeItem: (key) => this.#write(view, key, null),
    };
    Object.defineProperty(view, "length", { get: () => this.#look().size });
    this.#listeners.set(view, hear);
    return view;
  }

  get keys() {
    return [...this.#values.keys()];
  }

  /** Other tabs hear of a change later, in order, each with the value of that change. */
  tell() {
    for (const { view, event } of this.#untold.splice(0)) {
      for (const [other, hear] of this.#listeners) if (other !== view) hear(event);
    }
  }

  #look() {
    if (this.isForbidden) throw new DOMException("forbidden", "SecurityError");
    return this.#values;
  }

  #write(view, key, newValue) {
    const values = this.#look();
    const without = [...values].reduce((sum, [name, text]) => sum + (name === key ? 0 : name.length + text.length), 0);
    if (newValue === null) values.delete(key);
    else if (without + key.length + newValue.length <= this.quota) values.set(key, newValue);
    else throw new DOMException("full", "QuotaExceededError");
    this.#untold.push({ view, event: { key, newValue } });
  }
}

/** navigator.locks, as far as it is used: one holder for each name, the others in a queue. */
export class SharedLocks {
  #ends = new Map(); // name -> when the last in the queue is done

  request(name, work) {
    const before = this.#ends.get(name) ?? Promise.resolve();
    const end = before.then(work);
    this.#ends.set(name, end.catch(() => {}));
    return end;
  }
}
