// The workflows, each with a form that starts it.

import { get, post } from "./api.js";
import { byId, element, setText } from "./dom.js";

/** Load the list; `started(id)` is called with each run that was started. Returns the workflows by name. */
export async function listWorkflows(started) {
  const workflows = await get("/api/workflows");
  byId("workflows").replaceChildren(...workflows.map((workflow) => entry(workflow, started)));
  return new Map(workflows.map((workflow) => [workflow.name, workflow]));
}

function entry({ name, summary, needs_chords, parameters }, started) {
  const button = element("button", { class: "start", "aria-label": `Start ${name}` }, "Start");
  const problem = element("p", { class: "problem", role: "alert" });
  const form = element(
    "form",
    { "aria-label": name, autocomplete: "off" },
    element("h3", {}, name),
    button,
    element("p", { class: "summary" }, summary),
    needs_chords ? element("p", { class: "chord-hint", hidden: true }) : null,
    parameters.map(field),
    problem,
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    start(name, form, button, problem, started);
  });
  return element("li", {}, form);
}

async function start(name, form, button, problem, started) {
  if (button.getAttribute("aria-disabled") === "true") return;
  button.setAttribute("aria-disabled", "true"); // a button that is disabled would lose the focus
  setText(problem, "");
  try {
    const run = await post(`/api/workflows/${encodeURIComponent(name)}/runs`, { parameters: chosen(form) });
    started(run.id);
  } catch (error) {
    setText(problem, `Not started: ${error.message}`);
  } finally {
    button.removeAttribute("aria-disabled");
  }
}

function field({ name, type, default: preset, minimum, maximum }) {
  const number = type === "integer" || type === "number";
  const attributes = number
    ? { type: "number", min: minimum, max: maximum, step: type === "integer" ? 1 : "any", required: true, inputmode: "decimal" }
    : { type: type === "boolean" ? "checkbox" : "text" };
  const input = element("input", { name, "data-type": type, value: type === "boolean" ? null : preset, checked: type === "boolean" && preset, ...attributes });
  const range = number && maximum != null ? element("span", { class: "range" }, `${minimum ?? 0} to ${maximum.toLocaleString("en")}`) : null;
  return element("label", {}, element("span", {}, name.replaceAll("_", " ")), input, range);
}

function chosen(form) {
  const read = { integer: (input) => Number(input.value), number: (input) => Number(input.value), boolean: (input) => input.checked };
  return Object.fromEntries([...form.querySelectorAll("input")].map((input) => [input.name, (read[input.dataset.type] ?? (() => input.value))(input)]));
}

/** Say at each workflow that joins results why it cannot run here; an empty sentence when it can. */
export function hintAtChords(sentence) {
  for (const hint of document.querySelectorAll(".chord-hint")) {
    hint.hidden = !sentence;
    setText(hint, sentence);
  }
}
