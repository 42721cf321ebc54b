/** The socket: when it comes back, and how it notices that a line is dead. Time and chance are the tests' own. */
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { askedDelay, reconnectDelay, Socket } from "../../static/js/core/socket.js";
import { Clock } from "./clock.js";

const MOST = () => 1;

let clock;
let lines; // every WebSocket that was opened, the last one last
let states;

class Line {
  sent = [];
  isClosed = false;

  constructor(url) {
    this.url = url;
    lines.push(this);
  }

  send(text) {
    this.sent.push(JSON.parse(text));
  }

  close() {
    this.isClosed = true;
  }

  tells(frame) {
    this.onmessage({ data: JSON.stringify(frame) });
  }

  ends(code, reason = "") {
    this.onclose({ code, reason });
  }
}

beforeEach(() => {
  clock = new Clock();
  lines = [];
  states = [];
});

function connect(options = {}) {
  const socket = new Socket("ws://test/", { WebSocket: Line, clock, random: MOST, finalCodes: [4401], ...options });
  socket.addEventListener("state", ({ detail }) => states.push(detail));
  socket.open();
  return socket;
}

function online(options) {
  const socket = connect(options);
  lines.at(-1).tells({ type: "welcome" });
  return socket;
}

test("delays grow from one second to five, and to thirty once the line has been down for a minute", () => {
  const most = [0, 1, 2, 3, 4, 9].map((attempt) => reconnectDelay(attempt, 59_999, MOST));

  assert.deepEqual(most, [1_000, 2_000, 4_000, 5_000, 5_000, 5_000]);
  assert.equal(reconnectDelay(20, 60_000, MOST), 30_000);
});

test("jitter is full: a delay may be anything from nothing to the most", () => {
  assert.equal(reconnectDelay(3, 0, () => 0), 0);
  assert.equal(reconnectDelay(3, 0, () => 0.5), 2_500);
});

test("a close reason may ask to stay away for some seconds", () => {
  assert.equal(askedDelay("Too fast. Try again in 12 s."), 12_000);
  for (const reason of ["", undefined, "The server restarts.", "in a moment", "in 12 steps"]) {
    assert.equal(askedDelay(reason), 0);
  }
});

test("asked to stay away it does, and jitter spreads those who were asked at the same time", async () => {
  online();

  lines[0].ends(4429, "Too fast. Try again in 12 s.");
  assert.deepEqual(states.at(-1), { state: "reconnecting", code: 4429, delayMs: 13_000 });
  await clock.pass(12_999);
  assert.equal(lines.length, 1);
  await clock.pass(1);

  assert.equal(lines.length, 2);
  lines[1].tells({ type: "welcome" });
  lines[1].ends(1006);
  assert.equal(states.at(-1).delayMs, 1_000); // it was asked once
});

test("waking does not shorten the time for which it was asked to stay away", async () => {
  const socket = online();
  lines[0].ends(4429, "Too fast. Try again in 12 s.");
  await clock.pass(2_000);

  socket.wake();
  socket.suspend();
  socket.wake();
  assert.deepEqual(states.at(-1), { state: "reconnecting", code: 4429, delayMs: 10_000 });
  await clock.pass(9_999);
  assert.equal(lines.length, 1);
  await clock.pass(1);
  assert.equal(lines.length, 2);

  lines[1].ends(1006);
  socket.wake();
  assert.equal(lines.length, 3); // nobody asks any more
});

test("it is online with the first frame, not with the open line", () => {
  const socket = connect();
  const frames = [];
  socket.addEventListener("frame", ({ detail }) => frames.push([detail.type, socket.state]));
  assert.equal(socket.state, "connecting");

  lines[0].tells({ type: "welcome" });
  lines[0].tells({ type: "messages" });

  // Who hears of the state finds the first frame handled.
  assert.deepEqual(frames, [["welcome", "connecting"], ["messages", "online"]]);
  assert.deepEqual(states, [{ state: "online" }]);
});

test("it sends while online, and says so when it cannot", () => {
  const socket = connect();
  assert.equal(socket.send({ type: "early" }), false);

  lines[0].tells({ type: "welcome" });

  assert.equal(socket.send({ type: "message.post" }), true);
  assert.deepEqual(lines[0].sent, [{ type: "message.post" }]);
});

test("a lost line comes back after the delay that was told", async () => {
  online();

  lines[0].ends(1006);
  assert.deepEqual(states.at(-1), { state: "reconnecting", code: 1006, delayMs: 1_000 });
  await clock.pass(999);
  assert.equal(lines.length, 1);
  await clock.pass(1);

  assert.equal(lines.length, 2);
  assert.deepEqual(states.at(-1), { state: "reconnecting", delayMs: 0 });
  lines[1].tells({ type: "welcome" });
  assert.deepEqual(states.at(-1), { state: "online" });
});

test("a server that accepts and closes at once is asked less and less often", async () => {
  online();

  for (const delayMs of [1_000, 2_000, 4_000, 5_000]) {
    lines.at(-1).ends(1011);
    assert.equal(states.at(-1).delayMs, delayMs);
    await clock.pass(delayMs);
  }
});

test("after a minute without a line it asks more seldom, and once back it starts over", async () => {
  online();
  lines[0].ends(1006);
  while (clock.now() < 61_000) {
    await clock.pass(5_000);
    lines.at(-1).ends(1006);
  }
  assert.equal(states.at(-1).delayMs, 30_000);
  await clock.pass(30_000);

  lines.at(-1).tells({ type: "welcome" });
  lines.at(-1).ends(1006);

  assert.equal(states.at(-1).delayMs, 1_000);
});

test("after a final code it stays closed, whatever happens", async () => {
  const socket = online();

  lines[0].ends(4401);
  await clock.pass(600_000);
  socket.wake();
  socket.suspend();

  assert.equal(lines.length, 1);
  assert.equal(socket.state, "refused");
  assert.deepEqual(states.at(-1), { state: "refused", code: 4401 });
});

test("the page may end it for good, and be told nothing more", async () => {
  const socket = connect();
  socket.addEventListener("frame", () => socket.end(4401));

  lines[0].tells({ type: "welcome" });
  await clock.pass(600_000);
  socket.wake();

  assert.deepEqual(states, [{ state: "refused", code: 4401 }]);
  assert.equal(lines[0].isClosed, true);
  assert.equal(lines.length, 1);
});

test("two missed beats drop the line", async () => {
  const socket = online();
  socket.expectBeats(25_000);

  await clock.pass(50_000);
  assert.equal(socket.state, "online");
  await clock.pass(12_500);

  assert.equal(socket.state, "reconnecting");
  assert.equal(lines[0].isClosed, true);
});

test("any frame counts as a beat", async () => {
  const socket = online();
  socket.expectBeats(25_000);

  for (let minute = 0; minute < 10; minute += 1) {
    await clock.pass(60_000);
    lines[0].tells({ type: "messages" });
  }

  assert.equal(socket.state, "online");
  assert.equal(lines.length, 1);
});

test("a line that never says anything is given up", async () => {
  connect();

  await clock.pass(10_000);

  assert.equal(lines[0].isClosed, true);
  assert.equal(states.at(-1).state, "reconnecting");
});

test("what a dropped line says late is not heard", async () => {
  const socket = online();
  const frames = [];
  socket.expectBeats(1_000);
  await clock.pass(2_500);
  socket.addEventListener("frame", ({ detail }) => frames.push(detail));

  lines[0].tells({ type: "messages" });
  lines[0].ends(4401);

  assert.deepEqual(frames, []);
  assert.equal(socket.state, "reconnecting");
});

test("offline it drops the line and tries nothing, until it is woken", async () => {
  const socket = online();

  socket.suspend();
  await clock.pass(600_000);
  assert.equal(lines[0].isClosed, true);
  assert.equal(lines.length, 1);
  assert.equal(socket.state, "offline");

  socket.wake();
  assert.equal(lines.length, 2);
  lines[1].tells({ type: "welcome" });
  assert.equal(socket.state, "online");
});

test("waking while it waits tries at once, and only once", async () => {
  const socket = online();
  lines[0].ends(1006);

  socket.wake();
  socket.wake();
  await clock.pass(1_000);

  assert.equal(lines.length, 2);
});

test("waking keeps a line that lives", async () => {
  const socket = online();
  socket.expectBeats(25_000);
  await clock.pass(30_000);

  socket.wake();

  assert.equal(lines.length, 1);
});

test("waking after a long sleep drops the line at once: nobody knows whether it lives", () => {
  const socket = online();
  socket.expectBeats(25_000);
  clock.freeze(3_600_000);

  socket.wake();

  assert.equal(lines[0].isClosed, true);
  assert.equal(lines.length, 2);
});
