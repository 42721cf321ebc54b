/** The way back in a room: brings the page before the oldest message as the reader comes near the top of the list. */
const AHEAD = "600px 0px 0px"; // it is fetched before the reader meets the top

export class OlderMessages {
  #list;
  #room;
  #observer;
  #isLoading = false;

  constructor(list, room) {
    this.#list = list;
    this.#room = room;
  }

  follow(signal) {
    this.#observer = new IntersectionObserver(
      ([{ isIntersecting }]) => isIntersecting && this.#isOnline && this.#load(),
      { root: this.#list, rootMargin: AHEAD },
    );
    signal.addEventListener("abort", () => this.#observer.disconnect());
    this.#room.addEventListener("state", () => this.#watch(), { signal });
    this.#way.addEventListener("click", (event) => this.#click(event), { signal });
  }

  /** Whether the server has drawn a way back. */
  get isOffered() {
    return !this.#way.hidden;
  }

  /** Offers the way back, or says that the room begins here. */
  show() {
    const { hasOlder, firstSeq } = this.#room.timeline;
    this.#way.hidden = !hasOlder;
    this.#way.querySelector("a").search = `?before=${firstSeq}`;
    this.#list.querySelector(".message-list__start").hidden = hasOlder;
  }

  get #way() {
    return this.#list.querySelector(".message-list__older");
  }

  get #isOnline() {
    return this.#room.dataset.state === "online";
  }

  /** Looks anew whether the top is in sight; an observer speaks only when that has changed. */
  #watch() {
    this.#observer.unobserve(this.#way);
    this.#observer.observe(this.#way);
  }

  /** Without a line the link leads to that page. */
  #click(event) {
    if (!this.#isOnline) return;
    event.preventDefault();
    this.#load();
  }

  async #load() {
    if (this.#isLoading || !this.#room.timeline.hasOlder) return;
    this.#isLoading = true;
    this.#way.ariaBusy = "true";
    const isThere = await this.#room.loadOlder();
    this.#way.ariaBusy = "false";
    this.#isLoading = false;
    if (isThere) this.#watch(); // the top may be in sight still
  }
}
