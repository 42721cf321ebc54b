/** <connection-state>: says how the line to the server is, why it is down and what to do. */
import "./chat-room.js";
import { CloseCode } from "./events.js";

const CAUSES = {
  1012: "The server restarts.",
  1013: "This connection was too slow.",
  [CloseCode.TOO_FAST]: "Too fast.",
};

// Why the line ended for good, and what can be done. The link loads the page again, which then asks to log in, offers
// to join, or says what is so now.
const REFUSALS = {
  [CloseCode.TOO_BIG]: ["That was too large to send.", "Reload the page"],
  [CloseCode.MALFORMED]: ["This page and the server do not understand each other.", "Reload the page"],
  [CloseCode.NOT_SIGNED_IN]: ["You are logged out.", "Log in again"],
  [CloseCode.NOT_A_MEMBER]: ["You are no longer in this room.", "See how to come back"],
  [CloseCode.NO_SUCH_ROOM]: ["This room is gone.", "Reload the page"],
};

// Where the server has told more than the code says.
const REASONS = {
  deactivated: ["Your account was deactivated.", "Go to the log-in page"],
  room_deleted: ["This room was deleted.", "See what is left"],
};

export class ConnectionState extends HTMLElement {
  #listening;
  #ticking;

  connectedCallback() {
    const { signal } = (this.#listening = new AbortController());
    this.#room.addEventListener("state", ({ detail }) => this.#show(detail), { signal });
    this.#say("Connecting");
  }

  disconnectedCallback() {
    this.#listening.abort();
    clearInterval(this.#ticking);
  }

  get #room() {
    return this.closest("chat-room");
  }

  #show({ state, code, reason, delayMs = 0 }) {
    clearInterval(this.#ticking);
    if (state === "online") this.#say("Online");
    if (state === "offline") this.#say("Offline. What you write is sent when you are back.");
    if (state === "reconnecting") this.#countDown(CAUSES[code] ?? "Connection lost.", Date.now() + delayMs);
    if (state === "refused") {
      const [why, what] = REASONS[reason] ?? REFUSALS[code];
      const link = document.createElement("a");
      link.href = location.pathname;
      link.textContent = what;
      this.#say(why, " ", link);
    }
  }

  #countDown(cause, until) {
    // The seconds are for the eye: read out one by one they would drown everything else.
    const seconds = document.createElement("span");
    seconds.ariaHidden = "true";
    const tick = () => {
      const left = Math.ceil((until - Date.now()) / 1000);
      seconds.textContent = left > 0 ? ` in ${left} s` : "";
      if (left <= 0) clearInterval(this.#ticking);
    };
    this.#say(`${cause} Reconnecting`, seconds);
    tick();
    this.#ticking = setInterval(tick, 250);
  }

  #say(...words) {
    this.replaceChildren(...words);
  }
}

customElements.define("connection-state", ConnectionState);
