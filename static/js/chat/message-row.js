/** One message in the page, both ways: a row read as a message, a message or a draft written into a row. */
import { fullDate, timeOf } from "../core/dates.js";
import { fromTemplate, setRenderedHtml, showFace } from "../core/dom.js";

// Both stand in templates/chat/_message.html as well.
const NO_AUTHOR = "Deleted account";
const TOMBSTONE = "This message was deleted.";

/** What the server has drawn, as far as the timeline and grouping need it. */
export function readRow(row) {
  const { seq, version, authorId, clientId } = row.dataset;
  return {
    id: Number(row.id.replace("message-", "")),
    seq: Number(seq),
    version: Number(version),
    author: authorId ? { id: Number(authorId) } : null,
    client_id: clientId, // of the reader's own only: they may be among what waits to be sent
    created: row.querySelector(".message__time").dateTime,
  };
}

/** Shows a message that the server has; its draft's row becomes its own. */
export function fillRow(row, message) {
  row.id = `message-${message.id}`;
  row.dataset.seq = message.seq;
  row.dataset.version = message.version;
  row.classList.remove("message--pending", "message--failed");
  row.querySelector(".message__failure")?.remove();
  row.classList.toggle("message--deleted", message.deleted !== null);
  showAuthor(row, message.author);
  showTime(row, message.created);
  showEdited(row, message);
  const text = row.querySelector(".message__text");
  if (message.deleted) text.textContent = TOMBSTONE;
  else setRenderedHtml(text, message.html);
}

/** Shows a draft, as it was typed. `failure` is the template of what stands below one that failed. */
export function fillDraftRow(row, draft, failure) {
  row.id = `draft-${draft.client_id}`;
  row.classList.toggle("message--pending", !draft.error);
  row.classList.toggle("message--failed", Boolean(draft.error));
  showAuthor(row, draft.author);
  showTime(row, draft.created);
  row.querySelector(".message__text").textContent = draft.text;
  if (draft.error) showFailure(row, draft.error, failure);
  else showProgress(row, draft);
}

function showProgress(row, { waiting }) {
  row.querySelector(".message__failure")?.remove();
  const time = row.querySelector(".message__time");
  time.textContent = waiting ? "Waiting" : "Sending";
  if (waiting) time.title = waiting;
}

/** Added once: in a log that is what is read out. */
function showFailure(row, { detail }, template) {
  if (!row.querySelector(".message__failure")) row.append(fromTemplate(template));
  row.querySelector(".message__problem").textContent = `Not sent. ${detail}`;
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
