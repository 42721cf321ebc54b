/**
 * <message-list>: shows the timeline of the <chat-room> around it, oldest first, and keeps the reader's place.
 *
 * It scrolls from its end (flex-direction: column-reverse, so scrollTop is 0 at the newest message and negative above
 * it): a page opens at the newest message, and stays there when more come, without any script.
 */
import "./chat-room.js"; // first, so that its timeline is there to listen to
import { continues, dayKey, dayLabel, startsDay } from "../core/dates.js";
import { fromTemplate } from "../core/dom.js";
import { fillDraftRow, fillRow, readRow, showTime } from "./message-row.js";

const NEAR_END_PX = 48;
const OLDER_AHEAD = "600px 0px 0px"; // older messages are fetched before the reader meets the top
const QUIET_MS = 500;

export class MessageList extends HTMLElement {
  #room;
  #timeline;
  #listening;
  #olderInSight;
  #isLoading = false;
  #lastSeq = 0; // of the newest message that is shown
  #divided = null; // the row below the divider
  #shown = new WeakMap(); // row -> the message or draft that it shows

  connectedCallback() {
    const { signal } = (this.#listening = new AbortController());
    this.#room = this.closest("chat-room");
    this.#timeline = this.#room.timeline;
    this.#takeOver();
    this.#followReading(signal);

    this.#timeline.addEventListener("started", () => this.#restart(), { signal });
    this.#timeline.addEventListener("changed", ({ detail }) => this.#change(detail.messages), { signal });
    this.#timeline.addEventListener("drafted", ({ detail }) => this.#draft(detail.draft), { signal });
    this.#timeline.addEventListener("withdrawn", ({ detail }) => this.#withdraw(detail.draft), { signal });
    this.#room.addEventListener("posted", () => this.#goToEnd(), { signal });
    this.#room.addEventListener("state", () => this.#watchOlder(), { signal });
    this.addEventListener("click", (event) => this.#decide(event.target.closest("[data-draft-action]")), { signal });
    this.#room.addEventListener("room", ({ detail }) => this.#showRoom(detail), { signal });
    this.addEventListener("scroll", () => this.#isAtEnd && (this.#jump.hidden = true), { signal, passive: true });
    this.#jump.addEventListener("click", () => this.#goToEnd(), { signal });
    this.#older.addEventListener("click", (event) => this.#isOnline && this.#loadOlder(event), { signal });
    this.#olderInSight = new IntersectionObserver(
      ([{ isIntersecting }]) => isIntersecting && this.#isOnline && this.#loadOlder(),
      { root: this, rootMargin: OLDER_AHEAD },
    );
  }

  disconnectedCallback() {
    this.#listening.abort();
    this.#olderInSight.disconnect();
  }

  get #column() {
    return this.querySelector(".message-list__column");
  }

  get #older() {
    return this.querySelector(".message-list__older");
  }

  get #jump() {
    return this.#room.querySelector(".jump-to-newest");
  }

  get #rows() {
    return [...this.#column.querySelectorAll(".message")];
  }

  get #isAtEnd() {
    return this.scrollTop > -NEAR_END_PX;
  }

  get #isOnline() {
    return this.#room.dataset.state === "online";
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
    this.#timeline.start(messages, !this.#older.hidden);
    this.#lastSeq = this.#timeline.lastSeq;
    this.#quietly(() => this.#timeline.drafts.forEach((draft) => this.#draft(draft)));
  }

  /** Where the reader is decides what counts as read, and with that where the divider stands. */
  #followReading(signal) {
    const { reading } = this.#room;
    const look = () => reading.reachEnd(this.#isAtEnd);
    this.addEventListener("scroll", look, { signal, passive: true });
    reading.addEventListener("divided", () => this.#keepingPlace(() => this.#divide()), { signal });
    look();
    this.#divide();
  }

  /** Too much was missed to be joined on: the rows go, and the newest page comes. */
  #restart() {
    const place = this.#isAtEnd ? null : this.#placeInView();
    this.#column.querySelectorAll(".message, .day-separator, .divider").forEach((element) => element.remove());
    this.#divided = null;
    this.#lastSeq = 0;
    this.#quietly(() => {
      this.#show(this.#timeline.messages.reverse());
      this.#timeline.drafts.forEach((draft) => this.#draft(draft));
    });
    this.#goToEnd();
    if (place) this.#comeBackTo(place);
  }

  /** The message that stands first in view, and how far below the upper edge. */
  #placeInView() {
    const { top } = this.getBoundingClientRect();
    const row = this.#rows.find((each) => each.getBoundingClientRect().bottom > top);
    const { seq } = this.#shown.get(row) ?? {};
    return seq ? { seq, below: row.getBoundingClientRect().top - top } : null;
  }

  /** To where the reader was if that is there still; else they are told, and can have it loaded. */
  #comeBackTo({ seq, below }) {
    if (seq < this.#timeline.firstSeq) {
      this.dispatchEvent(new CustomEvent("placelost", { detail: seq }));
      return;
    }
    const row = this.#rowFrom(seq);
    if (row) this.scrollTop += row.getBoundingClientRect().top - this.getBoundingClientRect().top - below;
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
    for (const row of this.#column.querySelectorAll(".message[data-seq]")) this.#offerActions(row, this.#shown.get(row));
  }

  #offerActions(row, message) {
    row.querySelector(".message__more").hidden = !this.#room.mayEdit(message) && !this.#room.mayDelete(message);
  }

  /** Above the first message that is new to the reader, of those that are here; that one starts a group. */
  #divide() {
    const { reading } = this.#room;
    const isNew = (row) => row.dataset.seq && reading.isNew(this.#shown.get(row));
    const row = reading.newSince === null ? null : this.#rows.find(isNew);
    const divider = this.#column.querySelector(".divider") ?? fromTemplate(this.querySelector("template[data-divider]"));
    const before = this.#divided;
    this.#divided = row ?? null;
    if (before !== this.#divided) this.#group(before);
    if (!row) {
      divider.remove();
      return;
    }
    this.#group(row);
    const below = separatorOf(row) ?? row;
    if (below.previousElementSibling !== divider) below.before(divider);
  }

  #change(messages) {
    const [newest] = messages;
    const isNews = newest.seq > this.#lastSeq;
    const wasAtEnd = this.#isAtEnd;
    if (isNews) this.#keepingPlace(() => this.#show(messages));
    else this.#quietly(() => this.#keepingPlace(() => this.#show(messages)));
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
      this.#place(row, message);
      return row;
    });
    for (const row of rows.reverse()) {
      this.#group(row);
      this.#group(neighbour(row, "nextElementSibling"));
    }
    this.#divide();
    this.#lastSeq = this.#timeline.lastSeq;
    this.#showBeginning();
  }

  /** Before the message that follows, else before the drafts. A row that is there already is left alone. */
  #place(row, message) {
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
    this.#keepingPlace(() => {
      fillDraftRow(row, draft, this.querySelector("template[data-failure]"));
      this.#shown.set(row, draft);
      if (!known) this.#placeDraft(row, draft);
      this.#group(row);
    });
  }

  /** By the order in which they were written, in whatever tab. */
  #placeDraft(row, draft) {
    const { drafts } = this.#timeline;
    const later = drafts.slice(drafts.findIndex(({ client_id }) => client_id === draft.client_id) + 1);
    const next = later.map(draftRow).find(Boolean);
    this.#column.insertBefore(row, next ? startOf(next) : null);
    if (next) this.#group(next);
  }

  #withdraw(draft) {
    const row = draftRow(draft);
    if (!row) return;
    const next = neighbour(row, "nextElementSibling");
    const hadFocus = row.contains(document.activeElement);
    this.#keepingPlace(() => {
      separatorOf(row)?.remove();
      row.remove();
      if (next) this.#group(next);
    });
    if (hadFocus) this.focus({ preventScroll: true });
  }

  /** What the author wants done with a draft that failed. */
  #decide(button) {
    if (!button) return;
    const draft = this.#shown.get(button.closest(".message"));
    const { draftAction } = button.dataset;
    if (draftAction !== "edit") this.focus({ preventScroll: true }); // the buttons go
    if (draftAction === "retry") this.#room.outbox.retry(draft);
    if (draftAction === "edit") this.#room.takeBack(draft);
    if (draftAction === "discard") this.#room.outbox.discard(draft);
  }

  /** Whether a day or a group starts here depends on the row before. */
  #group(row) {
    const message = row && this.#shown.get(row);
    if (!message) return;
    const previous = this.#shown.get(neighbour(row, "previousElementSibling"));
    row.classList.toggle("message--continued", row !== this.#divided && continues(previous, message));
    if (!startsDay(previous, message)) {
      separatorOf(row)?.remove();
      return;
    }
    if (!separatorOf(row)) row.before(fromTemplate(this.querySelector("template[data-day]")));
    const time = separatorOf(row).firstElementChild;
    time.dateTime = dayKey(message.created);
    // All of them: at midnight today has become yesterday.
    for (const each of this.#column.querySelectorAll(".day-separator time")) {
      each.textContent = dayLabel(`${each.dateTime}T00:00`);
    }
  }

  #showBeginning() {
    this.#older.hidden = !this.#timeline.hasOlder;
    this.querySelector(".message-list__start").hidden = this.#timeline.hasOlder;
    this.#older.querySelector("a").search = `?before=${this.#timeline.firstSeq}`;
  }

  /** Looks anew whether the top is in sight; an observer speaks only when that has changed. */
  #watchOlder() {
    this.#olderInSight.unobserve(this.#older);
    this.#olderInSight.observe(this.#older);
  }

  async #loadOlder(event) {
    event?.preventDefault();
    if (this.#isLoading || !this.#timeline.hasOlder) return;
    this.#isLoading = true;
    this.#older.ariaBusy = "true";
    const isThere = await this.#room.loadOlder();
    this.#older.ariaBusy = "false";
    this.#isLoading = false;
    if (isThere) this.#watchOlder(); // the top may be in sight still
  }

  #goToEnd() {
    this.scrollTop = 0;
    if (document.activeElement === this.#jump) this.focus();
    this.#jump.hidden = true;
  }

  /** What the reader looks at stays where it is. At the end the layout itself sees to that. */
  #keepingPlace(change) {
    if (this.#isAtEnd) {
      change();
      return;
    }
    const { top } = this.getBoundingClientRect();
    const anchor = this.#rows.find((row) => row.getBoundingClientRect().bottom > top);
    const before = anchor.getBoundingClientRect().top;
    change();
    const shift = anchor.isConnected ? anchor.getBoundingClientRect().top - before : 0;
    if (shift) this.scrollTop += shift;
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

/** The next row in that direction, or undefined; what stands between rows is passed over. */
function neighbour(row, direction) {
  let element = row[direction];
  while (element && !element.matches(".message")) element = element[direction];
  return element ?? undefined;
}

/** The day separator that belongs to a row: right before it, or nowhere. */
function separatorOf(row) {
  const before = row.previousElementSibling;
  return before?.matches(".day-separator") ? before : null;
}

/** The first of what stands above a row and belongs to it: the divider, the day, the row itself. */
function startOf(row) {
  let start = row;
  while (start.previousElementSibling?.matches(".divider, .day-separator")) start = start.previousElementSibling;
  return start;
}

customElements.define("message-list", MessageList);
