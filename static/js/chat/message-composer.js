/**
 * <message-composer>: the form one writes in. It sends through the <chat-room> around it. What is being written
 * outlives a reload of its tab.
 */
import "./chat-room.js";
import { MAX_TEXT_LENGTH } from "./events.js";

const COUNT_FROM = MAX_TEXT_LENGTH - 400; // from here on it says how much is left
const ARCHIVED = "This room is archived. You can read it, but nobody can write in it any more.";
const AT_RISK =
  "This browser's storage is full, or closed to this page. Until it is sent, your message would not survive a reload.";
const PATIENCE_MS = 1_000; // nearly everything is sent by then, and nothing has to be said
const GROWS_BY_ITSELF = CSS.supports("field-sizing", "content");

export class MessageComposer extends HTMLElement {
  #listening;
  #room;
  #form;
  #worrying; // a timer

  connectedCallback() {
    this.#form = this.querySelector("form");
    const { signal } = (this.#listening = new AbortController());
    this.#room = this.closest("chat-room");
    if (!this.#form) {
      this.#room.addEventListener("room", ({ detail }) => detail.archived || this.#offerForm(), { signal });
      return; // archived: there is nothing to write in
    }
    this.#form.noValidate = true; // an empty text is refused quietly
    this.#form.addEventListener("submit", (event) => this.#submit(event), { signal });
    this.#text.addEventListener("keydown", (event) => this.#press(event), { signal });
    this.#text.addEventListener("input", () => this.#write(), { signal });
    this.#room.addEventListener("takeback", (event) => this.#takeBack(event), { signal });
    this.#room.outbox.addEventListener("changed", ({ detail }) => this.#heed(detail.draft), { signal });
    for (const type of ["added", "removed"]) {
      this.#room.outbox.addEventListener(type, () => this.#worry(), { signal });
    }
    this.#room.addEventListener("room", ({ detail }) => this.#showRoom(detail), { signal });
    this.#room.addEventListener("state", ({ detail }) => detail.state === "refused" && this.#close(), { signal });
    this.#text.value ||= this.#remembered ?? "";
    this.#follow();
    // On a touch screen this would open the keyboard over what one came to read.
    if (matchMedia("(hover: hover) and (pointer: fine)").matches) this.#text.focus();
  }

  disconnectedCallback() {
    this.#listening?.abort();
    clearTimeout(this.#worrying);
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

  #write() {
    this.#follow();
    this.#room.write(this.#text.value);
  }

  #submit(event) {
    event.preventDefault();
    const text = this.#text.value;
    if (!text.trim() || this.#left < 0 || this.#text.disabled) return;
    this.#room.post(text); // first: from here on it outlives the tab
    this.#text.value = "";
    this.#say("");
    this.#follow();
    this.#text.focus();
  }

  /** The text of a draft comes back, before what was written since. */
  #takeBack(event) {
    if (this.#text.disabled) return;
    event.preventDefault();
    this.#text.value = [event.detail.text, this.#text.value].filter(Boolean).join("\n\n");
    this.#follow();
    this.#text.focus();
  }

  #heed({ error }) {
    if (error && error.code === "archived") this.#close(ARCHIVED);
  }

  /** What cannot be stored works as long as the page is open; who writes has to know. */
  #worry() {
    clearTimeout(this.#worrying);
    if (!this.#room.outbox.isAtRisk) {
      if (this.#error.textContent === AT_RISK) this.#say("");
      return;
    }
    this.#worrying = setTimeout(() => this.#text.disabled || this.#say(AT_RISK), PATIENCE_MS);
  }

  #showRoom({ name, archived }) {
    this.#text.placeholder = `Message ${name}`;
    if (archived) this.#close(ARCHIVED);
    else this.#open();
  }

  /** The page was drawn while the room was archived, and has no form. */
  #offerForm() {
    const link = document.createElement("a");
    link.href = location.pathname;
    link.textContent = "Write in it";
    this.querySelector(".composer__closed").replaceChildren("This room is open again. ", link);
  }

  #open() {
    if (this.#error.textContent === ARCHIVED) this.#say("");
    this.#text.disabled = false;
    this.#form.querySelector("button").disabled = false;
  }

  /** Nothing can be sent from here any more. What was written stays to be read. */
  #close(why = "") {
    this.#say(why);
    this.#text.disabled = true;
    this.#form.querySelector("button").disabled = true;
  }

  get #error() {
    return this.querySelector(".composer__error");
  }

  #say(problem) {
    this.#error.textContent = problem;
  }

  get #memory() {
    return `composer/${this.#room.me.id}/${this.#room.dataset.slug}`;
  }

  /** What was being written when this tab had this page before. */
  get #remembered() {
    try {
      return sessionStorage.getItem(this.#memory);
    } catch {
      return null; // forbidden
    }
  }

  #remember(text) {
    try {
      if (text) sessionStorage.setItem(this.#memory, text);
      else sessionStorage.removeItem(this.#memory);
    } catch {
      // Full or forbidden. It is not sent yet, and stays where it is.
    }
  }

  /** How many characters may follow, counted as the server does. */
  get #left() {
    return MAX_TEXT_LENGTH - [...this.#text.value].length;
  }

  /** Grows with the text, remembers it, and counts down when little is left. */
  #follow() {
    this.#remember(this.#text.value);
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
