/** The wire, seen from the browser: what is asked, what is told, how a line ends. chat/events.py is the other end. */

/** What the server tells: the `type` of a frame. */
export const Told = Object.freeze({
  WELCOME: "welcome",
  MESSAGES: "messages",
  PRESENCE: "presence",
  TYPING: "typing",
  ACTIVITY: "activity",
  READ: "read",
  ROOM: "room",
  REVOKED: "revoked",
  BEAT: "beat",
  REPLY: "reply",
});

/** Why the server ends a line: for good, other than after TOO_FAST. After any other code the browser comes back. */
export const CloseCode = Object.freeze({
  TOO_BIG: 1009,
  MALFORMED: 4400,
  NOT_SIGNED_IN: 4401,
  NOT_A_MEMBER: 4403,
  NO_SUCH_ROOM: 4404,
  TOO_FAST: 4429,
});

/** After these the browser stays away. */
export const FINAL_CODES = Object.values(CloseCode).filter((code) => code !== CloseCode.TOO_FAST);

export const MAX_TEXT_LENGTH = 4000; // characters, counted as code points
export const PAGE_SIZE = 50;

/** Asks to store a message; answered with the message as it is stored. Asking again with the same id is harmless. */
export function postMessage({ client_id, text }) {
  return { type: "message.post", client_id, text };
}

/** Asks to replace the text of one's own message; answered with the message. Asking again is harmless. */
export function editMessage(id, text) {
  return { type: "message.edit", id, text };
}

/** Asks to delete a message; answered with its tombstone. Asking again is harmless. */
export function deleteMessage(id) {
  return { type: "message.delete", id };
}

/** Tells that the reader is writing; everybody forgets it again after some seconds. */
export function startTyping() {
  return { type: "typing.start" };
}

/** Tells that the reader has read the room up to the place `seq`. Asking again is harmless. */
export function setRead(seq) {
  return { type: "read.set", seq };
}

/** Asks for what has changed since the change `since`; answered with `messages`, the `head` reached, and `more`. */
export function getChanges(since) {
  return { type: "history.get", since };
}

/** Asks for the page of messages before the place `before`; answered with `messages`, oldest first, and `more`. */
export function getHistory(before) {
  return { type: "history.get", before, limit: PAGE_SIZE };
}
