/** Days and groups, in whatever time zone the tests run. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { continues, dayKey, dayLabel, dayOf, fullDate, startsDay, timeOf } from "../../static/js/core/dates.js";

const ada = { id: 1 };
const grace = { id: 2 };

/** A message by `author` on that local day in November 2025, at that local time. */
function message(author, day, hours, minutes, seconds = 0) {
  return { author, created: new Date(2025, 10, day, hours, minutes, seconds).toISOString() };
}

test("moments are written as the templates write them", () => {
  const moment = new Date(2025, 10, 20, 9, 5);

  assert.equal(timeOf(moment), "09:05");
  assert.equal(dayOf(moment), "Thursday 20 November 2025");
  assert.equal(fullDate(moment), "Thursday 20 November 2025, 09:05");
  assert.equal(dayKey(moment), "2025-11-20");
});

test("midnight is 00:00", () => {
  assert.equal(timeOf(new Date(2025, 10, 20, 0, 0)), "00:00");
});

test("today and yesterday are called so, also across the end of a month", () => {
  const now = new Date(2025, 11, 1, 0, 30);

  assert.equal(dayLabel(new Date(2025, 11, 1, 23, 59), now), "Today");
  assert.equal(dayLabel(new Date(2025, 10, 30, 0, 0), now), "Yesterday");
  assert.equal(dayLabel(new Date(2025, 10, 29, 23, 59), now), "Saturday 29 November 2025");
});

test("the first message starts a day", () => {
  assert.equal(startsDay(undefined, message(ada, 20, 9, 0)), true);
  assert.equal(continues(undefined, message(ada, 20, 9, 0)), false);
});

test("a message of the same author within five minutes goes on in the group", () => {
  assert.equal(continues(message(ada, 20, 9, 0), message(ada, 20, 9, 4, 59)), true);
  assert.equal(continues(message(ada, 20, 9, 0), message(ada, 20, 9, 5)), false);
});

test("somebody else starts a group", () => {
  assert.equal(continues(message(ada, 20, 9, 0), message(grace, 20, 9, 0)), false);
});

test("accounts that are gone count as one author, as on the server", () => {
  assert.equal(continues(message(null, 20, 9, 0), message(null, 20, 9, 1)), true);
});

test("a new day starts a group, however close the messages are", () => {
  const before = message(ada, 20, 23, 59);
  const after = message(ada, 21, 0, 1);

  assert.equal(startsDay(before, after), true);
  assert.equal(continues(before, after), false);
});
