/** Who is here: a state, then differences. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { Presence } from "../../static/js/chat/presence.js";

const ada = { id: 1, name: "Ada" };
const grace = { id: 2, name: "Grace" };
const noor = { id: 3, name: "Élodie" };

test("people are listed by name, whatever order they came in", () => {
  const presence = new Presence();

  presence.start([grace, noor, ada]);

  assert.deepEqual(presence.people, [ada, noor, grace]);
  assert.equal(presence.count, 3);
});

test("a change brings some and takes others", () => {
  const presence = new Presence();
  presence.start([ada, grace]);

  presence.change({ joined: [noor], left: [ada.id], count: 2 });

  assert.deepEqual(presence.people, [noor, grace]);
  assert.equal(presence.has(ada.id), false);
  assert.equal(presence.count, 2);
});

test("hearing a change twice is harmless", () => {
  const presence = new Presence();
  presence.start([ada]);

  for (let time = 0; time < 2; time += 1) presence.change({ joined: [grace], left: [ada.id], count: 1 });

  assert.deepEqual(presence.people, [grace]);
});

test("the server's count holds where it knows of more than it lists", () => {
  const presence = new Presence();
  presence.start([ada]);

  presence.change({ joined: [], left: [], count: 250 });

  assert.equal(presence.count, 250);
});

test("whether the server knows of everybody is told with each state and change", () => {
  const presence = new Presence();
  presence.start([ada], true);
  assert.equal(presence.isPartial, true);

  presence.change({ joined: [], left: [], count: 1 });
  assert.equal(presence.isPartial, true);

  presence.change({ joined: [grace], left: [], count: 2, local: false });
  assert.equal(presence.isPartial, false);

  presence.change({ joined: [], left: [], count: 2, local: true });
  presence.start([ada], false);
  assert.equal(presence.isPartial, false);
});

test("a new start forgets who was here", () => {
  const presence = new Presence();
  presence.start([ada, grace]);

  presence.start([noor]);

  assert.deepEqual(presence.people, [noor]);
});

test("each change is told", () => {
  const presence = new Presence();
  let told = 0;
  presence.addEventListener("changed", () => (told += 1));

  presence.start([ada]);
  presence.change({ joined: [grace], left: [], count: 2 });

  assert.equal(told, 2);
});
