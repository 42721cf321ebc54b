/**
 * <room-list>: the reader's rooms, as the server has listed them, with what is unread in each, as it changes.
 *
 * On the page of a room the room's line feeds the inbox. On every other page, and when that line was ended because the
 * reader has lost the room, it has a line of its own.
 */
import { fromTemplate } from "../core/dom.js";
import { CloseCode } from "./events.js";
import { connectInbox } from "./inbox-line.js";
import { shortCount } from "./inbox.js";
import { inbox } from "./page-inbox.js";
import { titleUnread } from "./page-title.js";

const ROOM_IS_LOST = [CloseCode.NOT_A_MEMBER, CloseCode.NO_SUCH_ROOM];

export class RoomList extends HTMLElement {
  #listening;
  #isConnected = false;

  connectedCallback() {
    const { signal } = (this.#listening = new AbortController());
    inbox.addEventListener("changed", () => this.#show(), { signal });
    const room = document.querySelector("chat-room");
    const lose = ({ detail }) => ROOM_IS_LOST.includes(detail.code) && detail.state === "refused" && this.#connect();
    room?.addEventListener("state", lose, { signal });
    if (!room) this.#connect();
  }

  disconnectedCallback() {
    this.#listening.abort();
    this.#isConnected = false;
  }

  #connect() {
    if (this.#isConnected) return;
    this.#isConnected = true;
    const { socketPath, userId } = this.dataset;
    connectInbox(inbox, socketPath, Number(userId), this.#listening.signal);
  }

  get #list() {
    return this.querySelector("ul");
  }

  #show() {
    const { rooms } = inbox;
    const gone = new Map(Array.from(this.#list.querySelectorAll("[data-slug]"), (row) => [row.dataset.slug, row]));
    let follower = null;
    // From the last one on, so that the row it belongs before is always there already.
    for (const room of rooms.reverse()) {
      const row = gone.get(room.slug) ?? this.#row(room.slug);
      const isInPlace = row.isConnected && nameOf(row).textContent === room.name;
      fill(row, room);
      // A row that has its place stays there, and keeps the focus, even where the server sorts letters otherwise.
      if (!isInPlace) this.#list.insertBefore(row, follower);
      gone.delete(room.slug);
      follower = row;
    }
    for (const row of gone.values()) row.remove();
    this.querySelector(".sidebar__empty").hidden = rooms.length > 0;
    titleUnread(inbox.unreadBeside(null));
  }

  #row(slug) {
    const row = fromTemplate(this.querySelector("template"));
    row.dataset.slug = slug;
    row.querySelector("a").href = `${this.dataset.roomsPath}${slug}/`;
    return row;
  }
}

function fill(row, { slug, name, kind, archived }) {
  const unread = inbox.unread(slug);
  nameOf(row).textContent = name;
  row.querySelector(".glyph").dataset.kind = kind;
  const link = row.querySelector("a");
  link.classList.toggle("sidebar__link--archived", archived);
  link.classList.toggle("sidebar__link--unread", unread > 0);
  row.querySelector(".unread").hidden = unread === 0;
  row.querySelector(".unread__count").textContent = shortCount(unread);
}

function nameOf(row) {
  return row.querySelector(".sidebar__name");
}

customElements.define("room-list", RoomList);
