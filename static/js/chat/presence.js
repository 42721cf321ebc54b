/** Who is in the room right now: a state, then differences. It knows no DOM. Event: "changed". */
export class Presence extends EventTarget {
  #people = new Map(); // id -> person
  count = 0; // told by the server: it may know of more people than it lists
  isPartial = false; // the server knows of a part of the people only: its own connection is disturbed

  /** By name. */
  get people() {
    return [...this.#people.values()].sort((a, b) => a.name.localeCompare(b.name) || a.id - b.id);
  }

  has(id) {
    return this.#people.has(id);
  }

  /** Everybody who is here, as far as the server knows. */
  start(people, isPartial = false) {
    this.#people = new Map(people.map((person) => [person.id, person]));
    this.count = this.#people.size;
    this.isPartial = isPartial;
    this.dispatchEvent(new Event("changed"));
  }

  /** Who came and who went. Hearing it twice is harmless. */
  change({ joined, left, count, local = this.isPartial }) {
    for (const id of left) this.#people.delete(id);
    for (const person of joined) this.#people.set(person.id, person);
    this.count = count;
    this.isPartial = local;
    this.dispatchEvent(new Event("changed"));
  }
}
