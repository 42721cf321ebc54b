/** The inbox: the reader's rooms, and what is unread in each. */
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { Inbox } from "../../static/js/chat/inbox.js";

const ME = 7;
const OTHER = 8;

let inbox;
let told;

beforeEach(() => {
  inbox = new Inbox();
  told = 0;
  inbox.addEventListener("changed", () => (told += 1));
});

function room(slug, last_seq = 0, last_read = 0, fields = {}) {
  return { slug, name: slug.toUpperCase(), kind: "public", archived: false, last_seq, last_read, ...fields };
}

function welcome(...rooms) {
  inbox.hear({ type: "welcome", rooms });
}

function message(seq, author = OTHER) {
  return { seq, author: { id: author } };
}

test("a welcome brings all rooms and what is unread in each", () => {
  welcome(room("lobby", 10, 7), room("attic", 3, 3));

  assert.deepEqual(inbox.rooms.map(({ slug }) => slug), ["attic", "lobby"]);
  assert.equal(inbox.unread("lobby"), 3);
  assert.equal(inbox.unread("attic"), 0);
  assert.equal(inbox.unread("nowhere"), 0);
});

test("rooms come by name as people sort words, whatever their case", () => {
  welcome(room("a", 0, 0, { name: "Zebra" }), room("b", 0, 0, { name: "apple" }), room("c", 0, 0, { name: "Élan" }));

  assert.deepEqual(inbox.rooms.map(({ name }) => name), ["apple", "Élan", "Zebra"]);
});

test("what is said in a room is unread until it is read, in this tab or in another one", () => {
  welcome(room("lobby", 10, 10));

  inbox.hear({ type: "activity", room: "lobby", last_seq: 12, mention: false });
  assert.equal(inbox.unread("lobby"), 2);

  inbox.hear({ type: "read", room: "lobby", seq: 11 });
  assert.equal(inbox.unread("lobby"), 1);

  inbox.read("lobby", 12);
  assert.equal(inbox.unread("lobby"), 0);
});

test("positions do not go back: what comes late or twice changes nothing and is not told", () => {
  welcome(room("lobby", 10, 10));
  told = 0;

  inbox.hear({ type: "activity", room: "lobby", last_seq: 9 });
  inbox.hear({ type: "read", room: "lobby", seq: 4 });
  inbox.hear({ type: "activity", room: "lobby", last_seq: 10 });

  assert.equal(inbox.unread("lobby"), 0);
  assert.equal(told, 0);
});

test("a position that was read before the room's own was told never counts below nothing", () => {
  welcome(room("lobby", 10, 10));

  inbox.hear({ type: "read", room: "lobby", seq: 15 });
  assert.equal(inbox.unread("lobby"), 0);

  inbox.hear({ type: "activity", room: "lobby", last_seq: 16 });
  assert.equal(inbox.unread("lobby"), 1);
});

test("messages of the open room count, and one's own are read, with all before them", () => {
  welcome(room("lobby", 10, 10));

  inbox.follow("lobby", [message(12), message(11)], ME);
  assert.equal(inbox.unread("lobby"), 2);

  inbox.follow("lobby", [message(14), message(13, ME)], ME);
  assert.equal(inbox.unread("lobby"), 1);
});

test("messages without an author are nobody's own", () => {
  welcome(room("lobby", 10, 10));

  inbox.follow("lobby", [{ seq: 11, author: null }], ME);

  assert.equal(inbox.unread("lobby"), 1);
});

test("what was read here is not unread again when a line comes back before the server knows", () => {
  welcome(room("lobby", 10, 7));
  inbox.read("lobby", 10);

  welcome(room("lobby", 11, 7));

  assert.equal(inbox.unread("lobby"), 1);
});

test("a room whose numbers went back is another one of that name", () => {
  welcome(room("lobby", 10, 10));

  welcome(room("lobby", 4, 0));

  assert.equal(inbox.unread("lobby"), 4);
});

test("a room that is not in the welcome any more goes", () => {
  welcome(room("lobby"), room("attic"));

  welcome(room("lobby"));

  assert.deepEqual(inbox.rooms.map(({ slug }) => slug), ["lobby"]);
});

test("a room that is new to the reader comes with its numbers", () => {
  welcome(room("lobby"));

  inbox.hear({ type: "room", room: room("attic", 5, 3) });

  assert.deepEqual(inbox.rooms.map(({ slug }) => slug), ["attic", "lobby"]);
  assert.equal(inbox.unread("attic"), 2);
});

test("a room that changes keeps its numbers, and what nobody told them of does not come", () => {
  welcome(room("lobby", 10, 7));
  const { last_seq, last_read, ...changed } = room("lobby", 0, 0, { name: "Hall", archived: true });

  inbox.hear({ type: "room", room: changed });
  inbox.hear({ type: "room", room: { ...changed, slug: "foreign" } });

  assert.deepEqual(inbox.rooms, [
    { slug: "lobby", name: "Hall", kind: "public", archived: true, lastSeq: 10, lastRead: 7 },
  ]);
});

test("numbers that come late with a change of the room do not take anything back", () => {
  welcome(room("lobby", 10, 10));

  inbox.hear({ type: "room", room: room("lobby", 9, 2) });

  assert.equal(inbox.unread("lobby"), 0);
});

test("a room that one was removed from goes; the end of the session takes none", () => {
  welcome(room("lobby"), room("attic"));

  inbox.hear({ type: "revoked", reason: "not_a_member", room: "attic" });
  inbox.hear({ type: "revoked", reason: "signed_out" });

  assert.deepEqual(inbox.rooms.map(({ slug }) => slug), ["lobby"]);
});

test("what is told of a room that is not the reader's is not heard", () => {
  welcome(room("lobby"));
  told = 0;

  inbox.hear({ type: "activity", room: "foreign", last_seq: 3 });
  inbox.hear({ type: "read", room: "foreign", seq: 3 });
  inbox.remove("foreign");

  assert.equal(told, 0);
});

test("what is unread beside a room is the sum of the others", () => {
  welcome(room("lobby", 3, 1), room("attic", 5, 0), room("cellar", 2, 2));

  assert.equal(inbox.unreadBeside("attic"), 2);
  assert.equal(inbox.unreadBeside(null), 7);
});
