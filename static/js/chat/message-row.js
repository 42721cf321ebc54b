/** One message in the page, both ways: a row read as a message, a message or a draft written into a row. */
import { fullDate, timeOf } from "../core/dates.js";
import { setRenderedHtml, showFace } from "../core/dom.js";

// Both stand in templates/chat/_message.html as well.
const NO_AUTHOR = "Deleted account";
const TOMBSTONE = "This message was deleted.";

/** What the server has drawn, as far as the timeline and grouping need it. */
export function readRow(row) {
  const { seq, version, authorId } = row.dataset;
  return {
    id: Number(row.id.replace("message-", "")),
    seq: Number(seq),
    version: Number(version),
    author: authorId ? { id: Number(authorId) } : null,
    created: row.querySelector(".message__time").dateTime,
  };
}

/** Shows a message that the server has; its draft's row becomes its own. */
export function fillRow(row, message) {
  row.id = `message-${message.id}`;
  row.dataset.seq = message.seq;
  row.dataset.version = message.version;
  row.classList.remove("message--pending");
  row.classList.toggle("message--deleted", message.deleted !== null);
  showAuthor(row, message.author);
  showTime(row, message.created);
  showEdited(row, message);
  const text = row.querySelector(".message__text");
  if (message.deleted) text.textContent = TOMBSTONE;
  else setRenderedHtml(text, message.html);
}

/** Shows a draft, as it was typed. */
export function fillDraftRow(row, draft) {
  row.id = `draft-${draft.client_id}`;
  row.classList.add("message--pending");
  showAuthor(row, draft.author);
  showTime(row, draft.created);
  row.querySelector(".message__time").textContent = "Sending";
  row.querySelector(".message__text").textContent = draft.text;
}

/** Shows when it was written, in this browser's time zone. */
export function showTime(row, created) {
  const time = row.querySelector(".message__time");
  time.dateTime = created;
  time.title = fullDate(created);
  time.textContent = timeOf(created);
}

function showEdited(row, { edited, deleted }) {
  const mark = row.querySelector(".message__edited");
  mark.hidden = !edited || Boolean(deleted);
  if (mark.hidden) return;
  mark.dateTime = edited;
  mark.title = fullDate(edited);
}

function showAuthor(row, author) {
  row.dataset.authorId = author?.id ?? "";
  row.querySelector(".message__author").textContent = author?.name ?? NO_AUTHOR;
  showFace(row.querySelector(".avatar"), author);
}
