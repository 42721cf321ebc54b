/**
 * <message-actions>: what can be done with a message, in whichever row: a menu, an editor in place, and the question
 * before deleting. Other than the menu, each is there for one message at a time.
 */
import "./chat-room.js";
import "./message-list.js"; // before this one, so that its rows are there when the timeline has changed
import { fromTemplate } from "../core/dom.js";
import { MAX_TEXT_LENGTH } from "./events.js";

const MENU_PX = 120; // its height: with less room below the button it opens above
const MAX_ROWS = 10;
const NO_LINE = "There is no connection right now. Nothing was changed; try again.";

export class MessageActions extends HTMLElement {
  #room;
  #listening;
  #button; // whose menu is open, or was the last to be
  #editor; // the form that is open in a row
  #edited; // the message in it
  #asked; // the message that the dialog asks about
  #cameFrom; // what gets the focus back

  connectedCallback() {
    const { signal } = (this.#listening = new AbortController());
    this.#room = this.closest("chat-room");
    const list = this.#room.querySelector("message-list");
    list.addEventListener("click", (event) => this.#choose(event.target.closest(".message__more")), { signal });
    list.addEventListener("scroll", () => this.#menu.hidePopover(), { signal, passive: true });
    this.#menu.addEventListener("toggle", ({ newState }) => newState === "open" && this.#enterMenu(), { signal });
    this.#menu.addEventListener("click", (event) => this.#do(event.target.dataset.action), { signal });

    this.#dialog.querySelector("form").addEventListener("submit", (event) => this.#delete(event), { signal });
    this.#dialog.querySelector("[type=button]").addEventListener("click", () => this.#dialog.close(), { signal });
    this.#dialog.addEventListener("close", () => this.#forget(), { signal });

    this.#room.addEventListener("edit", ({ detail }) => this.#edit(detail, document.activeElement), { signal });
    for (const type of ["started", "changed"]) {
      this.#room.timeline.addEventListener(type, () => this.#follow(), { signal });
    }
  }

  disconnectedCallback() {
    this.#listening.abort();
  }

  get #menu() {
    return this.querySelector("[popover]");
  }

  get #dialog() {
    return this.querySelector("dialog");
  }

  /** The message as it is now. */
  #message(id) {
    return this.#room.timeline.messages.find((message) => message.id === id);
  }

  // --- Menu ---

  /** Before the browser opens the menu: it belongs to this button now. */
  #choose(button) {
    if (!button) return;
    this.#button = button;
    this.#menu.querySelector("[data-action=edit]").hidden = !this.#room.mayEdit(this.#chosen);
    const { top, bottom, right } = button.getBoundingClientRect();
    const fromRight = `${document.documentElement.clientWidth - right}px`;
    const isLow = innerHeight - bottom < MENU_PX;
    this.#menu.style.inset = isLow ? `auto ${fromRight} ${innerHeight - top}px auto` : `${bottom}px ${fromRight} auto auto`;
  }

  #enterMenu() {
    this.#menu.querySelector("button:not([hidden])").focus({ preventScroll: true });
  }

  get #chosen() {
    return this.#message(Number(this.#button.closest(".message").id.replace("message-", "")));
  }

  #do(action) {
    if (!action) return;
    const message = this.#chosen;
    this.#menu.hidePopover();
    if (!message || message.deleted) return; // meanwhile
    if (action === "edit") this.#edit(message, this.#button);
    else this.#ask(message, this.#button);
  }

  // --- Editor ---

  #edit(message, cameFrom) {
    this.#closeEditor();
    this.#edited = message;
    this.#cameFrom = cameFrom;
    this.#editor = fromTemplate(this.querySelector("template"));
    const { text } = this.#editor.elements;
    text.value = message.text;
    text.rows = Math.min(message.text.split("\n").length, MAX_ROWS); // for browsers in which it does not grow by itself
    this.#editor.addEventListener("submit", (event) => this.#save(event));
    this.#editor.addEventListener("keydown", (event) => this.#press(event));
    this.#editor.querySelector("[type=button]").addEventListener("click", () => this.#closeEditor());
    this.#open();
    text.setSelectionRange(text.value.length, text.value.length);
    this.#editor.scrollIntoView({ block: "nearest" });
  }

  /** Puts the editor in the row of its message. */
  #open() {
    const row = document.getElementById(`message-${this.#edited.id}`);
    row.classList.add("message--editing");
    row.append(this.#editor);
    this.#editor.elements.text.focus({ preventScroll: true });
  }

  #press(event) {
    // As in the composer: Enter belongs to an input method while it composes.
    if (event.isComposing || event.keyCode === 229) return;
    if (event.key === "Escape") {
      event.preventDefault();
      this.#closeEditor();
    } else if (event.key === "Enter" && !event.shiftKey && event.target.matches("textarea")) {
      event.preventDefault();
      this.#editor.requestSubmit();
    }
  }

  async #save(event) {
    event.preventDefault();
    const editor = this.#editor;
    const { text } = editor.elements;
    if (text.readOnly) return; // it is being saved
    const tooMany = [...text.value].length - MAX_TEXT_LENGTH;
    if (!text.value.trim()) return say(editor, "Write something, or delete the message.");
    if (tooMany > 0) return say(editor, `${tooMany} characters too many.`);
    text.readOnly = true;
    const reply = await this.#room.edit(this.#edited, text.value);
    text.readOnly = false;
    if (editor !== this.#editor) return; // cancelled meanwhile
    if (reply?.ok) this.#closeEditor();
    else say(editor, reply ? reply.error.detail : NO_LINE);
  }

  #closeEditor() {
    if (!this.#editor) return;
    const hadFocus = this.#editor.contains(document.activeElement);
    this.#editor.closest(".message")?.classList.remove("message--editing");
    this.#editor.remove();
    this.#editor = null;
    if (hadFocus) this.#giveFocusBack();
  }

  /** Rows have changed: a message that was deleted is no longer edited, and a row that was made anew gets its editor. */
  #follow() {
    if (!this.#editor) return;
    const message = this.#message(this.#edited.id);
    if (!message || message.deleted) this.#closeEditor();
    else if (!this.#editor.isConnected) this.#open();
  }

  // --- Question ---

  #ask(message, cameFrom) {
    this.#asked = message;
    this.#cameFrom = cameFrom;
    this.#dialog.querySelector("blockquote").textContent = message.text;
    say(this.#dialog, "");
    this.#dialog.showModal();
  }

  async #delete(event) {
    event.preventDefault();
    const reply = await this.#room.delete(this.#asked);
    if (reply?.ok) this.#dialog.close();
    else say(this.#dialog, reply ? reply.error.detail : NO_LINE);
  }

  /** What was deleted is nowhere in the page any more. */
  #forget() {
    this.#dialog.querySelector("blockquote").textContent = "";
    this.#asked = null;
    this.#giveFocusBack();
  }

  /** To where it came from, or, when that is gone, to the list. */
  #giveFocusBack() {
    const isThere = this.#cameFrom?.isConnected && !this.#cameFrom.hidden;
    (isThere ? this.#cameFrom : this.#room.querySelector("message-list")).focus({ preventScroll: true });
  }
}

function say(element, problem) {
  element.querySelector(".message__problem").textContent = problem;
}

customElements.define("message-actions", MessageActions);
