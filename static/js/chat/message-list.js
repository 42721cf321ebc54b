/** <message-list>: shows the timeline of the <chat-room> around it, oldest first; the reader keeps their place. */
import "./chat-room.js"; // first, so that its timeline is there to listen to
import { continues, startsDay } from "../core/dates.js";
import { fromTemplate } from "../core/dom.js";
import { nextRow, previousRow, separatorOf, showDay, startOf } from "./between-rows.js";
import { followDraftActions } from "./draft-actions.js";
import { ListPlace } from "./list-place.js";
import { fillDraftRow, fillRow, readRow, showTime } from "./message-row.js";
import { OlderMessages } from "./older-messages.js";
import { UnreadDivider } from "./unread-divider.js";

const QUIET_MS = 500;

export class MessageList extends HTMLElement {
  #room;
  #timeline;
  #listening;
  #place = new ListPlace(this);
  #divider;
  #older;
  #lastSeq = 0; // of the newest message that is shown
  #shown = new WeakMap(); // row -> the message or draft that it shows

  connectedCallback() {
    const { signal } = (this.#listening = new AbortController());
    this.#room = this.closest("chat-room");
    this.#timeline = this.#room.timeline;
    this.#divider = new UnreadDivider(this.querySelector("template[data-divider]"));
    this.#older = new OlderMessages(this, this.#room);
    this.#takeOver();
    this.#followReading(signal);

    this.#timeline.addEventListener("started", () => this.#restart(), { signal });
    this.#timeline.addEventListener("changed", ({ detail }) => this.#change(detail.messages), { signal });
    this.#timeline.addEventListener("drafted", ({ detail }) => this.#draft(detail.draft), { signal });
    this.#timeline.addEventListener("withdrawn", ({ detail }) => this.#withdraw(detail.draft), { signal });
    this.#room.addEventListener("posted", () => this.#goToEnd(), { signal });
    this.#room.addEventListener("room", ({ detail }) => this.#showRoom(detail), { signal });
    this.#jump.addEventListener("click", () => this.#goToEnd(), { signal });
    this.#older.follow(signal);
    followDraftActions(this, this.#room, signal);
  }

  disconnectedCallback() {
    this.#listening.abort();
  }

  get #column() {
    return this.querySelector(".message-list__column");
  }

  get #jump() {
    return this.#room.querySelector(".jump-to-newest");
  }

  get #rows() {
    return [...this.#column.querySelectorAll(".message")];
  }

  /** The server has drawn the first page: the timeline starts with it, and its times become those of this browser. */
  #takeOver() {
    const rows = this.#rows;
    const messages = rows.map(readRow);
    rows.forEach((row, index) => {
      this.#shown.set(row, messages[index]);
      showTime(row, messages[index].created);
      this.#group(row);
    });
    this.#timeline.start(messages, this.#older.isOffered);
    this.#lastSeq = this.#timeline.lastSeq;
    this.#quietly(() => this.#timeline.drafts.forEach((draft) => this.#draft(draft)));
  }

  /** Where the reader is decides what counts as read, and with that where the divider stands. */
  #followReading(signal) {
    const { reading } = this.#room;
    const look = () => {
      if (this.#place.isAtEnd) this.#jump.hidden = true;
      reading.reachEnd(this.#place.isAtEnd);
    };
    this.addEventListener("scroll", look, { signal, passive: true });
    reading.addEventListener("divided", () => this.#place.keep(() => this.#divide()), { signal });
    look();
    this.#divide();
  }

  /** Too much was missed to be joined on: the rows go, and the newest page comes. */
  #restart() {
    const { row, below } = this.#place.isAtEnd ? {} : this.#place.first;
    const seq = this.#shown.get(row)?.seq;
    this.#divider.move(null);
    this.#column.querySelectorAll(".message, .day-separator").forEach((element) => element.remove());
    this.#lastSeq = 0;
    this.#quietly(() => {
      this.#show(this.#timeline.messages.reverse());
      this.#timeline.drafts.forEach((draft) => this.#draft(draft));
    });
    this.#goToEnd();
    if (seq) this.#comeBackTo(seq, below);
  }

  /** To where the reader was if that is there still; else they are told, and can have it loaded. */
  #comeBackTo(seq, below) {
    const row = this.#rowFrom(seq);
    if (seq < this.#timeline.firstSeq) this.dispatchEvent(new CustomEvent("placelost", { detail: seq }));
    else if (row) this.#place.scrollTo(row, below);
  }

  /** Loads as many older messages as it takes to show the one at that place; whether it is there. */
  async goTo(seq) {
    while (this.#timeline.firstSeq > seq && this.#timeline.hasOlder) {
      if (!(await this.#room.loadOlder())) return false;
    }
    this.#rowFrom(seq)?.scrollIntoView({ block: "start" });
    this.focus({ preventScroll: true });
    return true;
  }

  #rowFrom(seq) {
    return this.#rows.find((row) => this.#shown.get(row).seq >= seq);
  }

  /** The room has another name, or is closed or open again: what can be done with a message depends on that. */
  #showRoom({ name }) {
    this.ariaLabel = `Messages in ${name}`;
    this.querySelector(".message-list__start [data-name]").textContent = name;
    for (const row of this.#rows) if (row.dataset.seq) this.#offerActions(row, this.#shown.get(row));
  }

  #offerActions(row, message) {
    row.querySelector(".message__more").hidden = !this.#room.mayEdit(message) && !this.#room.mayDelete(message);
  }

  /** Above the first message that is new to the reader, of those that are here; that one starts a group. */
  #divide() {
    const { reading } = this.#room;
    const isNew = (row) => row.dataset.seq && reading.isNew(this.#shown.get(row));
    const row = reading.newSince === null ? null : (this.#rows.find(isNew) ?? null);
    const before = this.#divider.move(row);
    if (before !== row) this.#group(before);
    this.#group(row);
  }

  #change(messages) {
    const [newest] = messages;
    const isNews = newest.seq > this.#lastSeq;
    const wasAtEnd = this.#place.isAtEnd;
    const show = () => this.#place.keep(() => this.#show(messages));
    if (isNews) show();
    else this.#quietly(show);
    if (isNews && !wasAtEnd && newest.author?.id !== this.#room.me.id) this.#jump.hidden = false;
  }

  /** Puts each message in its place; they come newest first, so that its follower is always there already. */
  #show(messages) {
    const rows = messages.map((message) => {
      const row =
        document.getElementById(`message-${message.id}`) ??
        document.getElementById(`draft-${message.client_id}`) ??
        fromTemplate(this.querySelector("template[data-row]"));
      fillRow(row, message);
      this.#offerActions(row, message);
      this.#shown.set(row, message);
      this.#insert(row, message);
      return row;
    });
    for (const row of rows.reverse()) {
      this.#group(row);
      this.#group(nextRow(row));
    }
    this.#divide();
    this.#lastSeq = this.#timeline.lastSeq;
    this.#older.show();
  }

  /** Before the message that follows, else before the drafts. A row that is there already is left alone. */
  #insert(row, message) {
    const follower = this.#timeline.after(message);
    const next = follower
      ? document.getElementById(`message-${follower.id}`)
      : this.#column.querySelector(".message--pending, .message--failed");
    const place = next && startOf(next);
    if (row.isConnected && row.nextElementSibling === place) return;
    separatorOf(row)?.remove();
    this.#column.insertBefore(row, place);
  }

  #draft(draft) {
    const known = draftRow(draft);
    const row = known ?? fromTemplate(this.querySelector("template[data-row]"));
    this.#place.keep(() => {
      fillDraftRow(row, draft, this.querySelector("template[data-failure]"));
      this.#shown.set(row, draft);
      if (!known) this.#insertDraft(row, draft);
      this.#group(row);
    });
  }

  /** By the order in which they were written, in whatever tab. */
  #insertDraft(row, draft) {
    const { drafts } = this.#timeline;
    const later = drafts.slice(drafts.findIndex(({ client_id }) => client_id === draft.client_id) + 1);
    const next = later.map(draftRow).find(Boolean);
    this.#column.insertBefore(row, next ? startOf(next) : null);
    if (next) this.#group(next);
  }

  #withdraw(draft) {
    const row = draftRow(draft);
    if (!row) return;
    const next = nextRow(row);
    const hadFocus = row.contains(document.activeElement);
    this.#place.keep(() => {
      separatorOf(row)?.remove();
      row.remove();
      this.#group(next);
    });
    if (hadFocus) this.focus({ preventScroll: true });
  }

  /** Whether a day or a group starts here depends on the row before. */
  #group(row) {
    const message = row && this.#shown.get(row);
    if (!message) return;
    const previous = this.#shown.get(previousRow(row));
    row.classList.toggle("message--continued", !this.#divider.isAbove(row) && continues(previous, message));
    if (startsDay(previous, message)) showDay(row, message.created, this.querySelector("template[data-day]"));
    else separatorOf(row)?.remove();
  }

  #goToEnd() {
    this.#place.goToEnd();
    if (document.activeElement === this.#jump) this.focus();
    this.#jump.hidden = true;
  }

  /** Changes that are no news are not read out. */
  #quietly(change) {
    this.ariaLive = "off";
    change();
    setTimeout(() => (this.ariaLive = "polite"), QUIET_MS);
  }
}

function draftRow({ client_id }) {
  return document.getElementById(`draft-${client_id}`);
}

customElements.define("message-list", MessageList);
