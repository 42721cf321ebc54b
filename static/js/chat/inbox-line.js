/** The line of a page without a room: it feeds the inbox and nothing else. */
import { followThePage } from "../core/page-life.js";
import { Socket } from "../core/socket.js";
import { CloseCode, Told } from "./events.js";

/** Connects the inbox to the server until `signal` aborts. Once the session is over it stays as it is, without a word. */
export function connectInbox(inbox, path, signal) {
  const address = new URL(path, location.href);
  address.protocol = address.protocol.replace("http", "ws");
  const socket = new Socket(address, { finalCodes: Object.values(CloseCode) });
  const hear = ({ detail: frame }) => {
    if (frame.type === Told.WELCOME) socket.expectBeats(frame.beat_s * 1000);
    inbox.hear(frame);
  };
  socket.addEventListener("frame", hear, { signal });
  followThePage(socket, signal);
  signal.addEventListener("abort", () => socket.suspend());
  socket.open();
}
