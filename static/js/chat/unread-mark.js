/** <unread-mark>: a dot on the way to the list of rooms, there while something is unread in a room other than this one. */
import { inbox } from "./page-inbox.js";

export class UnreadMark extends HTMLElement {
  #listening;

  connectedCallback() {
    const { signal } = (this.#listening = new AbortController());
    const here = this.closest("chat-room")?.dataset.slug ?? null;
    const show = () => (this.hidden = inbox.unreadBeside(here) === 0);
    inbox.addEventListener("changed", show, { signal });
  }

  disconnectedCallback() {
    this.#listening.abort();
  }
}

customElements.define("unread-mark", UnreadMark);
