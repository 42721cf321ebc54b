/** Telling how far one has read: seldom, and until it was heard. */
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { ReadMarks } from "../../static/js/chat/read-marks.js";
import { Clock, settled } from "./clock.js";

let clock;
let sent;
let answer; // to the next ones
let marks;

beforeEach(() => {
  clock = new Clock();
  sent = [];
  answer = { ok: true };
  marks = new ReadMarks(async (seq) => {
    sent.push([clock.now(), seq]);
    return answer;
  }, clock);
});

test("the first is told at once, the next not before two seconds have passed, and only the last of them", async () => {
  marks.reach(1);
  await settled();
  for (const seq of [2, 3, 4]) marks.reach(seq);

  await clock.pass(10_000);

  assert.deepEqual(sent, [[0, 1], [2_000, 4]]);
});

test("after a pause it is told at once again", async () => {
  marks.reach(1);
  await clock.pass(5_000);
  marks.reach(2);
  await settled();

  assert.deepEqual(sent, [[0, 1], [5_000, 2]]);
});

test("a position that is not further is not told", async () => {
  marks.reach(5);
  await clock.pass(5_000);
  marks.reach(5);
  marks.reach(4);
  await clock.pass(5_000);

  assert.deepEqual(sent, [[0, 5]]);
});

test("the furthest position is told, though one before it is heard of later", async () => {
  marks.reach(1);
  await settled();
  marks.reach(5);
  marks.reach(4);
  await clock.pass(5_000);

  assert.deepEqual(sent, [[0, 1], [2_000, 5]]);
});

test("a new line is not made to wait for what did not go out on the one before", async () => {
  answer = null;
  marks.reach(5);
  await settled();

  answer = { ok: true };
  marks.resume();
  await settled();

  assert.deepEqual(sent, [[0, 5], [0, 5]]);
});

test("what the server knows from elsewhere is not told", async () => {
  marks.know(5);
  marks.reach(5);
  await clock.pass(5_000);

  assert.deepEqual(sent, []);
});

test("without a line it waits for the next one", async () => {
  answer = null;
  marks.reach(5);
  await clock.pass(60_000);
  assert.equal(sent.length, 1);

  answer = { ok: true };
  marks.resume();
  await clock.pass(5_000);

  assert.deepEqual(sent.map(([, seq]) => seq), [5, 5]);
});

test("a new line tells nothing that is known", async () => {
  marks.reach(5);
  await clock.pass(5_000);

  marks.resume();
  await clock.pass(5_000);

  assert.equal(sent.length, 1);
});

test("told to be patient it asks again after that time, with what was reached meanwhile", async () => {
  answer = { ok: false, error: { code: "too_fast", retry_after: 7 } };
  marks.reach(5);
  await settled();
  answer = { ok: true };
  marks.reach(6);
  marks.flush(); // not even then
  await clock.pass(20_000);

  assert.deepEqual(sent, [[0, 5], [7_000, 6]]);
});

test("what is refused for good is not asked again", async () => {
  answer = { ok: false, error: { code: "not_a_member" } };
  marks.reach(5);
  await clock.pass(60_000);

  assert.equal(sent.length, 1);
});

test("a page that may be gone in a moment waits no longer", async () => {
  marks.reach(1);
  await settled();
  marks.reach(2);

  marks.flush();
  await clock.pass(10_000);

  assert.deepEqual(sent, [[0, 1], [0, 2]]);
});

test("one question at a time", async () => {
  let reply;
  marks = new ReadMarks((seq) => {
    sent.push([clock.now(), seq]);
    return new Promise((resolve) => (reply = resolve));
  }, clock);
  marks.reach(1);
  marks.reach(2);
  await clock.pass(10_000);
  assert.equal(sent.length, 1);

  reply({ ok: true });
  await clock.pass(10_000);

  assert.deepEqual(sent.map(([, seq]) => seq), [1, 2]);
});
