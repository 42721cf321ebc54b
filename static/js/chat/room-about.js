/** <room-about>: the name and the topic of the room at its head, as they change; they are in the page's title, too. */
import "./chat-room.js";
import { titleAbout } from "./page-title.js";

export class RoomAbout extends HTMLElement {
  #listening;

  connectedCallback() {
    const { signal } = (this.#listening = new AbortController());
    this.closest("chat-room").addEventListener("room", ({ detail }) => this.#show(detail), { signal });
  }

  disconnectedCallback() {
    this.#listening.abort();
  }

  #show({ name, topic, kind }) {
    this.querySelector("[data-name]").textContent = name;
    this.querySelector(".glyph").dataset.kind = kind;
    const about = this.querySelector("[data-topic]");
    about.textContent = topic;
    about.hidden = !topic;
    titleAbout(name);
  }
}

customElements.define("room-about", RoomAbout);
