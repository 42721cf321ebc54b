/**
 * <chat-room>: owns the line to the server and what is known of the room; the elements inside show it.
 *
 * Its `data-state` is the state of the line (core/socket.js). Events: "state" (as of the socket), "room" (detail: the
 * room as the server tells it), "refused" (detail: {draft, error}, for a message that was not taken) and "edit" (detail:
 * the message that its author wants to change).
 */
import { newUuid } from "../core/dom.js";
import { Socket } from "../core/socket.js";
import { CloseCode, deleteMessage, editMessage, getChanges, getHistory, postMessage, Told } from "./events.js";
import { Presence } from "./presence.js";
import { Timeline } from "./timeline.js";

export class ChatRoom extends HTMLElement {
  timeline = new Timeline();
  presence = new Presence();
  #socket;
  #address;
  #listening;
  #lastRef = 0;
  #isArchived = false;
  #isSending = false;
  #isCatchingUp = false;
  #newest = 0; // the highest number of a change that was heard of
  #asked = new Map(); // ref -> what to do with the reply; null when the line was lost before it came

  /** Who reads this page. */
  get me() {
    const { userId, userName, userColour } = this.dataset;
    return { id: Number(userId), name: userName, colour: Number(userColour) };
  }

  connectedCallback() {
    const { signal } = (this.#listening = new AbortController());
    this.#address = new URL(this.dataset.socketPath, location.href);
    this.#address.protocol = this.#address.protocol.replace("http", "ws");
    this.#socket = new Socket(this.#address, { finalCodes: Object.values(CloseCode) });
    this.#socket.addEventListener("frame", ({ detail }) => this.#receive(detail), { signal });
    this.#socket.addEventListener("state", ({ detail }) => this.#enter(detail), { signal });
    this.#followThePage(signal);
    this.#socket.open();
  }

  disconnectedCallback() {
    this.#socket.suspend();
    this.#listening.abort();
  }

  /** Shows a message as pending and sends it, now or as soon as there is a line. */
  post(text) {
    const draft = { client_id: newUuid(), text, author: this.me, created: new Date().toISOString() };
    this.timeline.draft(draft);
    this.#sendDrafts();
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
    const reply = await this.#insist(frame);
    if (reply?.ok) this.timeline.merge([reply.message]);
    return reply;
  }

  /** Fetches the page before the oldest message; whether it is in the timeline now. */
  async loadOlder() {
    const reply = await this.#ask(getHistory(this.timeline.firstSeq));
    if (reply?.ok) this.timeline.prepend(reply.messages, reply.more);
    return Boolean(reply?.ok);
  }

  /** Sends what is not acknowledged yet, one after the other, so that what has to wait keeps its place. */
  async #sendDrafts() {
    if (this.#isSending) return;
    this.#isSending = true;
    for (let draft; (draft = this.timeline.drafts[0]); ) {
      const reply = await this.#insist(postMessage(draft));
      if (!reply) break; // the next line goes on here
      if (reply.ok) {
        this.timeline.merge([reply.message]);
      } else {
        this.timeline.withdraw(draft);
        this.#tell("refused", { draft, error: reply.error });
      }
    }
    this.#isSending = false;
  }

  /** Asks until it is answered other than by "not now". */
  async #insist(frame) {
    for (;;) {
      const reply = await this.#ask(frame);
      if (!reply?.error?.retry_after) return reply;
      await new Promise((resolve) => setTimeout(resolve, reply.error.retry_after * 1000));
    }
  }

  #ask(frame) {
    const ref = (this.#lastRef += 1);
    return new Promise((resolve) => {
      if (this.#socket.send({ ...frame, ref })) this.#asked.set(ref, resolve);
      else resolve(null);
    });
  }

  #receive(frame) {
    switch (frame.type) {
      case Told.WELCOME:
        this.#socket.expectBeats(frame.beat_s * 1000);
        this.#isArchived = frame.room.archived;
        this.timeline.welcome(frame);
        this.presence.start(frame.present);
        this.#tell("room", frame.room);
        break;
      case Told.MESSAGES:
        if (!this.timeline.change(frame)) this.#catchUp(frame.head);
        break;
      case Told.BEAT:
        this.#catchUp(frame.head); // the last of what was told may have been lost
        break;
      case Told.PRESENCE:
        this.presence.change(frame);
        break;
      case Told.REPLY:
        this.#asked.get(frame.ref)?.(frame);
        this.#asked.delete(frame.ref);
        break;
    }
    this.#address.searchParams.set("since", this.timeline.head); // where a next line goes on
  }

  /** Asks for changes that were not told, until the change `head` is known. */
  async #catchUp(head) {
    this.#newest = Math.max(this.#newest, head);
    if (this.#isCatchingUp) return;
    this.#isCatchingUp = true;
    while (this.timeline.head < this.#newest) {
      const after = this.timeline.head;
      const reply = await this.#ask(getChanges(after));
      if (!reply?.ok) break; // the line is lost, and the next welcome brings it all
      this.timeline.change({ after, head: reply.head, messages: reply.messages });
      if (reply.head <= after) this.#newest = after; // it was not so: the room's database has been restored
    }
    this.#isCatchingUp = false;
  }

  #enter(detail) {
    this.dataset.state = detail.state;
    if (detail.state === "online") {
      // The welcome has settled what arrived before the line was lost.
      this.#sendDrafts();
    } else {
      for (const resolve of this.#asked.values()) resolve(null);
      this.#asked.clear();
    }
    this.#tell("state", detail);
  }

  /** A page sleeps and wakes: the network goes, the tab is frozen, the back button brings it from a cache. */
  #followThePage(signal) {
    const socket = this.#socket;
    // An offline browser keeps an open socket open and lets it starve, so it is dropped.
    addEventListener("offline", () => socket.suspend(), { signal });
    addEventListener("online", () => socket.wake(), { signal });
    addEventListener("pagehide", () => socket.suspend(), { signal });
    addEventListener("pageshow", ({ persisted }) => persisted && socket.wake(), { signal });
    const look = () => !document.hidden && socket.state !== "offline" && socket.wake();
    document.addEventListener("visibilitychange", look, { signal });
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

customElements.define("chat-room", ChatRoom);
