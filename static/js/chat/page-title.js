/** The title of the page: what it is about and, before that, how much is unread: "(3) Lobby · Parley". */
import { shortCount } from "./inbox.js";

const [, , site] = /^(.*)( · .*)$/s.exec(document.title) ?? ["", "", ""];
let about = document.title.slice(0, document.title.length - site.length);
let unread = 0;

/** The page is about something of another name now. */
export function titleAbout(name) {
  about = name;
  show();
}

/** So much is unread. */
export function titleUnread(count) {
  unread = count;
  show();
}

function show() {
  const title = (unread ? `(${shortCount(unread)}) ` : "") + about + site;
  if (title !== document.title) document.title = title;
}
