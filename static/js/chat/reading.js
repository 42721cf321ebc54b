/**
 * How far the reader has read the room that is open, and where what is new to them begins. It knows no DOM.
 *
 * Read is what came into view at the end of the list while the page had the reader's attention. `newSince` is the
 * place after which the divider stands, or null: it stays as long as there is nothing newer to divide.
 *
 * Events: "divided" (`newSince` has changed) and "read" (detail: the place that the reader has reached).
 */
export class Reading extends EventTarget {
  #me;
  #newest = 0;
  #isAttentive = false;
  #isAtEnd = true;
  seen = 0; // the place up to which it was read
  newSince = null;

  /** `me`: the reader's id. */
  constructor(me) {
    super();
    this.#me = me;
  }

  /** The page opens, with messages up to `newest`. */
  start(lastRead, newest) {
    this.seen = lastRead;
    this.#newest = newest;
    this.#divide(newest > lastRead ? lastRead : null);
    this.#look();
  }

  /** Whether the reader is here: the page is to be seen and has the focus. */
  attend(isAttentive) {
    this.#isAttentive = isAttentive;
    this.#look();
  }

  /** Whether the newest message is in view. */
  reachEnd(isAtEnd) {
    this.#isAtEnd = isAtEnd;
    this.#look();
  }

  /** Messages have come; `isMissed` when it was while there was no line, so that nobody could have seen them come. */
  arrive(messages, { isMissed = false } = {}) {
    const news = messages.filter(({ seq }) => seq > this.#newest);
    if (!news.length) return;
    const own = news.filter(({ author }) => author?.id === this.#me);
    this.#see(highest(own)); // who answers has read
    const newest = highest(news);
    const isUnread = news.some((message) => message.seq > this.seen && !own.includes(message));
    if (isUnread && (isMissed || !this.#isReading)) this.#divide(this.seen);
    this.#newest = newest;
    this.#look();
  }

  /** The reader says something here: whatever was above is not new any more. */
  post() {
    this.#divide(null);
  }

  /** The reader has read so far in another tab. The divider stays for this one. */
  readElsewhere(seq) {
    this.seen = Math.max(this.seen, seq);
  }

  /** Whether the divider belongs before this message, or before an earlier one. */
  isNew({ seq, author }) {
    return this.newSince !== null && seq > this.newSince && author?.id !== this.#me;
  }

  get #isReading() {
    return this.#isAttentive && this.#isAtEnd;
  }

  #look() {
    if (this.#isReading) this.#see(this.#newest);
  }

  #see(seq) {
    if (seq <= this.seen) return;
    this.seen = seq;
    this.dispatchEvent(new CustomEvent("read", { detail: seq }));
  }

  #divide(place) {
    if (place === this.newSince) return;
    this.newSince = place;
    this.dispatchEvent(new Event("divided"));
  }
}

function highest(messages) {
  return Math.max(0, ...messages.map(({ seq }) => seq));
}
