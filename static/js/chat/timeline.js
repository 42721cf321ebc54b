/**
 * The messages of a room as one page knows them: each once, by place, in its latest version; after them the drafts,
 * which the server has not acknowledged. It knows no DOM.
 *
 * Events: "started" (everything is new), "changed" (detail.messages, the last one first, so that whoever inserts
 * each before its follower finds the follower there), "drafted" (detail.draft is new or has changed), "withdrawn"
 * (detail.draft) and "settled" (detail.message is what became of a draft).
 */
import { byOrder } from "./outbox.js";

export class Timeline extends EventTarget {
  #messages = new Map(); // seq -> message
  #unseen = new Map(); // seq -> message: changes of what is older than all that is known
  #drafts = new Map(); // client_id -> draft
  #first = Infinity; // the places of the oldest and the newest message
  #last = 0;
  /** The number of the room's last change that is known here; null until the first welcome. */
  head = null;
  hasOlder = false;

  /** Oldest first. */
  get messages() {
    return [...this.#messages.values()].sort((a, b) => a.seq - b.seq);
  }

  get drafts() {
    return [...this.#drafts.values()].sort(byOrder);
  }

  /** The place of the oldest message that is known: history goes on before it. Infinity when there is none. */
  get firstSeq() {
    return this.#first;
  }

  /** The place of the newest one; 0 when there is none. */
  get lastSeq() {
    return this.#last;
  }

  /** Takes the first frame of a line: what was missed is joined to what is known; a page starts everything afresh. */
  welcome({ recovered, head, messages, more }) {
    if (recovered) this.#apply(messages);
    else this.start(messages, more);
    this.head = head;
  }

  /**
   * Takes what has changed after the change `after` up to `head`. False, and nothing is taken, when changes before
   * `after` are not known here: ask for those since `this.head`.
   */
  change({ after, head, messages }) {
    if (this.head === null || after > this.head) return false;
    this.#apply(messages);
    this.head = Math.max(this.head, head);
    return true;
  }

  /** Forgets what was, other than drafts, and starts with these. */
  start(messages, hasOlder) {
    this.#messages.clear();
    this.#unseen.clear();
    this.#first = Infinity;
    this.#last = 0;
    this.hasOlder = hasOlder;
    this.#take(messages);
    this.#tell("started");
  }

  /** Takes messages wherever they belong. What is known in that version or a later one is dropped. */
  merge(messages) {
    const changed = this.#take(messages);
    if (changed.length) this.#tell("changed", { messages: changed });
  }

  /** Takes the page before `firstSeq`. It may have been read before changes that were told first: those have waited. */
  prepend(messages, hasOlder) {
    this.hasOlder = hasOlder;
    this.merge(messages.map((message) => newer(message, this.#unseen.get(message.seq))));
  }

  /** Shows what was written, until the server has it: a message of that client_id takes its place. */
  draft(draft) {
    const message = this.messages.find((each) => isOf(each, draft));
    if (message) {
      this.#tell("settled", { message }); // another tab tells of it late
      return;
    }
    this.#drafts.set(draft.client_id, draft);
    this.#tell("drafted", { draft });
  }

  /** Takes the answer to a draft. A message older than all that is known here is not shown: it would leave a hole. */
  acknowledge(message) {
    this.#apply([message]);
  }

  /** Takes back a draft that was discarded. */
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

  /** Changes of messages that are older than all that is known here wait until the reader goes back that far. */
  #apply(messages) {
    // Where nothing is older, even a first message may come late: the reply to one's own was quicker.
    const isWithin = ({ seq }) => !this.hasOlder || seq >= this.#first;
    const older = messages.filter((message) => !isWithin(message));
    this.merge(messages.filter(isWithin));
    for (const message of older) {
      this.#unseen.set(message.seq, newer(message, this.#unseen.get(message.seq)));
      this.#settleUnseen(message);
    }
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

  /** The reply and the broadcast both bring it; whichever comes first settles it. The draft, if there was one. */
  #settle(message) {
    const draft = this.#drafts.get(message.client_id);
    if (!draft || !isOf(message, draft)) return null;
    this.#drafts.delete(draft.client_id);
    this.#tell("settled", { message });
    return draft;
  }

  /** Its message stands further back than what is shown. */
  #settleUnseen(message) {
    const draft = this.#settle(message);
    if (draft) this.#tell("withdrawn", { draft });
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

function isOf({ client_id, author }, draft) {
  return client_id === draft.client_id && author?.id === draft.author.id;
}

function newer(message, other) {
  return other?.version > message.version ? other : message;
}
