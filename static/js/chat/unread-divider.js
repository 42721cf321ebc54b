/** The line in a list of messages above the first one that is new to the reader. */
import { fromTemplate } from "../core/dom.js";
import { separatorOf } from "./between-rows.js";

export class UnreadDivider {
  #element;
  #row = null;

  constructor(template) {
    this.#element = fromTemplate(template);
  }

  /** Whether it belongs to this row, which then starts a group, whoever wrote the one before. */
  isAbove(row) {
    return row === this.#row;
  }

  /** Puts it above a row, and the day that begins there; null takes it away. The row that it stood above before. */
  move(row) {
    const before = this.#row;
    this.#row = row;
    const below = row && (separatorOf(row) ?? row);
    if (!row) this.#element.remove();
    else if (below.previousElementSibling !== this.#element) below.before(this.#element);
    return before;
  }
}
