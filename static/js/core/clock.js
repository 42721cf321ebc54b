/** Time, from the browser. What needs it takes it as an argument, so that a test can bring time of its own. */
export const SYSTEM_CLOCK = {
  now: Date.now,
  setTimeout: setTimeout.bind(globalThis),
  clearTimeout: clearTimeout.bind(globalThis),
};
