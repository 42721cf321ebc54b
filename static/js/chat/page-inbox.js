/** The inbox of this page: whatever line the page has feeds it, and all that show it listen to this one. */
import { Inbox } from "./inbox.js";

export const inbox = new Inbox();
