/** The line of a page without a room: it feeds the inbox and nothing else. */
import { followThePage } from "../core/page-life.js";
import { Socket, socketAddress } from "../core/socket.js";
import { CloseCode, FINAL_CODES, Told } from "./events.js";

/**
 * Connects the inbox of the person with the id `me` to the server until `signal` aborts. Once their session is over it
 * stays as it is, without a word.
 */
export function connectInbox(inbox, path, me, signal) {
  const socket = new Socket(socketAddress(path), { finalCodes: FINAL_CODES });
  const hear = ({ detail: frame }) => {
    if (frame.type === Told.WELCOME) {
      if ((frame.reader ?? me) !== me) {
        socket.end(CloseCode.NOT_SIGNED_IN); // somebody else has logged in with this browser
        return;
      }
      socket.expectBeats(frame.beat_s * 1000);
    }
    inbox.hear(frame);
  };
  socket.addEventListener("frame", hear, { signal });
  followThePage(socket, signal);
  signal.addEventListener("abort", () => socket.suspend());
  socket.open();
}
