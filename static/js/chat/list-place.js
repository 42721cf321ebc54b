/**
 * Where the reader is in a list of messages, and keeping them there.
 *
 * The list scrolls from its end (flex-direction: column-reverse, so scrollTop is 0 at the newest row and negative above
 * it): a page opens at the newest row, and stays there when more come, without any script.
 */
const NEAR_END_PX = 48;

export class ListPlace {
  #list;

  constructor(list) {
    this.#list = list;
  }

  get isAtEnd() {
    return this.#list.scrollTop > -NEAR_END_PX;
  }

  goToEnd() {
    this.#list.scrollTop = 0;
  }

  /** The row that stands first in view, and how far below the upper edge. */
  get first() {
    const { top } = this.#list.getBoundingClientRect();
    const row = [...this.#list.querySelectorAll(".message")].find((each) => each.getBoundingClientRect().bottom > top);
    return { row, below: row && row.getBoundingClientRect().top - top };
  }

  /** Scrolls until a row stands that far below the upper edge. */
  scrollTo(row, below) {
    const shift = row.getBoundingClientRect().top - this.#list.getBoundingClientRect().top - below;
    if (shift) this.#list.scrollTop += shift;
  }

  /** What the reader looks at stays where it is, whatever changes. At the end the layout itself sees to that. */
  keep(change) {
    const { row, below } = this.isAtEnd ? {} : this.first;
    change();
    if (row?.isConnected) this.scrollTo(row, below);
  }
}
