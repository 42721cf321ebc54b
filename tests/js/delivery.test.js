/** Delivery: one draft after the other, in one tab at a time, until each is settled. */
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { Delivery } from "../../static/js/chat/delivery.js";
import { Outbox } from "../../static/js/chat/outbox.js";
import { SharedLocks, SharedStorage } from "./browser.js";
import { Clock, settled } from "./clock.js";

const ada = { id: 1, name: "Ada" };

let storage;
let locks;
let posts; // what is asked, in all tabs: {tab, text, answer}
let clock;
let lastId;

beforeEach(() => {
  storage = new SharedStorage();
  locks = new SharedLocks();
  posts = [];
  clock = new Clock();
  lastId = 0;
});

/** A tab that is online, wired as the page does. */
function open(tab, options = { locks }) {
  let outbox;
  const view = storage.tab((event) => outbox.hear(event));
  outbox = new Outbox({ account: 1, room: "lobby", openStorage: () => view });
  const post = (draft) => new Promise((answer) => posts.push({ tab, draft, text: draft.text, answer }));
  const delivery = new Delivery(outbox, post, { clock, ...options });
  for (const type of ["added", "changed"]) outbox.addEventListener(type, () => delivery.run());
  return { outbox, delivery };
}

function write({ outbox }, ...texts) {
  for (const text of texts) {
    const client_id = `id-${99 - (lastId += 1)}`;
    outbox.add({ client_id, text, author: ada, created: "2026-01-01T10:00:00.000Z" });
  }
}

function asked() {
  return posts.map(({ tab, text }) => `${tab}: ${text}`);
}

/** Answers the last question. */
async function answer(reply) {
  const { draft, answer: give } = posts.at(-1);
  give(reply === "ok" ? { ok: true, message: { id: 1, client_id: draft.client_id, text: draft.text } } : reply);
  await settled();
}

test("a draft is sent when the one before it is settled", async () => {
  const tab = open("A");
  write(tab, "One", "Two");
  await settled();
  assert.deepEqual(asked(), ["A: One"]);

  await answer("ok");
  assert.deepEqual(asked(), ["A: One", "A: Two"]);
  await answer("ok");

  assert.deepEqual(tab.outbox.drafts, []);
  assert.deepEqual(storage.keys, []);
  assert.equal(posts.length, 2);
  assert.equal(clock.waiting, 0);
});

test("what is refused for good fails, and the next one is sent", async () => {
  const tab = open("A");
  write(tab, "One", "Two");
  await settled();

  await answer({ ok: false, error: { code: "archived", detail: "Archived." } });
  await answer("ok");

  assert.deepEqual(asked(), ["A: One", "A: Two"]);
  assert.deepEqual(tab.outbox.drafts.map(({ text, error }) => [text, error.detail]), [["One", "Archived."]]);

  tab.outbox.retry(tab.outbox.drafts[0]);
  await settled();
  await answer("ok");
  assert.equal(asked().at(-1), "A: One");
  assert.deepEqual(tab.outbox.drafts, []);
});

test("what has to wait says so, keeps its place, and is asked again after that time", async () => {
  const tab = open("A");
  write(tab, "One", "Two");
  await settled();

  await answer({ ok: false, error: { code: "busy", detail: "Busy.", retry_after: 3 } });
  assert.equal(tab.outbox.next.waiting, "Busy.");
  assert.deepEqual(asked(), ["A: One"]);
  await clock.pass(3_000);

  assert.deepEqual(asked(), ["A: One", "A: One"]);
  await answer("ok");
  assert.equal(asked().at(-1), "A: Two");
});

test("without a line nothing is asked twice, and the next line goes on", async () => {
  const tab = open("A");
  write(tab, "One");
  await settled();

  await answer(null);
  assert.deepEqual(asked(), ["A: One"]);
  tab.delivery.run();
  await settled();

  assert.deepEqual(asked(), ["A: One", "A: One"]);
});

test("a line that comes back at once finds what the lost one has left", async () => {
  const tab = open("A");
  write(tab, "One");
  await settled();

  posts[0].answer(null);
  tab.delivery.run();
  await settled();

  assert.deepEqual(asked(), ["A: One", "A: One"]);
});

test("a reply that never comes is asked for again", async () => {
  const tab = open("A");
  write(tab, "One");
  await settled();

  await clock.pass(30_000);
  assert.deepEqual(asked(), ["A: One", "A: One"]);
  await answer("ok");

  assert.deepEqual(tab.outbox.drafts, []);
  assert.equal(clock.waiting, 0);
});

test("what was told instead of answered is settled, and the next one is sent at once", async () => {
  const tab = open("A");
  write(tab, "One", "Two");
  await settled();

  tab.outbox.settle({ id: 1, client_id: posts[0].draft.client_id, text: "One" });
  await settled();

  assert.deepEqual(asked(), ["A: One", "A: Two"]);
});

test("of several tabs one sends, and each draft is sent once", async () => {
  const [one, other] = [open("A"), open("B")];
  write(one, "From A");
  write(other, "From B");
  storage.tell();
  await settled();
  assert.equal(posts.length, 1);

  await answer("ok");
  storage.tell();
  await settled();
  assert.equal(posts.length, 2);
  await answer("ok");
  storage.tell();
  await settled();

  assert.deepEqual(posts.map(({ text }) => text).toSorted(), ["From A", "From B"]);
  for (const { outbox } of [one, other]) assert.deepEqual(outbox.drafts, []);
});

test("a tab that loses its line hands over to one that has one, in order", async () => {
  const [one] = [open("A"), open("B")];
  write(one, "One", "Two");
  storage.tell();
  await settled();
  assert.deepEqual(asked(), ["A: One"]);

  await answer(null);
  assert.deepEqual(asked(), ["A: One", "B: One"]);
  await answer("ok");

  assert.deepEqual(asked(), ["A: One", "B: One", "B: Two"]);
});

test("where the browser has no locks the order holds all the same", async () => {
  const stored = [];
  const [one] = [open("A", { locks: null }), open("B", { locks: null })];
  write(one, "One", "Two", "Three");
  storage.tell();

  // The server answers whatever was asked longest ago, and takes each draft once.
  for (let at = 0; at < posts.length && at < 20; at += 1) {
    const { draft, answer: give } = posts[at];
    if (!stored.includes(draft.text)) stored.push(draft.text);
    give({ ok: true, message: { id: 1, client_id: draft.client_id, text: draft.text } });
    await settled();
    storage.tell();
    await settled();
  }

  assert.deepEqual(stored, ["One", "Two", "Three"]);
  assert.deepEqual(one.outbox.drafts, []);
});
