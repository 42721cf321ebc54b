/** What the page of a room needs. The room comes first: the others listen to it. */
import "./chat-room.js";
import "./connection-state.js";
import "./lost-place.js";
import "./member-list.js";
import "./message-actions.js";
import "./message-composer.js";
import "./message-list.js";
import "./presence-list.js";
import "./room-about.js";
import "./typing-indicator.js";
