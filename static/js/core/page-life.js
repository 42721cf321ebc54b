/** A page sleeps and wakes: the network goes, the tab is frozen, the back button brings it from a cache. */

/** Has a Socket stay away while the page or the network is gone, and come back with them. */
export function followThePage(socket, signal) {
  // An offline browser keeps an open socket open and lets it starve, so it is dropped.
  addEventListener("offline", () => socket.suspend(), { signal });
  addEventListener("online", () => socket.wake(), { signal });
  // A page that goes for good takes its line along; browsers complain about one that is closed while it is being opened.
  const hide = ({ persisted }) => (persisted || socket.state !== "connecting") && socket.suspend();
  addEventListener("pagehide", hide, { signal });
  addEventListener("pageshow", ({ persisted }) => persisted && socket.wake(), { signal });
  const look = () => !document.hidden && socket.state !== "offline" && socket.wake();
  document.addEventListener("visibilitychange", look, { signal });
}

/** Tells `heed` now, and whenever it changes, whether the page has the reader's attention: to be seen, and in focus. */
export function followAttention(heed, signal) {
  const tell = () => heed(!document.hidden && document.hasFocus());
  document.addEventListener("visibilitychange", tell, { signal });
  addEventListener("focus", tell, { signal });
  addEventListener("blur", tell, { signal });
  tell();
}
