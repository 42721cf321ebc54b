/** Puts an outbox to work on a page: its drafts stand in the timeline, and are sent as long as there is a way. */
import { Delivery } from "./delivery.js";
import { CloseCode } from "./events.js";

// After these no line leads to the room any more: what the drafts are told then.
const NO_WAY = {
  [CloseCode.NOT_A_MEMBER]: "You are no longer in this room.",
  [CloseCode.NO_SUCH_ROOM]: "This room is gone.",
};

export class Posting {
  #outbox;
  #timeline;
  #delivery;
  #noWay = null;

  /** `post` sends a draft: the reply, or null when the line was lost before it came. */
  constructor(outbox, timeline, post) {
    this.#outbox = outbox;
    this.#timeline = timeline;
    this.#delivery = new Delivery(outbox, post);
  }

  /** What waits from before is shown, and from now on what becomes of it, here and in other tabs. */
  follow(signal) {
    const [outbox, timeline] = [this.#outbox, this.#timeline];
    outbox.drafts.forEach((draft) => timeline.draft(draft));
    for (const type of ["added", "changed"]) {
      outbox.addEventListener(type, ({ detail }) => timeline.draft(detail.draft), { signal });
      outbox.addEventListener(type, () => this.#send(), { signal });
    }
    outbox.addEventListener("removed", ({ detail }) => this.#drop(detail), { signal });
    timeline.addEventListener("settled", ({ detail }) => outbox.settle(detail.message), { signal });
    addEventListener("storage", (event) => outbox.hear(event), { signal });
    addEventListener("pageshow", ({ persisted }) => persisted && outbox.sync(), { signal });
  }

  /** Takes the state of the line (core/socket.js). */
  enter({ state, code }) {
    this.#noWay = (state === "refused" && NO_WAY[code]) || null;
    if (state === "online" || this.#noWay) this.#send();
  }

  #send() {
    if (!this.#noWay) {
      this.#delivery.run();
      return;
    }
    for (const draft of this.#outbox.drafts) {
      if (!draft.error) this.#outbox.fail(draft, { detail: this.#noWay });
    }
  }

  #drop({ draft, message }) {
    if (message) this.#timeline.acknowledge(message);
    else this.#timeline.withdraw(draft);
  }
}
