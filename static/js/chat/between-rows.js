/** The rows of a list of messages, and what stands between them: the separator of a day, the divider. */
import { dayKey, dayLabel } from "../core/dates.js";
import { fromTemplate } from "../core/dom.js";

/** The row before, or undefined. */
export function previousRow(row) {
  return neighbour(row, "previousElementSibling");
}

/** The row after, or undefined. */
export function nextRow(row) {
  return neighbour(row, "nextElementSibling");
}

function neighbour(row, direction) {
  let element = row[direction];
  while (element && !element.matches(".message")) element = element[direction];
  return element ?? undefined;
}

/** The day separator that belongs to a row: right before it, or nowhere. */
export function separatorOf(row) {
  const before = row.previousElementSibling;
  return before?.matches(".day-separator") ? before : null;
}

/** The first of what stands above a row and belongs to it: the divider, the day, the row itself. */
export function startOf(row) {
  let start = row;
  while (start.previousElementSibling?.matches(".divider, .day-separator")) start = start.previousElementSibling;
  return start;
}

/** Separates a row that was written at that moment from the day before. */
export function showDay(row, moment, template) {
  if (!separatorOf(row)) row.before(fromTemplate(template));
  separatorOf(row).firstElementChild.dateTime = dayKey(moment);
  // All of them: at midnight today has become yesterday.
  for (const time of row.parentElement.querySelectorAll(".day-separator time")) {
    time.textContent = dayLabel(`${time.dateTime}T00:00`);
  }
}
