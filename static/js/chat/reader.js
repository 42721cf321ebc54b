/**
 * The reader of a room's page: joins what they look at (core/page-life.js, <message-list>), what came (the timeline) and
 * what is to be told of it (the wire, the inbox).
 */
import { followAttention } from "../core/page-life.js";
import { setRead, Told } from "./events.js";
import { inbox } from "./page-inbox.js";
import { ReadMarks } from "./read-marks.js";

const ROOM_IS_LOST = ["not_a_member", "room_deleted"];

export class Reader {
  #room;
  #marks;
  #hasStarted = false;
  #hasBeenOnline = false;

  /** `ask` sends a frame over the room's line and resolves to the reply, or to null when there is no line. */
  constructor(room, ask) {
    this.#room = room;
    this.#marks = new ReadMarks((seq) => ask(setRead(seq)));
  }

  /** Starts to follow. To be called before others listen to the timeline: what they show depends on what was read. */
  follow(signal) {
    const { timeline, reading } = this.#room;
    const arrive = (messages) => {
      inbox.follow(this.#slug, messages, this.#room.me.id);
      reading.arrive(messages, { isMissed: this.#isCatchingUp });
    };
    const restart = () => {
      this.#start();
      arrive(timeline.messages);
    };
    timeline.addEventListener("changed", ({ detail }) => arrive(detail.messages), { signal });
    timeline.addEventListener("started", restart, { signal });
    reading.addEventListener("read", ({ detail }) => this.#read(detail), { signal });
    this.#room.addEventListener("state", ({ detail }) => detail.state === "online" && this.#resume(), { signal });
    followAttention((isAttentive) => reading.attend(isAttentive), signal);
    const leave = () => document.hidden && this.#marks.flush();
    document.addEventListener("visibilitychange", leave, { signal });
    addEventListener("pagehide", () => this.#marks.flush(), { signal });
  }

  /** Takes what the server tells of the reader's positions; to be called before a welcome's messages are taken. */
  hear(frame) {
    inbox.hear(frame);
    if (frame.type === Told.WELCOME) {
      this.#know(frame.room.last_read);
      inbox.read(this.#slug, this.#room.reading.seen); // the server may not know it yet
    }
    if (frame.type === Told.REVOKED && ROOM_IS_LOST.includes(frame.reason)) inbox.remove(frame.room ?? this.#slug);
    if (frame.type === Told.READ && frame.room === this.#slug) this.#know(frame.seq);
  }

  get #slug() {
    return this.#room.dataset.slug;
  }

  /** The first frame of a line that is not the first one brings what was missed meanwhile. */
  get #isCatchingUp() {
    return this.#hasBeenOnline && this.#room.dataset.state !== "online";
  }

  /** The first time these are the messages that the server has drawn. */
  #start() {
    if (this.#hasStarted) return;
    this.#hasStarted = true;
    this.#room.reading.start(Number(this.#room.dataset.lastRead), this.#room.timeline.lastSeq);
  }

  #know(seq) {
    this.#marks.know(seq);
    this.#room.reading.readElsewhere(seq);
  }

  #read(seq) {
    inbox.read(this.#slug, seq);
    this.#marks.reach(seq);
  }

  #resume() {
    this.#hasBeenOnline = true;
    this.#marks.resume();
  }
}
