/** Times as this chat writes them, in the browser's time zone, and what they mean for grouping messages. */

const GROUP_WITHIN_MS = 5 * 60 * 1000;

// As the templates write them, so that a page does not change when its script takes over.
const time = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const day = new Intl.DateTimeFormat("en-GB", { weekday: "long", day: "numeric", month: "long", year: "numeric" });

/** "14:05" */
export function timeOf(moment) {
  return time.format(new Date(moment));
}

/** "Thursday 20 November 2025" */
export function dayOf(moment) {
  // Browsers disagree about a comma after the weekday.
  return day.format(new Date(moment)).replace(",", "");
}

/** "Thursday 20 November 2025, 14:05" */
export function fullDate(moment) {
  return `${dayOf(moment)}, ${timeOf(moment)}`;
}

/** "2025-11-20": equal for two moments of one day here. */
export function dayKey(moment) {
  const date = new Date(moment);
  const two = (number) => String(number).padStart(2, "0");
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

/** "Today", "Yesterday", or the day in full. */
export function dayLabel(moment, now = new Date()) {
  const yesterday = new Date(now.getFullYear(), now.getMonth(), now.getDate() - 1);
  const names = { [dayKey(now)]: "Today", [dayKey(yesterday)]: "Yesterday" };
  return names[dayKey(moment)] ?? dayOf(moment);
}

/** Whether a day separator belongs before `message`; `previous` is null for the first one. */
export function startsDay(previous, message) {
  return !previous || dayKey(previous.created) !== dayKey(message.created);
}

/** Whether `message` goes on in the group of `previous`: same author, same day, within five minutes. */
export function continues(previous, message) {
  return (
    !startsDay(previous, message) &&
    previous.author?.id === message.author?.id &&
    new Date(message.created) - new Date(previous.created) < GROUP_WITHIN_MS
  );
}
