/** Questions: each reply finds its question, and nobody waits for one that cannot come any more. */
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { Questions } from "../../static/js/chat/questions.js";
import { Clock, settled } from "./clock.js";

const busy = { ok: false, error: { code: "busy", retry_after: 3 } };

let clock;
let isOnline;
let sent;
let questions;

beforeEach(() => {
  clock = new Clock();
  isOnline = true;
  sent = [];
  questions = new Questions((frame) => isOnline && Boolean(sent.push(frame)), clock);
});

/** Where the answer to a question will be. */
function heard(promise) {
  const replies = [];
  promise.then((reply) => replies.push(reply));
  return replies;
}

test("replies find their questions in whatever order they come", async () => {
  const first = questions.ask({ type: "typing.start" });
  const second = questions.ask({ type: "history.get" });
  const [one, two] = sent;

  questions.answer({ ref: two.ref, ok: true, messages: [] });
  questions.answer({ ref: one.ref, ok: true });

  assert.deepEqual(sent.map(({ type }) => type), ["typing.start", "history.get"]);
  assert.deepEqual(await first, { ref: one.ref, ok: true });
  assert.deepEqual(await second, { ref: two.ref, ok: true, messages: [] });
});

test("a reply to what nobody asked is no trouble", () => {
  questions.answer({ ref: 99, ok: true });
});

test("without a line there is no reply", async () => {
  isOnline = false;

  assert.equal(await questions.ask({ type: "typing.start" }), null);
});

test("when the line is lost nobody waits any longer, and what comes late is not heard", async () => {
  const replies = [questions.ask({ type: "typing.start" }), questions.ask({ type: "history.get" })];

  questions.giveUp();
  questions.answer({ ref: sent[0].ref, ok: true });

  assert.deepEqual(await Promise.all(replies), [null, null]);
});

test("who insists asks again after the time that was told, under another number", async () => {
  const replies = heard(questions.insist({ type: "history.get" }));

  questions.answer({ ref: sent[0].ref, ...busy });
  await settled();
  await clock.pass(2_999);
  assert.equal(sent.length, 1);
  await clock.pass(1);
  assert.equal(sent.length, 2);
  assert.deepEqual(replies, []);
  questions.answer({ ref: sent[1].ref, ok: true });
  await settled();

  assert.notEqual(sent[0].ref, sent[1].ref);
  assert.deepEqual(replies, [{ ref: sent[1].ref, ok: true }]);
});

test("who insists takes a refusal that will not change, and the end of the line", async () => {
  const refused = heard(questions.insist({ type: "message.edit" }));
  questions.answer({ ref: sent[0].ref, ok: false, error: { code: "not_yours" } });
  const lost = heard(questions.insist({ type: "message.edit" }));
  questions.giveUp();
  await clock.pass(60_000);

  assert.equal(refused[0].error.code, "not_yours");
  assert.deepEqual(lost, [null]);
  assert.equal(sent.length, 2);
});

test("who asks once is told to wait as well", async () => {
  const reply = questions.ask({ type: "read.set" });

  questions.answer({ ref: sent[0].ref, ...busy });

  assert.equal((await reply).error.retry_after, 3);
});
