/** <member-list>: the people of the room, as the server has listed them, marked while they are here. */
import "./chat-room.js";
import { fromTemplate, showFace } from "../core/dom.js";

export class MemberList extends HTMLElement {
  #listening;

  connectedCallback() {
    const { signal } = (this.#listening = new AbortController());
    const { presence } = this.closest("chat-room");
    presence.addEventListener("changed", () => this.#show(presence), { signal });
  }

  disconnectedCallback() {
    this.#listening.abort();
  }

  #show(presence) {
    const list = this.querySelector("ul");
    for (const person of presence.people) {
      // Somebody who joined after the page was drawn.
      if (!list.querySelector(`[data-user-id="${person.id}"]`)) list.append(this.#item(person));
    }
    for (const item of list.children) {
      item.classList.toggle("person--here", presence.has(Number(item.dataset.userId)));
    }
    this.querySelector(".people__alone").hidden = presence.count !== 1;
  }

  #item(person) {
    const item = fromTemplate(this.querySelector("template"));
    item.dataset.userId = person.id;
    showFace(item.querySelector(".avatar"), person);
    item.querySelector(".person__name").textContent = person.name;
    this.#address(item, person);
    return item;
  }

  /** For whoever runs the room the template has a menu, which is about nobody (the id 0) yet. */
  #address(item, { id, name }) {
    const button = item.querySelector(".person__more");
    if (!button) return;
    const menu = item.querySelector(".person-menu");
    button.setAttribute("aria-label", `${button.getAttribute("aria-label").trim()} ${name}`);
    button.setAttribute("popovertarget", (menu.id = `person-menu-${id}`));
    for (const part of [menu, ...menu.querySelectorAll("[formaction]")]) {
      const attribute = part === menu ? "action" : "formaction";
      part.setAttribute(attribute, part.getAttribute(attribute).replace("/members/0/", `/members/${id}/`));
    }
  }
}

customElements.define("member-list", MemberList);
