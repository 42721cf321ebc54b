/** <presence-list>: the faces of those who are in the room right now, and how many there are. */
import "./chat-room.js";
import { fromTemplate, showFace } from "../core/dom.js";

const PARTIAL = "The list may be incomplete while the server's connection is disturbed.";

export class PresenceList extends HTMLElement {
  #listening;

  connectedCallback() {
    const { signal } = (this.#listening = new AbortController());
    const { presence } = this.closest("chat-room");
    presence.addEventListener("changed", () => this.#show(presence), { signal });
  }

  disconnectedCallback() {
    this.#listening.abort();
  }

  #show({ people, count, isPartial }) {
    this.querySelector("ul").replaceChildren(...people.map((person) => this.#face(person)));
    this.querySelector(".presence-count").textContent = count;
    this.querySelector("[data-label]").textContent = isPartial ? "or more here" : "here";
    this.querySelector("button").title = isPartial ? PARTIAL : "";
  }

  #face(person) {
    const item = fromTemplate(this.querySelector("template"));
    item.dataset.userId = person.id;
    item.title = person.name;
    showFace(item.querySelector(".avatar"), person);
    item.lastElementChild.textContent = person.name;
    return item;
  }
}

customElements.define("presence-list", PresenceList);
