/** <lost-place>: says that too much was missed to keep the reader's place in the messages, and offers a way back there. */
import "./chat-room.js";

export class LostPlace extends HTMLElement {
  #listening;
  #seq;

  connectedCallback() {
    const { signal } = (this.#listening = new AbortController());
    this.#list.addEventListener("placelost", ({ detail }) => this.#show(detail), { signal });
    this.querySelector("[data-back]").addEventListener("click", () => this.#goBack(), { signal });
    this.querySelector("[data-stay]").addEventListener("click", () => this.#close(), { signal });
  }

  disconnectedCallback() {
    this.#listening.abort();
  }

  get #list() {
    return this.closest("chat-room").querySelector("message-list");
  }

  /** Of two places that were lost, the first is where the reader was reading. */
  #show(seq) {
    this.#seq = this.hidden ? seq : Math.min(this.#seq, seq);
    this.hidden = false;
  }

  async #goBack() {
    this.ariaBusy = "true";
    const isThere = await this.#list.goTo(this.#seq);
    this.ariaBusy = "false";
    if (isThere) this.#close();
  }

  #close() {
    this.hidden = true;
    this.#list.focus({ preventScroll: true });
  }
}

customElements.define("lost-place", LostPlace);
