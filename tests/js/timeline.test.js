/** The timeline: each message once, in its place, in its latest version; drafts until they are settled. */
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { Timeline } from "../../static/js/chat/timeline.js";

const ada = { id: 1, name: "Ada" };
const grace = { id: 2, name: "Grace" };

let timeline;
let told;

beforeEach(() => {
  timeline = new Timeline();
  told = [];
  for (const type of ["started", "changed", "drafted", "withdrawn"]) {
    timeline.addEventListener(type, ({ detail }) => told.push([type, detail?.messages?.map(({ seq }) => seq)]));
  }
});

function message(seq, fields = {}) {
  return { id: 100 + seq, seq, version: seq, client_id: `id-${seq}`, author: ada, text: `Message ${seq}`, ...fields };
}

/** Messages with the places from `first` to `last`. */
function page(first, last) {
  return Array.from({ length: last - first + 1 }, (_, index) => message(first + index));
}

function places() {
  return timeline.messages.map(({ seq }) => seq);
}

test("messages stand in the order of their places, whatever order they come in", () => {
  timeline.merge([message(3)]);
  timeline.merge([message(1), message(2)]);

  assert.deepEqual(places(), [1, 2, 3]);
  assert.equal(timeline.firstSeq, 1);
  assert.equal(timeline.lastSeq, 3);
});

test("a message that is known is dropped, and nothing is told", () => {
  timeline.merge([message(1)]);
  told = [];

  timeline.merge([message(1)]);

  assert.deepEqual(places(), [1]);
  assert.deepEqual(told, []);
});

test("the higher version wins, also when the lower one comes later", () => {
  timeline.merge([message(1, { version: 7, text: "Edited" })]);
  timeline.merge([message(1, { version: 5, text: "On the way" })]);

  assert.equal(timeline.messages[0].text, "Edited");
});

test("an edit and a tombstone take the place of what was known, and each is told once", () => {
  timeline.welcome({ recovered: false, head: 3, messages: page(1, 3), more: false });
  told = [];
  const edited = message(1, { version: 4, text: "Edited", edited: "2026-01-01T10:00:00Z" });
  const deleted = message(2, { version: 5, text: "", html: "", deleted: "2026-01-01T10:01:00Z" });

  timeline.merge([edited]); // the reply
  timeline.change({ after: 3, head: 4, messages: [edited] }); // the broadcast
  timeline.change({ after: 4, head: 5, messages: [deleted] });

  assert.deepEqual(timeline.messages.map(({ text }) => text), ["Edited", "", "Message 3"]);
  assert.deepEqual(told, [["changed", [1]], ["changed", [2]]]);
  assert.equal(timeline.head, 5);
});

test("what was edited and deleted while one was away is replayed in its place", () => {
  timeline.welcome({ recovered: false, head: 3, messages: page(1, 3), more: false });

  const tombstone = message(1, { version: 6, text: "", deleted: "2026-01-01T10:01:00Z" });
  timeline.welcome({ recovered: true, head: 6, messages: [message(4), message(3, { version: 5, text: "E" }), tombstone] });

  assert.deepEqual(timeline.messages.map(({ text }) => text), ["", "Message 2", "E", "Message 4"]);
});

test("changes are told the last one first, so that each finds its follower in place", () => {
  timeline.merge(page(4, 5));
  timeline.merge(page(1, 3));

  assert.deepEqual(told, [
    ["changed", [5, 4]],
    ["changed", [3, 2, 1]],
  ]);
});

test("the follower of a message is the next one that is known", () => {
  timeline.merge([message(1), message(4)]);

  assert.equal(timeline.after(message(1)).seq, 4);
  assert.equal(timeline.after(message(4)), undefined);
});

test("what was missed is joined to what is known", () => {
  timeline.welcome({ recovered: false, head: 5, messages: page(1, 5), more: true });

  timeline.welcome({ recovered: true, head: 9, messages: [message(6), message(7), message(2, { version: 9 })] });

  assert.deepEqual(places(), [1, 2, 3, 4, 5, 6, 7]);
  assert.equal(timeline.messages[1].version, 9);
  assert.equal(timeline.head, 9);
  assert.equal(timeline.hasOlder, true); // as it was
});

test("a page starts everything afresh, though it overlaps: older messages may have changed meanwhile", () => {
  timeline.welcome({ recovered: false, head: 5, messages: page(1, 5), more: false });

  timeline.welcome({ recovered: false, head: 900, messages: page(4, 8), more: true });

  assert.deepEqual(places(), [4, 5, 6, 7, 8]);
  assert.equal(timeline.firstSeq, 4);
  assert.equal(timeline.hasOlder, true);
  assert.equal(timeline.head, 900);
  assert.deepEqual(told.at(-1), ["started", undefined]);
});

test("an empty room starts empty, and takes what comes first", () => {
  timeline.welcome({ recovered: false, head: 0, messages: [], more: false });

  assert.equal(timeline.lastSeq, 0);
  assert.equal(timeline.change({ after: 0, head: 1, messages: [message(1)] }), true);
  assert.deepEqual(places(), [1]);
});

test("what was said before one's own message is taken, though the reply to that was quicker", () => {
  timeline.welcome({ recovered: false, head: 0, messages: [], more: false });
  timeline.acknowledge(message(2));

  timeline.change({ after: 0, head: 1, messages: [message(1)] });
  timeline.change({ after: 1, head: 2, messages: [message(2)] });

  assert.deepEqual(places(), [1, 2]);
});

test("a change after a gap is not taken, and the gap can be filled", () => {
  timeline.welcome({ recovered: false, head: 5, messages: page(1, 5), more: false });

  assert.equal(timeline.change({ after: 7, head: 8, messages: [message(8)] }), false);
  assert.deepEqual(places(), [1, 2, 3, 4, 5]);
  assert.equal(timeline.head, 5);

  assert.equal(timeline.change({ after: 5, head: 8, messages: page(6, 8) }), true);
  assert.deepEqual(places(), [1, 2, 3, 4, 5, 6, 7, 8]);
  assert.equal(timeline.head, 8);
});

test("a change that comes twice or late does no harm", () => {
  timeline.welcome({ recovered: false, head: 5, messages: page(1, 5), more: false });
  timeline.change({ after: 5, head: 7, messages: page(6, 7) });

  assert.equal(timeline.change({ after: 5, head: 6, messages: [message(6)] }), true);
  assert.equal(timeline.head, 7);
  assert.deepEqual(places(), [1, 2, 3, 4, 5, 6, 7]);
});

test("a change of a message that is older than the page leaves no hole", () => {
  timeline.welcome({ recovered: false, head: 60, messages: page(51, 60), more: true });

  timeline.change({ after: 60, head: 61, messages: [message(3, { version: 61 })] });

  assert.equal(timeline.firstSeq, 51);
  assert.equal(timeline.head, 61);
});

test("an older page that was read before a change that is known already does not undo it", () => {
  timeline.welcome({ recovered: false, head: 60, messages: page(51, 60), more: true });
  timeline.change({ after: 60, head: 61, messages: [message(43, { version: 61 })] }); // the page is on its way

  timeline.prepend(page(41, 50), true);

  assert.equal(timeline.messages[2].version, 61);
  assert.equal(timeline.firstSeq, 41);
});

test("an older page goes before the rest and says whether there is more", () => {
  timeline.start(page(51, 100), true);

  timeline.prepend(page(1, 50), false);

  assert.equal(timeline.firstSeq, 1);
  assert.equal(timeline.messages.length, 100);
  assert.equal(timeline.hasOlder, false);
});

test("drafts stay in the order in which they were written, also when the timeline starts afresh", () => {
  timeline.draft({ client_id: "a", author: ada });
  timeline.draft({ client_id: "b", author: ada });

  timeline.start(page(1, 2), false);

  assert.deepEqual(timeline.drafts.map(({ client_id }) => client_id), ["a", "b"]);
});

test("the message of a draft's client_id settles it, whether it comes once or twice", () => {
  timeline.draft({ client_id: "a", author: ada });

  timeline.merge([message(1, { client_id: "a" })]); // the broadcast
  timeline.merge([message(1, { client_id: "a" })]); // the reply

  assert.deepEqual(timeline.drafts, []);
  assert.deepEqual(places(), [1]);
});

test("a welcome settles what was stored before the line was lost", () => {
  timeline.start(page(1, 2), false);
  timeline.draft({ client_id: "a", author: ada });

  timeline.welcome({ recovered: true, head: 3, messages: [message(3, { client_id: "a" })] });

  assert.deepEqual(timeline.drafts, []);
});

test("somebody else's message settles nothing, even with the same client_id", () => {
  timeline.draft({ client_id: "a", author: ada });

  timeline.merge([message(1, { client_id: "a", author: grace })]);
  timeline.merge([message(2, { client_id: "a", author: null })]);

  assert.equal(timeline.drafts.length, 1);
});

test("drafts stand in the order in which they were written, whatever order their tabs are heard in", () => {
  timeline.draft({ client_id: "a", author: ada, order: 2 });
  timeline.draft({ client_id: "b", author: ada, order: 1 });
  timeline.draft({ client_id: "a", author: ada, order: 2, error: {} }); // it has changed

  assert.deepEqual(timeline.drafts.map(({ client_id }) => client_id), ["b", "a"]);
  assert.deepEqual(timeline.drafts[1].error, {});
});

test("what becomes of a draft is told once", () => {
  const settled = [];
  timeline.addEventListener("settled", ({ detail }) => settled.push(detail.message.seq));
  timeline.draft({ client_id: "a", author: ada });

  timeline.merge([message(1), message(2, { client_id: "a" })]);
  timeline.acknowledge(message(2, { client_id: "a" }));

  assert.deepEqual(settled, [2]);
});

test("a draft whose message is known already is not shown: another tab told of it late", () => {
  const settled = [];
  timeline.addEventListener("settled", ({ detail }) => settled.push(detail.message.seq));
  timeline.merge([message(1, { client_id: "a" })]);
  told = [];

  timeline.draft({ client_id: "a", author: ada });

  assert.deepEqual(timeline.drafts, []);
  assert.deepEqual(told, []);
  assert.deepEqual(settled, [1]);
});

test("the answer to a draft that was stored long ago leaves no hole", () => {
  timeline.start(page(51, 60), true);
  timeline.draft({ client_id: "a", author: ada });

  timeline.acknowledge(message(3, { client_id: "a" }));

  assert.deepEqual(timeline.drafts, []);
  assert.equal(timeline.firstSeq, 51);
  assert.equal(told.filter(([type]) => type === "withdrawn").length, 1);
});

test("a draft that was discarded is taken back once", () => {
  const draft = { client_id: "a", author: ada };
  timeline.draft(draft);

  timeline.withdraw(draft);
  timeline.withdraw(draft);

  assert.deepEqual(timeline.drafts, []);
  assert.equal(told.filter(([type]) => type === "withdrawn").length, 1);
});
