// All that is known of one step.

import { element } from "./dom.js";
import { call, duration, ROLES, stateOf, value } from "./format.js";
import { title } from "./shapes.js";
import { overall, tallyBox } from "./run.js";

const LONGEST = 4000; // characters of a value

/** The contents of the panel for a step; `go(key)` is called to look at another one. */
export function details(run, step, go) {
  const state = stateOf(overall(step), run.over);
  const name = step.kind === "task" ? `${ROLES[step.role]} ${call(step)}`.trim() : title(step);
  return [
    element("h4", {}, name),
    element(
      "p",
      { class: "state", "data-look": state.look },
      element("span", { "aria-hidden": "true" }, state.glyph),
      ` ${state.word}`,
    ),
    step.kind === "task" ? ofTask(run, step) : ofMany(step, go),
  ];
}

function ofTask(run, step) {
  const waited = run.waited(step);
  const whom = run.waitedFor(step.key);
  return list([
    ["Reason", step.error, "failed"],
    ["Result", step.state === "SUCCESS" ? value(step.result, LONGEST) : null, "value"],
    ["Progress", step.total ? `${step.done} of ${step.total}` : null],
    [
      "Arguments",
      step.args?.length ? step.args.map((argument) => value(argument, LONGEST)).join(", ") : "none",
      "value",
    ],
    ["Started", step.started === null ? null : clock(step.started)],
    ["Ran", ran(run, step)],
    [
      "Waited",
      waited === null ? null : `${duration(waited)}${whom ? ` after ${call(whom)}` : " to be taken by a worker"}`,
    ],
    ["Retries", step.retries || null],
    ["Worker", step.worker],
    ["Task", step.name],
    ["Id", step.id],
  ]);
}

function ran(run, step) {
  if (step.started === null) return null;
  return step.ended === null
    ? `${duration(Math.max(0, run.now - step.started))} so far`
    : duration(Math.max(0, step.ended - step.started));
}

function ofMany(step, go) {
  const counts = tallyBox(step);
  const failed = counts.firstFailed;
  return element(
    "div",
    {},
    list([
      ["Tasks", `${counts.done} of ${counts.total} done`],
      ["Running", counts.running || null],
      ["Succeeded", counts.succeeded || null],
      ["Failed", counts.failed || null, "failed"],
      ["Revoked", counts.revoked || null],
      ["Reason", failed?.error ?? null, "failed"],
    ]),
    failed
      ? element("button", { type: "button", click: () => go(failed.key) }, `Go to ${call(failed)}, which failed`)
      : null,
  );
}

function list(pairs) {
  const given = pairs.filter(([, text]) => text !== null && text !== undefined);
  return element(
    "dl",
    {},
    given.flatMap(([term, text, look]) => [element("dt", {}, term), element("dd", { class: look }, String(text))]),
  );
}

function clock(time) {
  return new Date(time * 1000).toLocaleTimeString("en-GB", {
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    fractionalSecondDigits: 3,
  });
}
