/** What every page of somebody who is signed in needs: the rooms in the sidebar, live. */
import "./room-list.js";
import "./unread-mark.js";
