/**
 * <chat-room>: owns the line to the server and what is known of the room; the elements inside show it.
 *
 * Its `data-state` is the state of the line (core/socket.js). Events: "state" (as of the socket), "room" (detail: the
 * room as the server tells it), "posted" (something was written here), "takeback" (detail: a draft, for whoever lets one
 * write its text anew and prevents the default) and "edit" (detail: the message that its author wants to change).
 */
import { newUuid } from "../core/dom.js";
import { followThePage } from "../core/page-life.js";
import { Socket, socketAddress } from "../core/socket.js";
import {
  CloseCode,
  deleteMessage,
  editMessage,
  FINAL_CODES,
  getChanges,
  getHistory,
  postMessage,
  startTyping,
  Told,
} from "./events.js";
import { Outbox } from "./outbox.js";
import { Posting } from "./posting.js";
import { Presence } from "./presence.js";
import { Questions } from "./questions.js";
import { Reader } from "./reader.js";
import { Reading } from "./reading.js";
import { Timeline } from "./timeline.js";
import { Typing, TypingNotice } from "./typing.js";

export class ChatRoom extends HTMLElement {
  timeline = new Timeline();
  presence = new Presence();
  typing = new Typing();
  reading;
  outbox;
  #questions = new Questions((frame) => this.#socket.send(frame));
  #notice = new TypingNotice(() => this.#questions.ask(startTyping()));
  #reader;
  #posting;
  #socket;
  #address;
  #listening;
  #isArchived = false;
  #revoked; // why the server is about to end the line, when it has told more than a code will
  #isCatchingUp = false;
  #newest = 0; // the highest number of a change that was heard of

  /** Who reads this page. */
  get me() {
    const { userId, userName, userColour } = this.dataset;
    return { id: Number(userId), name: userName, colour: Number(userColour) };
  }

  connectedCallback() {
    const { signal } = (this.#listening = new AbortController());
    this.#address = socketAddress(this.dataset.socketPath);
    this.#socket = new Socket(this.#address, { finalCodes: FINAL_CODES });
    this.#socket.addEventListener("frame", ({ detail }) => this.#receive(detail), { signal });
    this.#socket.addEventListener("state", ({ detail }) => this.#enter(detail), { signal });
    this.reading = new Reading(this.me.id);
    this.#reader = new Reader(this, (frame) => this.#questions.ask(frame));
    this.#reader.follow(signal); // first: what is read goes out before the line does
    this.outbox = new Outbox({ account: this.me.id, room: this.dataset.slug });
    this.#posting = new Posting(this.outbox, this.timeline, (draft) => this.#questions.ask(postMessage(draft)));
    this.#posting.follow(signal);
    followThePage(this.#socket, signal);
    this.#socket.open();
  }

  disconnectedCallback() {
    this.#socket.suspend();
    this.#listening.abort();
  }

  /** Shows a message as pending and sends it, now or as soon as there is a line. */
  post(text) {
    this.outbox.add({ client_id: newUuid(), text, author: this.me, created: new Date().toISOString() });
    this.#notice.sent();
    this.reading.post();
    this.#tell("posted");
  }

  /** The text in the composer has changed to this: the others see that the reader writes. */
  write(text) {
    this.#notice.wrote(text);
  }

  /** Gives the text of a draft that failed to whoever lets one write it anew. */
  takeBack(draft) {
    const isTaken = !this.dispatchEvent(new CustomEvent("takeback", { detail: draft, cancelable: true }));
    if (isTaken) this.outbox.discard(draft);
  }

  /** Whether the reader may change the text of this message. */
  mayEdit(message) {
    // One that only the page knows so far has no text: the welcome brings it.
    return !this.#isArchived && Boolean(message.text) && message.author?.id === this.me.id;
  }

  /** Whether the reader may delete this message. */
  mayDelete(message) {
    const mayModerate = "mayModerate" in this.dataset;
    return !this.#isArchived && Boolean(message.text) && (mayModerate || message.author?.id === this.me.id);
  }

  /** Changes a message; the reply, or null when the line was lost before it came. Trying again is harmless. */
  edit(message, text) {
    return this.#change(editMessage(message.id, text));
  }

  /** Deletes a message; as `edit`. */
  delete(message) {
    return this.#change(deleteMessage(message.id));
  }

  /** Opens the reader's last message to be edited. */
  editLast() {
    const last = this.timeline.messages.findLast((message) => this.mayEdit(message));
    if (last) this.#tell("edit", last);
  }

  async #change(frame) {
    const reply = await this.#questions.insist(frame);
    if (reply?.ok) this.timeline.acknowledge(reply.message);
    return reply;
  }

  /** Fetches the page before the oldest message; whether it is in the timeline now. */
  async loadOlder() {
    const reply = await this.#questions.ask(getHistory(this.timeline.firstSeq));
    if (reply?.ok) this.timeline.prepend(reply.messages, reply.more);
    return Boolean(reply?.ok);
  }

  #receive(frame) {
    switch (frame.type) {
      case Told.WELCOME:
        if ((frame.reader ?? this.me.id) !== this.me.id) {
          // Somebody else has logged in with this browser: what waits here is not theirs to send.
          this.#socket.end(CloseCode.NOT_SIGNED_IN);
          return;
        }
        this.#socket.expectBeats(frame.beat_s * 1000);
        this.#reader.hear(frame);
        this.timeline.welcome(frame);
        this.presence.start(frame.present, frame.local);
        this.#changeRoom(frame.room);
        break;
      case Told.MESSAGES:
        for (const { author } of frame.messages) this.typing.stop(author?.id);
        if (!this.timeline.change(frame)) this.#catchUp(frame.head);
        break;
      case Told.ROOM:
        this.#reader.hear(frame);
        if (frame.room.slug === this.dataset.slug) this.#changeRoom(frame.room);
        break;
      case Told.REVOKED:
        this.#reader.hear(frame);
        if ((frame.room ?? this.dataset.slug) === this.dataset.slug) this.#revoked = frame.reason;
        break;
      case Told.ACTIVITY:
      case Told.READ:
        this.#reader.hear(frame);
        break;
      case Told.TYPING:
        if (frame.person.id !== this.me.id) this.typing.start(frame.person);
        break;
      case Told.BEAT:
        this.#catchUp(frame.head); // the last of what was told may have been lost
        break;
      case Told.PRESENCE:
        this.presence.change(frame);
        for (const id of frame.left) this.typing.stop(id);
        break;
      case Told.REPLY:
        this.#questions.answer(frame);
        break;
    }
    this.#address.searchParams.set("since", this.timeline.head); // where a next line goes on
  }

  #changeRoom(room) {
    this.#isArchived = room.archived;
    this.#tell("room", room);
  }

  /** Asks for changes that were not told, until the change `head` is known. */
  async #catchUp(head) {
    this.#newest = Math.max(this.#newest, head);
    if (this.#isCatchingUp) return;
    this.#isCatchingUp = true;
    while (this.timeline.head < this.#newest) {
      const after = this.timeline.head;
      const reply = await this.#questions.insist(getChanges(after));
      if (!reply?.ok) break; // the line is lost, and the next welcome brings it all
      this.timeline.change({ after, head: reply.head, messages: reply.messages });
      if (reply.head <= after) this.#newest = after; // it was not so: the room's database has been restored
    }
    this.#isCatchingUp = false;
  }

  #enter(detail) {
    this.dataset.state = detail.state;
    if (detail.state !== "online") this.#questions.giveUp();
    this.#posting.enter(detail); // online, the welcome has settled what arrived before the line was lost
    this.#tell("state", { ...detail, reason: this.#revoked });
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

customElements.define("chat-room", ChatRoom);
