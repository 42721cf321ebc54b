/** Who is writing, and telling that one is. */
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { Typing, TypingNotice, typingText } from "../../static/js/chat/typing.js";
import { Clock } from "./clock.js";

const ada = { id: 1, name: "Ada" };
const grace = { id: 2, name: "Grace" };
const noor = { id: 3, name: "Noor" };

let clock;
let typing;
let told;

beforeEach(() => {
  clock = new Clock();
  typing = new Typing(clock);
  told = [];
  typing.addEventListener("changed", () => told.push(typing.people.map(({ name }) => name)));
});

test("somebody who writes is shown until six seconds after the last telling", async () => {
  typing.start(ada);
  await clock.pass(4_000);
  typing.start(ada);
  await clock.pass(5_900);
  assert.deepEqual(typing.people, [ada]);

  await clock.pass(100);

  assert.deepEqual(typing.people, []);
  assert.deepEqual(told, [["Ada"], []]);
});

test("each is over at a time of their own", async () => {
  typing.start(ada);
  await clock.pass(2_000);
  typing.start(grace);

  await clock.pass(4_000);
  assert.deepEqual(typing.people, [grace]);
  await clock.pass(2_000);
  assert.deepEqual(typing.people, []);
});

test("somebody whose message has come does not write any more, and may begin again", () => {
  typing.start(ada);
  typing.stop(ada.id);
  typing.stop(ada.id);
  assert.deepEqual(told, [["Ada"], []]);

  typing.start(ada);

  assert.deepEqual(typing.people, [ada]);
});

test("who began first comes first, also when they are told of again", () => {
  typing.start(grace);
  typing.start(ada);
  typing.start(grace);

  assert.deepEqual(typing.people, [grace, ada]);
});

test("one and two are named, more are not", () => {
  assert.equal(typingText([]), "");
  assert.equal(typingText([ada]), "Ada is typing");
  assert.equal(typingText([ada, grace]), "Ada and Grace are typing");
  assert.equal(typingText([ada, grace, noor]), "Several people are typing");
});

test("writing is told at once, and then every three seconds while the text changes", async () => {
  let sent = 0;
  const notice = new TypingNotice(() => (sent += 1), clock.now);

  notice.wrote("H");
  assert.equal(sent, 1);
  notice.wrote("He");
  await clock.pass(2_900);
  notice.wrote("Hel");
  assert.equal(sent, 1);
  await clock.pass(100);
  assert.equal(sent, 1); // nothing has changed
  notice.wrote("Hell");

  assert.equal(sent, 2);
});

test("a text of which nothing can be seen is not told", () => {
  let sent = 0;
  const notice = new TypingNotice(() => (sent += 1), clock.now);

  notice.wrote("");
  notice.wrote(" \n");

  assert.equal(sent, 0);
});

test("after a message the next one is told of at once", () => {
  let sent = 0;
  const notice = new TypingNotice(() => (sent += 1), clock.now);
  notice.wrote("Hello");

  notice.sent();
  notice.wrote("A");

  assert.equal(sent, 2);
});
