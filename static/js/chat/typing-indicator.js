/** <typing-indicator>: who is writing in the room right now. */
import "./chat-room.js";
import { typingText } from "./typing.js";

export class TypingIndicator extends HTMLElement {
  #listening;

  connectedCallback() {
    const { signal } = (this.#listening = new AbortController());
    const { typing } = this.closest("chat-room");
    typing.addEventListener("changed", () => (this.textContent = typingText(typing.people)), { signal });
  }

  disconnectedCallback() {
    this.#listening.abort();
  }
}

customElements.define("typing-indicator", TypingIndicator);
