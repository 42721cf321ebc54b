/** How far the reader has read, and where the divider stands. */
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { Reading } from "../../static/js/chat/reading.js";

const ME = 7;
const OTHER = 8;

let reading;
let read; // every place that was reached
let divided; // every place of the divider

beforeEach(() => {
  reading = new Reading(ME);
  read = [];
  divided = [];
  reading.addEventListener("read", ({ detail }) => read.push(detail));
  reading.addEventListener("divided", () => divided.push(reading.newSince));
});

function message(seq, author = OTHER) {
  return { seq, author: author && { id: author } };
}

/** A page of a room in which all is read, and the reader looks at it. */
function open() {
  reading.start(10, 10);
  reading.attend(true);
}

test("a page that opens with unread messages divides them from the others, and reads them once looked at", () => {
  reading.start(7, 10);
  assert.deepEqual(read, []); // in a tab in the background

  reading.attend(true);

  assert.equal(reading.newSince, 7);
  assert.deepEqual(read, [10]);
});

test("a page that opens with nothing new has no divider and reads nothing", () => {
  open();

  assert.equal(reading.newSince, null);
  assert.deepEqual(read, []);
  assert.deepEqual(divided, []);
});

test("what comes under the reader's eyes is read and not divided", () => {
  open();

  reading.arrive([message(11)]);

  assert.deepEqual(read, [11]);
  assert.equal(reading.newSince, null);
});

for (const [name, leave, comeBack] of [
  ["the page has no attention", () => reading.attend(false), () => reading.attend(true)],
  ["the newest is out of view", () => reading.reachEnd(false), () => reading.reachEnd(true)],
]) {
  test(`what comes while ${name} is divided, all of it, and read on coming back`, () => {
    open();

    leave();
    reading.arrive([message(11)]);
    reading.arrive([message(13), message(12)]);
    assert.deepEqual(read, []);
    comeBack();

    assert.equal(reading.newSince, 10);
    assert.deepEqual(read, [13]);
    assert.deepEqual(divided, [10]);
  });
}

test("both are needed: attention on an older part of the room reads nothing", () => {
  reading.start(7, 10);
  reading.reachEnd(false);

  reading.attend(true);

  assert.deepEqual(read, []);
});

test("there is one divider: it moves on when something comes after what was read since", () => {
  open();
  reading.attend(false);
  reading.arrive([message(11)]);
  reading.attend(true);

  reading.arrive([message(12)]); // looked at: the divider stays
  assert.equal(reading.newSince, 10);
  reading.attend(false);
  reading.arrive([message(13)]);

  assert.equal(reading.newSince, 12);
});

test("what was missed without a line is divided even while the reader looks on", () => {
  open();

  reading.arrive([message(12), message(11)], { isMissed: true });

  assert.equal(reading.newSince, 10);
  assert.deepEqual(read, [12]);
});

test("what was missed here and read elsewhere is not new", () => {
  open();

  reading.readElsewhere(12);
  reading.arrive([message(12), message(11)], { isMissed: true });

  assert.equal(reading.newSince, null);
  assert.deepEqual(read, []);
});

test("reading in another tab leaves the divider where it is", () => {
  reading.start(7, 10);

  reading.readElsewhere(10);
  reading.attend(true);

  assert.equal(reading.newSince, 7);
  assert.deepEqual(read, []); // it is known
});

test("one's own messages are never new, and what was before them is read", () => {
  open();
  reading.attend(false);

  reading.arrive([message(12, ME), message(11)]);
  assert.equal(reading.newSince, null);
  assert.deepEqual(read, [12]);

  reading.arrive([message(13)]);
  assert.equal(reading.newSince, 12);
});

test("the divider goes when the reader says something", () => {
  reading.start(7, 10);

  reading.post();

  assert.equal(reading.newSince, null);
});

test("messages that are known, or older, are no news", () => {
  open();
  reading.attend(false);

  reading.arrive([message(10), message(3)]);

  assert.equal(reading.newSince, null);
});

test("the divider stands before the first that is new and somebody else's", () => {
  reading.start(7, 10);

  assert.equal(reading.isNew(message(7)), false);
  assert.equal(reading.isNew(message(8, ME)), false);
  assert.equal(reading.isNew(message(9)), true);
  assert.equal(reading.isNew(message(9, null)), true);
});
