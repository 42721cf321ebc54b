/** Small steps between data and the page. */

/** The one door for HTML: what the server has rendered and sanitised. Everything else goes through textContent. */
export function setRenderedHtml(element, html) {
  element.innerHTML = html;
}

/** The first letters of up to two words: "Ada Lovelace" becomes AL. The template filter has the same rule. */
export function initials(name) {
  return name
    .split(/\s+/u)
    .filter(Boolean)
    .slice(0, 2)
    .map(([letter]) => letter)
    .join("")
    .toUpperCase();
}

/** Turns an .avatar into the coloured initials of a person; null for an account that is gone. */
export function showFace(avatar, person) {
  avatar.dataset.colour = person?.colour ?? "";
  avatar.textContent = initials(person?.name ?? "");
}

/** A copy of what a <template> holds. */
export function fromTemplate(template) {
  return template.content.firstElementChild.cloneNode(true);
}

/** A random UUID. crypto.randomUUID would refuse on plain http, other than on localhost. */
export function newUuid() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40; // version 4
  bytes[8] = (bytes[8] & 0x3f) | 0x80; // variant of RFC 9562
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
