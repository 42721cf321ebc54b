/**
 * What one person has written in one room and the server has not acknowledged yet. It outlives the page, and all tabs
 * of that person share it. It knows no DOM.
 *
 * Each draft is a key of its own in localStorage, written before `add` returns: a tab that crashes right after has kept
 * it, and tabs that write at the same moment overwrite nothing of each other. What cannot be stored stays in memory.
 *
 * Events, detail {draft, message?}: "added", "changed" (it failed, waits, or is to be tried again) and "removed"
 * (with the message that it has become; without one it was discarded). They tell of other tabs, too.
 */
export class Outbox extends EventTarget {
  #storage;
  #prefix;
  #now;
  #drafts = new Map(); // client_id -> draft
  #texts = new Map(); // client_id -> what is stored of it
  #lastOrder = 0;

  /** `openStorage` may raise: a browser may forbid it. The rest stands in for the browser in tests. */
  constructor({ account, room, openStorage = () => globalThis.localStorage, now = Date.now }) {
    super();
    this.#prefix = `outbox/${account}/${room}/`;
    this.#now = now;
    try {
      this.#storage = openStorage();
    } catch {
      this.#storage = null;
    }
    this.sync();
  }

  /** One name for all tabs that share it, and for no others. */
  get name() {
    return this.#prefix;
  }

  /** In the order in which they were written. */
  get drafts() {
    return [...this.#drafts.values()].sort(byOrder);
  }

  /** The one to be sent first; undefined when all is settled. What failed holds up nothing. */
  get next() {
    return this.drafts.find((draft) => !draft.error);
  }

  has({ client_id }) {
    return this.#drafts.has(client_id);
  }

  /** Whether some would be lost with this page. */
  get isAtRisk() {
    return [...this.#drafts.keys()].some((id) => !this.#texts.has(id));
  }

  /** Takes what was just written: {client_id, text, author, created}. */
  add(draft) {
    this.#lastOrder = Math.max(this.#now(), this.#lastOrder + 1);
    this.#put("added", { ...draft, order: this.#lastOrder });
  }

  /** The server has refused it for good; it stays until somebody decides. */
  fail(draft, { code, detail }) {
    this.#change(draft, { error: { code, detail }, waiting: undefined });
  }

  /** The server has asked to wait; it is sent again by itself. Not stored: it concerns this moment only. */
  wait(draft, { detail }) {
    this.#change(draft, { waiting: detail });
  }

  /** A failed one goes back to its place in the queue. */
  retry(draft) {
    this.#change(draft, { error: undefined, waiting: undefined });
  }

  discard(draft) {
    this.#remove(draft.client_id);
  }

  /** Its message is stored on the server. Other tabs read the message out of the key before it goes. */
  settle(message) {
    const { client_id } = message;
    if (!this.#drafts.has(client_id)) return;
    // What a page was drawn with is no whole message.
    if (message.text !== undefined) this.#write(client_id, { ...this.#drafts.get(client_id), message });
    this.#remove(client_id, message);
  }

  /** Takes a "storage" event: another tab has written. */
  hear({ key, newValue }) {
    if (!key?.startsWith(this.#prefix)) return;
    const { message } = parse(newValue) ?? {};
    if (message) this.#remove(message.client_id, message);
    else this.sync();
  }

  /** Takes over what other tabs have written, while this one may not have been told. */
  sync() {
    const stored = this.#read();
    for (const id of this.#texts.keys()) {
      if (!stored.has(id)) this.#forget(id);
    }
    for (const [id, text] of stored) {
      const { message, ...draft } = parse(text);
      if (message) this.#remove(id, message); // a tab ended halfway through settling it
      else if (text !== this.#texts.get(id)) this.#take(text, draft);
    }
  }

  #take(text, draft) {
    const type = this.has(draft) ? "changed" : "added";
    this.#drafts.set(draft.client_id, draft);
    this.#texts.set(draft.client_id, text);
    this.#lastOrder = Math.max(this.#lastOrder, draft.order);
    this.#tell(type, { draft });
  }

  #change({ client_id }, fields) {
    const draft = this.#drafts.get(client_id);
    if (draft) this.#put("changed", { ...draft, ...fields }); // else it was settled meanwhile
  }

  #put(type, draft) {
    this.#drafts.set(draft.client_id, draft);
    this.#keep(draft);
    this.#tell(type, { draft });
  }

  #keep(draft) {
    const text = this.#write(draft.client_id, { ...draft, waiting: undefined });
    if (text) this.#texts.set(draft.client_id, text);
  }

  #remove(id, message) {
    try {
      this.#storage?.removeItem(this.#prefix + id);
    } catch {
      // It could not be written either.
    }
    this.#forget(id, message);
    // There may be room now for those that had none.
    for (const draft of this.drafts) if (!this.#texts.has(draft.client_id)) this.#keep(draft);
  }

  #forget(id, message) {
    const draft = this.#drafts.get(id);
    this.#texts.delete(id);
    if (this.#drafts.delete(id)) this.#tell("removed", { draft, message });
  }

  /** What was stored, or undefined if that is full or forbidden. */
  #write(id, value) {
    const text = JSON.stringify(value);
    try {
      this.#storage?.setItem(this.#prefix + id, text);
      return this.#storage ? text : undefined;
    } catch {
      return undefined;
    }
  }

  /** client_id -> text, of all drafts that are stored. What is no draft of ours is left alone. */
  #read() {
    const stored = new Map();
    try {
      for (let index = 0; index < (this.#storage?.length ?? 0); index += 1) {
        const key = this.#storage.key(index);
        const text = key.startsWith(this.#prefix) ? this.#storage.getItem(key) : null;
        const draft = parse(text);
        if (draft && key === this.#prefix + draft.client_id) stored.set(draft.client_id, text);
      }
    } catch {
      return this.#texts; // nothing can be said, so nothing has changed
    }
    return stored;
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

/** Sorts drafts by when they were written. */
export function byOrder(one, other) {
  return one.order - other.order || (one.client_id < other.client_id ? -1 : 1);
}

/** A draft out of storage; null for what another version of this page may have left there. */
function parse(text) {
  try {
    const draft = JSON.parse(text);
    const isOne = typeof draft?.client_id === "string" && typeof draft.text === "string" && draft.author?.id;
    return isOne && Number.isFinite(draft.order) && Date.parse(draft.created) ? draft : null;
  } catch {
    return null;
  }
}
