/**
 * The messages of a room as one page knows them: each once, by place, in its latest version; after them the drafts,
 * which the server has not acknowledged. It knows no DOM.
 *
 * Events: "started" (everything is new), "changed" (detail.messages, the last one first, so that whoever inserts
 * each before its follower finds the follower there), "drafted" and "withdrawn" (detail.draft).
 */
export class Timeline extends EventTarget {
  #messages = new Map(); // seq -> message
  #drafts = new Map(); // client_id -> draft, in the order in which they were written
  #first = Infinity; // the places of the oldest and the newest message
  #last = 0;
  hasOlder = false;

  /** Oldest first. */
  get messages() {
    return [...this.#messages.values()].sort((a, b) => a.seq - b.seq);
  }

  get drafts() {
    return [...this.#drafts.values()];
  }

  /** The place of the oldest message that is known: history goes on before it. Infinity when there is none. */
  get firstSeq() {
    return this.#first;
  }

  /** The place of the newest one; 0 when there is none. */
  get lastSeq() {
    return this.#last;
  }

  /** Forgets what was, other than drafts, and starts with these. */
  start(messages, hasOlder) {
    this.#messages.clear();
    this.#first = Infinity;
    this.#last = 0;
    this.hasOlder = hasOlder;
    this.#take(messages);
    this.#tell("started");
  }

  /**
   * Takes the newest page on a new line: joined to what is known, or afresh when something between is missing.
   *
   * `hasOlder` speaks of that page; what is known may reach further back.
   */
  welcome(messages, hasOlder) {
    const joins = this.#last > 0 && messages.length > 0 && messages[0].seq <= this.#last + 1;
    if (joins) this.merge(messages);
    else this.start(messages, hasOlder);
  }

  /** Takes messages wherever they belong. What is known in that version or a later one is dropped. */
  merge(messages) {
    const changed = this.#take(messages);
    if (changed.length) this.#tell("changed", { messages: changed });
  }

  /** Takes the page before `firstSeq`. */
  prepend(messages, hasOlder) {
    this.hasOlder = hasOlder;
    this.merge(messages);
  }

  /** Shows what was just written, until the server has it: a message of that client_id takes its place. */
  draft(draft) {
    this.#drafts.set(draft.client_id, draft);
    this.#tell("drafted", { draft });
  }

  /** Takes back a draft that the server refused. */
  withdraw(draft) {
    if (this.#drafts.delete(draft.client_id)) this.#tell("withdrawn", { draft });
  }

  /** The known message that comes after this one, or undefined. */
  after(message) {
    for (let seq = message.seq + 1; seq <= this.#last; seq += 1) {
      if (this.#messages.has(seq)) return this.#messages.get(seq);
    }
    return undefined;
  }

  #take(messages) {
    const changed = messages.filter(({ seq, version }) => version > (this.#messages.get(seq)?.version ?? 0));
    for (const message of changed) {
      this.#messages.set(message.seq, message);
      this.#first = Math.min(this.#first, message.seq);
      this.#last = Math.max(this.#last, message.seq);
      this.#settle(message);
    }
    return changed.sort((a, b) => b.seq - a.seq);
  }

  /** The reply and the broadcast both bring it; whichever comes first settles it. */
  #settle({ client_id, author }) {
    if (this.#drafts.get(client_id)?.author.id === author?.id) this.#drafts.delete(client_id);
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
