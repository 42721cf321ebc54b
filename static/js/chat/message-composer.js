/** <message-composer>: the form one writes in. It sends through the <chat-room> around it and shows what was refused. */
import "./chat-room.js";
import { MAX_TEXT_LENGTH } from "./events.js";

const COUNT_FROM = MAX_TEXT_LENGTH - 400; // from here on it says how much is left
const ARCHIVED = "This room is archived. You can read it, but nobody can write in it any more.";
const GROWS_BY_ITSELF = CSS.supports("field-sizing", "content");

export class MessageComposer extends HTMLElement {
  #listening;
  #room;
  #form;

  connectedCallback() {
    this.#form = this.querySelector("form");
    if (!this.#form) return; // archived: there is nothing to write in
    const { signal } = (this.#listening = new AbortController());
    this.#room = this.closest("chat-room");
    this.#form.noValidate = true; // an empty text is refused quietly
    this.#form.addEventListener("submit", (event) => this.#submit(event), { signal });
    this.#text.addEventListener("keydown", (event) => this.#press(event), { signal });
    this.#text.addEventListener("input", () => this.#follow(), { signal });
    this.#room.addEventListener("refused", ({ detail }) => this.#giveBack(detail), { signal });
    this.#room.addEventListener("room", ({ detail }) => detail.archived && this.#close(ARCHIVED), { signal });
    this.#room.addEventListener("state", ({ detail }) => detail.state === "refused" && this.#close(), { signal });
    this.#follow();
    // On a touch screen this would open the keyboard over what one came to read.
    if (matchMedia("(hover: hover) and (pointer: fine)").matches) this.#text.focus();
  }

  disconnectedCallback() {
    this.#listening?.abort();
  }

  get #text() {
    return this.#form.elements.text;
  }

  #press(event) {
    if (event.key === "ArrowUp" && !this.#text.value && !event.isComposing) {
      event.preventDefault();
      this.#room.editLast();
      return;
    }
    // While an input method composes, Enter chooses a word. Safari ends composing first and tells by the key code.
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
    event.preventDefault();
    this.#form.requestSubmit();
  }

  #submit(event) {
    event.preventDefault();
    const text = this.#text.value;
    if (!text.trim() || this.#left < 0 || this.#text.disabled) return;
    this.#text.value = "";
    this.#say("");
    this.#follow();
    this.#text.focus();
    this.#room.post(text);
  }

  /** A refused text comes back, before what was written since. */
  #giveBack({ draft, error }) {
    this.#text.value = [draft.text, this.#text.value].filter(Boolean).join("\n\n");
    this.#say(error.detail);
    this.#follow();
    if (error.code === "archived") this.#close(ARCHIVED);
  }

  /** Nothing can be sent from here any more. What was written stays to be read. */
  #close(why = "") {
    this.#say(why);
    this.#text.disabled = true;
    this.#form.querySelector("button").disabled = true;
  }

  #say(problem) {
    this.querySelector(".composer__error").textContent = problem;
  }

  /** How many characters may follow, counted as the server does. */
  get #left() {
    return MAX_TEXT_LENGTH - [...this.#text.value].length;
  }

  /** Grows with the text, and counts down when little is left. */
  #follow() {
    if (!GROWS_BY_ITSELF) {
      this.#text.style.blockSize = "auto";
      this.#text.style.blockSize = `${this.#text.scrollHeight}px`;
    }
    const left = this.#left;
    const count = this.querySelector(".composer__count");
    count.hidden = left > MAX_TEXT_LENGTH - COUNT_FROM;
    count.textContent = left < 0 ? `${-left} too many` : `${left} left`;
    count.ariaLive = left < 0 ? "polite" : "off"; // a countdown read out at every key would be a nuisance
    count.classList.toggle("composer__count--over", left < 0);
  }
}

customElements.define("message-composer", MessageComposer);
