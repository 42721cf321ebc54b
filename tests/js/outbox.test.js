/** The outbox: what was written outlives the page, once, in order, for its author alone, in all of their tabs. */
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { Outbox } from "../../static/js/chat/outbox.js";
import { SharedStorage } from "./browser.js";

const ada = { id: 1, name: "Ada", colour: 3 };

let storage;
let clock;
let lastId;

beforeEach(() => {
  storage = new SharedStorage();
  clock = 1_000;
  lastId = 0;
});

/** A tab's outbox. Its `told` are the events that it had. */
function open({ account = 1, room = "lobby" } = {}) {
  let outbox;
  const view = storage.tab((event) => outbox.hear(event));
  outbox = new Outbox({ account, room, openStorage: () => view, now: () => clock });
  outbox.told = [];
  for (const type of ["added", "changed", "removed"]) {
    outbox.addEventListener(type, ({ detail }) => {
      outbox.told.push([type, detail.draft.text, ...(detail.message ? [detail.message.id] : [])]);
    });
  }
  return outbox;
}

function written(text) {
  // Ids in the opposite order, so that an order by id shows.
  return { client_id: `id-${99 - (lastId += 1)}`, text, author: ada, created: "2026-01-01T10:00:00.000Z" };
}

function write(outbox, ...texts) {
  for (const text of texts) outbox.add(written(text));
  return outbox.drafts.filter(({ text }) => texts.includes(text));
}

function texts(outbox) {
  return outbox.drafts.map(({ text }) => text);
}

function messageOf({ client_id, text }) {
  return { id: 7, seq: 1, version: 1, client_id, author: ada, text, html: text };
}

test("what was written is there after a reload, as it was, in its order", () => {
  const before = open();
  write(before, "One", "Two", "Three"); // in one millisecond

  const after = open();

  assert.deepEqual(after.drafts, before.drafts);
  assert.deepEqual(texts(after), ["One", "Two", "Three"]);
  assert.deepEqual(after.drafts[0].author, ada);
  assert.equal(after.drafts[0].created, "2026-01-01T10:00:00.000Z");
  assert.equal(after.isAtRisk, false);
});

test("the order holds when the clock goes back, also over a reload", () => {
  write(open(), "One");
  clock = 0;

  write(open(), "Two");

  assert.deepEqual(texts(open()), ["One", "Two"]);
});

test("another account and another room have nothing of it", () => {
  write(open({ account: 1, room: "lobby" }), "Mine");

  assert.deepEqual(texts(open({ account: 2, room: "lobby" })), []);
  assert.deepEqual(texts(open({ account: 1, room: "attic" })), []);
  assert.deepEqual(texts(open({ account: 11, room: "lobby" })), []);
  assert.notEqual(open({ account: 2 }).name, open({ account: 1 }).name);
});

test("what is settled is gone for good, and told with its message", () => {
  const outbox = open();
  const [one] = write(outbox, "One", "Two");

  outbox.settle(messageOf(one));
  outbox.settle(messageOf(one)); // the reply and the broadcast

  assert.deepEqual(texts(outbox), ["Two"]);
  assert.deepEqual(texts(open()), ["Two"]);
  assert.deepEqual(outbox.told.slice(2), [["removed", "One", 7]]);
});

test("what failed keeps its place and its reason, and holds up nothing", () => {
  const outbox = open();
  const [one] = write(outbox, "One", "Two");

  outbox.fail(one, { code: "archived", detail: "This room is archived." });

  assert.equal(outbox.next.text, "Two");
  const after = open();
  assert.deepEqual(texts(after), ["One", "Two"]);
  assert.deepEqual(after.drafts[0].error, { code: "archived", detail: "This room is archived." });
  assert.equal(after.next.text, "Two");
});

test("tried again it is the first once more", () => {
  const outbox = open();
  const [one] = write(outbox, "One", "Two");
  outbox.fail(one, { detail: "No." });

  outbox.retry(one);

  assert.equal(outbox.next.text, "One");
  assert.equal(open().next.text, "One");
});

test("what was discarded is gone for good, without a message", () => {
  const outbox = open();
  const [one] = write(outbox, "One");

  outbox.discard(one);

  assert.deepEqual(texts(open()), []);
  assert.deepEqual(outbox.told.at(-1), ["removed", "One"]);
});

test("that it waits is for now only", () => {
  const outbox = open();
  const [one] = write(outbox, "One");

  outbox.wait(one, { detail: "Too fast." });

  assert.equal(outbox.next.waiting, "Too fast.");
  assert.equal(open().next.waiting, undefined);
});

test("what was settled meanwhile does not come back by failing", () => {
  const outbox = open();
  const [one] = write(outbox, "One");
  outbox.settle(messageOf(one));

  outbox.fail(one, { detail: "Late." });

  assert.deepEqual(texts(outbox), []);
  assert.deepEqual(storage.keys, []);
});

test("all tabs show what was written in one, and what becomes of it", () => {
  const [here, there] = [open(), open()];
  const [one, two, three] = write(here, "One", "Two", "Three");
  storage.tell();
  assert.equal(JSON.stringify(there.drafts), JSON.stringify(here.drafts));

  there.fail(there.drafts[0], { detail: "No." });
  here.settle(messageOf(two));
  here.discard(three);
  storage.tell();

  assert.equal(JSON.stringify(there.drafts), JSON.stringify(here.drafts));
  assert.equal(here.drafts[0].error.detail, "No.");
  assert.deepEqual(here.told.slice(3), [["removed", "Two", 7], ["removed", "Three"], ["changed", "One"]]);
  // With its message, though its own line may be down.
  assert.deepEqual(there.told.slice(3), [["changed", "One"], ["removed", "Two", 7], ["removed", "Three"]]);
  assert.equal(one.text, "One");
});

test("tabs that write at the same moment lose nothing of each other", () => {
  const [here, there] = [open(), open()];

  write(here, "Here 1");
  write(there, "There 1");
  write(here, "Here 2");
  write(there, "There 2");
  storage.tell();

  for (const outbox of [here, there, open()]) {
    assert.deepEqual(texts(outbox).toSorted(), ["Here 1", "Here 2", "There 1", "There 2"]);
    assert.deepEqual(texts(outbox).filter((text) => text.startsWith("Here")), ["Here 1", "Here 2"]);
  }
  assert.deepEqual(here.drafts, there.drafts);
});

test("a tab that was asleep looks what has become of it all", () => {
  const [here, there] = [open(), open()];
  const [one] = write(here, "One", "Two");
  storage.tell();
  here.settle(messageOf(one));

  there.sync();

  assert.deepEqual(texts(there), ["Two"]);
});

test("a message that is only half known is not handed to other tabs", () => {
  const [here, there] = [open(), open()];
  const [one] = write(here, "One");
  storage.tell();

  here.settle({ id: 7, seq: 1, version: 1, client_id: one.client_id, author: { id: 1 } });
  storage.tell();

  assert.deepEqual(there.told.at(-1), ["removed", "One"]);
});

test("a tab that ended halfway through settling leaves nothing", () => {
  const [one] = write(open(), "One");
  const [key] = storage.keys;
  storage.tab(() => {}).setItem(key, JSON.stringify({ ...one, message: messageOf(one) }));

  assert.deepEqual(texts(open()), []);
  assert.deepEqual(storage.keys, []);
});

test("storage that is full keeps what fits; the rest works as long as the page is there", () => {
  const outbox = open();
  write(outbox, "One");
  storage.quota = 250;

  const [two] = write(outbox, "Two ".repeat(100));
  assert.equal(outbox.isAtRisk, true);
  assert.equal(outbox.next.text, "One");
  assert.deepEqual(outbox.told.at(-1), ["added", two.text]);
  storage.tell();
  outbox.sync();
  assert.equal(outbox.drafts.length, 2);
  assert.deepEqual(texts(open()), ["One"]);

  outbox.fail(two, { detail: "No." });
  outbox.retry(two);
  outbox.settle(messageOf(two));
  assert.deepEqual(texts(outbox), ["One"]);
  assert.equal(outbox.isAtRisk, false);
});

test("what had no room is stored as soon as there is some", () => {
  const outbox = open();
  const [one] = write(outbox, "One");
  storage.quota = 250;
  write(outbox, "Two");
  assert.equal(outbox.isAtRisk, true);

  outbox.settle(messageOf(one));

  assert.equal(outbox.isAtRisk, false);
  assert.deepEqual(texts(open()), ["Two"]);
});

test("storage that is forbidden is like one that is full", () => {
  const forbid = () => {
    throw new DOMException("forbidden", "SecurityError");
  };
  storage.isForbidden = true;

  for (const outbox of [open(), new Outbox({ account: 1, room: "lobby", openStorage: forbid })]) {
    const [one] = write(outbox, "One", "Two");
    assert.equal(outbox.isAtRisk, true);
    outbox.fail(one, { detail: "No." });
    outbox.discard(one);
    outbox.sync();
    assert.deepEqual(texts(outbox), ["Two"]);
  }
});

test("storage that is closed while the page is open takes nothing back", () => {
  const outbox = open();
  write(outbox, "One");

  storage.isForbidden = true;
  outbox.sync();

  assert.deepEqual(texts(outbox), ["One"]);
});

test("what others have left in the storage is left alone and does no harm", () => {
  const view = storage.tab(() => {});
  const leftovers = { a: "no JSON", b: "null", c: '{"client_id": "c"}' };
  for (const [id, text] of Object.entries(leftovers)) view.setItem(`outbox/1/lobby/${id}`, text);
  view.setItem("theme", "dark");

  const outbox = open();
  view.setItem("outbox/1/lobby/a", "7");
  view.removeItem("theme");
  storage.tell();
  outbox.hear({ key: null, newValue: null }); // somebody has cleared it all

  assert.deepEqual(texts(outbox), []);
  assert.deepEqual(outbox.told, []);
  assert.equal(storage.keys.length, 3);
});
