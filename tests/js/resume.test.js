/**
 * What browsers were told while the server lost, delayed and repeated things, and what they have to know after each
 * frame. `python -m tests.resume.cases` makes resume-cases.json of the same rules that test the server.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { Timeline } from "../../static/js/chat/timeline.js";

const runs = JSON.parse(readFileSync(new URL("resume-cases.json", import.meta.url), "utf8"));

// What happens to a timeline, with the arguments as they stand in a case.
const STEPS = {
  welcome: (timeline, [recovered, head, states, more]) =>
    timeline.welcome({ recovered, head, messages: messages(states), more }),
  change: (timeline, [after, head, states]) => timeline.change({ after, head, messages: messages(states) }),
  prepend: (timeline, [states, more]) => timeline.prepend(messages(states), more),
  apply: (timeline, [states]) => timeline.acknowledge(messages(states)[0]), // of the reader's own
};

/** Out of a flat list of places and versions. */
function messages(states) {
  return Array.from({ length: states.length / 2 }, (_, index) => {
    const [seq, version] = states.slice(2 * index);
    return { id: 100 + seq, seq, version, client_id: `id-${seq}`, author: null, text: `Version ${version}` };
  });
}

function stateOf(timeline) {
  const states = timeline.messages.flatMap(({ seq, version }) => [seq, version]);
  return [timeline.head, timeline.hasOlder, states];
}

runs.forEach((steps, number) => {
  test(`run ${number} leaves the timeline as it has to be, frame by frame`, () => {
    const timeline = new Timeline();
    steps.forEach(([name, values, result, state], index) => {
      const actual = STEPS[name](timeline, values);
      const where = `step ${index}, ${name}(${JSON.stringify(values)})`;
      if (name === "change") assert.equal(actual, result, where);
      assert.deepEqual(stateOf(timeline), state, where);
    });
  });
});

test("the runs have whatever can happen", () => {
  assert.deepEqual([...new Set(runs.flat().map(kindOf))].sort(), [
    "apply",
    "change false",
    "change true",
    "prepend",
    "prepend, late",
    "welcome false",
    "welcome true",
  ]);
});

function kindOf([name, [first], result, state]) {
  if (name === "change") return `change ${result}`;
  if (name === "welcome") return `welcome ${first}`;
  // A page that was read before a change that was told first.
  const known = new Map(messages(state[2]).map(({ seq, version }) => [seq, version]));
  const isLate = name === "prepend" && messages(first).some(({ seq, version }) => version < known.get(seq));
  return isLate ? "prepend, late" : name;
}
