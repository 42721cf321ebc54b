/**
 * A WebSocket that comes back: JSON frames in and out, reconnecting with full jitter, and a watchdog for lines
 * that died without a word. It knows no chat.
 *
 * Events: "frame" (detail: what was told) and "state" (detail: {state, code?, delayMs?}), where state is
 *
 *   connecting    until the first frame has come
 *   online        frames come and go
 *   reconnecting  the line was lost; the next try is in delayMs, or under way if that is 0
 *   offline       suspended, until wake() is called
 *   refused       it was ended for good, with this close code
 */
import { SYSTEM_CLOCK } from "./clock.js";

const CONNECT_WITHIN_MS = 10_000;
const MISSED_BEATS = 2.5; // two missed, and half a beat for what is on its way

/** How long to wait before try number `attempt` (from 0) when the line has been down for `downMs`. Full jitter. */
export function reconnectDelay(attempt, downMs, random = Math.random) {
  const most = downMs < 60_000 ? 5_000 : 30_000;
  return random() * Math.min(most, 1_000 * 2 ** attempt);
}

/** How long a close reason such as "Too fast. Try again in 12 s." asks to stay away; 0 when it asks nothing. */
export function askedDelay(reason = "") {
  const [, seconds] = /\bin (\d{1,4}) s\b/.exec(reason) ?? [];
  return 1_000 * (seconds ?? 0);
}

/** Where a WebSocket of this site is, as the URL that one opens. */
export function socketAddress(path) {
  const address = new URL(path, location.href);
  address.protocol = address.protocol.replace("http", "ws");
  return address;
}

export class Socket extends EventTarget {
  #url;
  #finalCodes;
  #WebSocket;
  #clock;
  #random;
  #line = null; // the WebSocket in use; what an older one still says is not heard
  #isHeard = false; // whether the line in use has told anything
  #attempt = 0;
  #lostAt = null;
  #awayUntil = 0; // the server has asked not to be called before
  #lostCode;
  #heardAt = 0;
  #silenceMs = CONNECT_WITHIN_MS; // longest silence of a line that lives
  #retry;
  #watchdog;
  state = "connecting";

  /**
   * `url` is read anew for each line. `finalCodes`: close codes after which it stays closed. The rest stands in for the
   * browser in tests.
   */
  constructor(
    url,
    { finalCodes = [], WebSocket = globalThis.WebSocket, clock = SYSTEM_CLOCK, random = Math.random } = {},
  ) {
    super();
    this.#url = url;
    this.#finalCodes = new Set(finalCodes);
    this.#WebSocket = WebSocket;
    this.#clock = clock;
    this.#random = random;
  }

  /** Connects, or connects anew. */
  open() {
    this.#hangUp();
    this.#silenceMs = CONNECT_WITHIN_MS;
    this.#isHeard = false;
    const line = new this.#WebSocket(String(this.#url));
    this.#line = line;
    line.onmessage = ({ data }) => line === this.#line && this.#hear(JSON.parse(data));
    line.onclose = ({ code, reason }) => line === this.#line && this.#lost(code, reason);
    if (this.state !== "connecting") this.#enter("reconnecting", { delayMs: 0 });
    this.#listen();
  }

  /** Sends a frame; false when there is no line to send it on. */
  send(frame) {
    if (this.state !== "online") return false;
    this.#line.send(JSON.stringify(frame));
    return true;
  }

  /** The server promises to tell something every `beatMs`; a longer silence means that the line is dead. */
  expectBeats(beatMs) {
    this.#silenceMs = MISSED_BEATS * beatMs;
    this.#listen();
  }

  /** Hangs up and stays away until wake() is called. */
  suspend() {
    if (this.state === "refused") return;
    this.#hangUp();
    this.#enter("offline");
  }

  /** Ends it for good, as if the server had done so with this code. */
  end(code) {
    this.#hangUp();
    this.#enter("refused", { code });
  }

  /** The page is back, or the network: a line that lives is kept, else it tries as soon as it may. */
  wake() {
    if (this.state === "refused") return;
    const isAlive = this.#line && this.#clock.now() - this.#heardAt < this.#silenceMs;
    if (isAlive) return;
    const restMs = this.#awayUntil - this.#clock.now();
    if (restMs > 0) this.#openIn(restMs, this.#lostCode);
    else this.open();
  }

  #hear(frame) {
    this.#listen();
    this.dispatchEvent(new CustomEvent("frame", { detail: frame }));
    if (this.#isHeard || this.state === "refused") return;
    // Only now it works: a server that accepts and closes at once must not be asked again and again without delay.
    this.#isHeard = true;
    this.#attempt = 0;
    this.#lostAt = null;
    this.#enter("online");
  }

  /** Starts the watchdog from now on. */
  #listen() {
    this.#heardAt = this.#clock.now();
    this.#clock.clearTimeout(this.#watchdog);
    this.#watchdog = this.#clock.setTimeout(() => this.#lost(), this.#silenceMs);
  }

  #lost(code, reason) {
    this.#hangUp();
    if (this.#finalCodes.has(code)) {
      this.end(code);
      return;
    }
    const now = this.#clock.now();
    this.#lostAt ??= now;
    this.#lostCode = code;
    const askedMs = askedDelay(reason);
    this.#awayUntil = now + askedMs;
    const delayMs = askedMs + reconnectDelay(this.#attempt, now - this.#lostAt, this.#random);
    this.#attempt += 1;
    this.#openIn(delayMs, code);
  }

  #openIn(delayMs, code) {
    this.#clock.clearTimeout(this.#retry);
    this.#retry = this.#clock.setTimeout(() => this.open(), delayMs);
    this.#enter("reconnecting", { code, delayMs });
  }

  #hangUp() {
    this.#clock.clearTimeout(this.#retry);
    this.#clock.clearTimeout(this.#watchdog);
    this.#line?.close();
    this.#line = null;
  }

  #enter(state, detail = {}) {
    this.state = state;
    this.dispatchEvent(new CustomEvent("state", { detail: { state, ...detail } }));
  }
}
