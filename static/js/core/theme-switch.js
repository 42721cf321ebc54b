/** <theme-switch>: a button that goes round light, dark and as the system has it, and remembers it in a cookie. */

const NAMES = { light: "light", dark: "dark", auto: "as the system" };
const COOKIE = /(?:^|; )theme=(light|dark|auto)(?:;|$)/;
const YEAR_S = 365 * 24 * 60 * 60;

const root = document.documentElement;
// Error pages are drawn without a request at hand, so without the cookie.
root.dataset.theme = COOKIE.exec(document.cookie)?.[1] ?? root.dataset.theme;

/** First to what the system does not have, so that the first press shows; then the other one; then back. */
function round() {
  return matchMedia("(prefers-color-scheme: dark)").matches ? ["auto", "light", "dark"] : ["auto", "dark", "light"];
}

export class ThemeSwitch extends HTMLElement {
  #listening;

  connectedCallback() {
    const { signal } = (this.#listening = new AbortController());
    this.querySelector("button").addEventListener("click", () => this.#next(), { signal });
    this.#name();
  }

  disconnectedCallback() {
    this.#listening.abort();
  }

  #next() {
    const themes = round();
    root.dataset.theme = themes[(themes.indexOf(root.dataset.theme) + 1) % themes.length];
    document.cookie = `theme=${root.dataset.theme}; path=/; max-age=${YEAR_S}; samesite=lax`;
    this.#name();
  }

  #name() {
    const name = `Theme: ${NAMES[root.dataset.theme]}`;
    this.querySelector("[data-label]").textContent = name;
    this.querySelector("button").title = name;
  }
}

customElements.define("theme-switch", ThemeSwitch);
