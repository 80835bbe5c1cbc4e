// Values, times and states in words: the same ones as in the terminal.

// U+FE0E asks for the glyph as text; without it phones show coloured pictures.
const TEXT_STYLE = "\uFE0E";

const STATES = {
  PENDING: { look: "waiting", glyph: "·", word: "waiting" },
  RECEIVED: { look: "received", glyph: "○", word: "received" },
  STARTED: { look: "running", glyph: "▶", word: "running" },
  PROGRESS: { look: "running", glyph: "▶", word: "running" },
  SUCCESS: { look: "succeeded", glyph: "✔", word: "succeeded" },
  FAILURE: { look: "failed", glyph: "✘", word: "failed" },
  RETRY: { look: "retried", glyph: "↻", word: "to be tried again" },
  REVOKED: { look: "revoked", glyph: "⊘", word: "revoked" },
};
const NOT_RUN = { look: "not-run", glyph: "–", word: "not run" };

const RUN_STATES = {
  running: { look: "running", glyph: "▶", word: "running" },
  succeeded: { look: "succeeded", glyph: "✔", word: "succeeded" },
  failed: { look: "failed", glyph: "✘", word: "failed" },
  revoked: { look: "revoked", glyph: "⊘", word: "revoked" },
  skipped: { look: "not-run", glyph: "–", word: "skipped" },
};

export const ROLES = { step: "", body: "then", link: "on success", link_error: "on error" };

/** How a state of Celery looks and reads; `over` says that what has not run by now never will. */
export function stateOf(state, over) {
  const known = STATES[state] ?? { look: "waiting", glyph: "?", word: state.toLowerCase() };
  const shown = over && (state === "PENDING" || state === "RECEIVED") ? NOT_RUN : known;
  return { ...shown, glyph: shown.glyph + TEXT_STYLE };
}

/** The same for the state of a run. */
export function runStateOf(state) {
  const shown = RUN_STATES[state] ?? { look: "waiting", glyph: "?", word: state };
  return { ...shown, glyph: shown.glyph + TEXT_STYLE };
}

/** A value as JSON, cut short at `most` characters. */
export function value(given, most = Infinity) {
  return short(json(given), most);
}

// With a space behind each comma, as people write it.
function json(given) {
  if (Array.isArray(given)) return `[${given.map(json).join(", ")}]`;
  if (given === null || typeof given !== "object") return JSON.stringify(given ?? null);
  return `{${Object.entries(given)
    .map(([name, each]) => `${JSON.stringify(name)}: ${json(each)}`)
    .join(", ")}}`;
}

/** A text, cut short at `most` characters. */
export function short(text, most) {
  return text.length > most ? `${text.slice(0, Math.max(0, most - 1))}…` : text;
}

/** A task as a call: add(1, 1). */
export function call(step) {
  return `${shortName(step)}(${(step.args ?? []).map((argument) => value(argument, 60)).join(", ")})`;
}

/** The last part of a task's name. */
export function shortName(step) {
  return step.name.slice(step.name.lastIndexOf(".") + 1);
}

/** Seconds as a person says them: 32 ms, 1.25 s, 2 min 5 s. */
export function duration(seconds) {
  if (seconds < 0.9995) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 60) return `${seconds < 10 ? seconds.toFixed(2) : seconds.toFixed(1)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s`;
  if (seconds < 48 * 3600) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  return `${Math.floor(seconds / 86400)} days`;
}

/** How long ago a time was, in seconds since the epoch. */
export function ago(time, now = Date.now() / 1000) {
  const passed = Math.max(0, now - time);
  if (passed < 10) return "just now";
  if (passed < 60) return `${Math.floor(passed)} s ago`;
  if (passed < 3600) return `${Math.floor(passed / 60)} min ago`;
  return `${duration(passed).replace(/ 0 min$/, "")} ago`;
}

/** A number of things: 1 step, 2 steps. */
export function count(number, noun) {
  return `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
}

/** A measured value with a true minus sign, or a dash where there is none. */
export function measured(number, digits, unit) {
  return number === null || number === undefined ? "–" : `${number.toFixed(digits).replace("-", "−")} ${unit}`;
}
