/**
 * Who is writing in the room right now, and telling the others that the reader is. It knows no DOM.
 *
 * Nobody tells that they have stopped: what is not told again is over by itself.
 */
import { SYSTEM_CLOCK } from "../core/clock.js";

const LASTS_MS = 6_000; // after the last telling
const AGAIN_MS = 3_000; // half of it: one telling may get lost

/** Event: "changed". */
export class Typing extends EventTarget {
  #writing = new Map(); // person's id -> {person, until}, in the order in which they began
  #clock;
  #timer;

  constructor(clock = SYSTEM_CLOCK) {
    super();
    this.#clock = clock;
  }

  /** Those who write, who began first comes first. */
  get people() {
    return Array.from(this.#writing.values(), ({ person }) => person);
  }

  /** Somebody writes, or still does. */
  start(person) {
    const isNew = !this.#writing.has(person.id);
    this.#writing.set(person.id, { person, until: this.#clock.now() + LASTS_MS });
    this.#wait();
    if (isNew) this.#tell();
  }

  /** What somebody wrote has come, or they have gone. */
  stop(id) {
    if (this.#writing.delete(id)) this.#tell();
  }

  /** One timer for all of them, until the first is over. */
  #wait() {
    this.#clock.clearTimeout(this.#timer);
    const next = Math.min(...Array.from(this.#writing.values(), ({ until }) => until));
    if (next < Infinity) this.#timer = this.#clock.setTimeout(() => this.#expire(), next - this.#clock.now());
  }

  #expire() {
    const over = [...this.#writing].filter(([, { until }]) => until <= this.#clock.now());
    for (const [id] of over) this.#writing.delete(id);
    this.#wait();
    if (over.length) this.#tell();
  }

  #tell() {
    this.dispatchEvent(new Event("changed"));
  }
}

/** "Alice is typing"; nothing when nobody is. */
export function typingText(people) {
  const names = people.map(({ name }) => name);
  if (names.length === 0) return "";
  if (names.length === 1) return `${names[0]} is typing`;
  if (names.length === 2) return `${names[0]} and ${names[1]} are typing`;
  return "Several people are typing";
}

/** Tells the others that the reader writes, as often as it takes for them to keep knowing. */
export class TypingNotice {
  #send;
  #now;
  #sentAt = -Infinity;

  /** `send`: tells it once. */
  constructor(send, now = SYSTEM_CLOCK.now) {
    this.#send = send;
    this.#now = now;
  }

  /** The text has changed to this. */
  wrote(text) {
    if (!text.trim() || this.#now() - this.#sentAt < AGAIN_MS) return;
    this.#sentAt = this.#now();
    this.#send();
  }

  /** It was sent, and what is written next is told at once. */
  sent() {
    this.#sentAt = -Infinity;
  }
}
