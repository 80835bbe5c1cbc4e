// The workflows, each with a form that starts it.

import { get, post } from "./api.js";
import { byId, element, setText } from "./dom.js";

/** Load the list; `started(id)` is called with each run that was started. Returns the workflows by name. */
export async function listWorkflows(started) {
  const workflows = await get("/api/workflows");
  byId("workflows").replaceChildren(...workflows.map((workflow) => entry(workflow, started)));
  return new Map(workflows.map((workflow) => [workflow.name, workflow]));
}

function entry({ name, summary, refused, parameters }, started) {
  const button = element("button", { class: "start", "aria-label": `Start ${name}` }, "Start");
  const problem = element("p", { class: "problem", role: "alert" });
  const form = element(
    "form",
    { "aria-label": name, autocomplete: "off" },
    element("h3", {}, name),
    button,
    element("p", { class: "summary" }, summary),
    refused ? element("p", { class: "refused" }, refused) : null,
    parameters.length ? element("div", { class: "parameters" }, parameters.map(field)) : null,
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
  const step = type === "integer" ? 1 : "any";
  const input = element("input", {
    name,
    type: "number",
    min: minimum,
    max: maximum,
    step,
    value: preset,
    required: true,
  });
  const range = `${minimum.toLocaleString("en")} to ${maximum.toLocaleString("en")}`;
  return element(
    "label",
    {},
    element("span", {}, name.replaceAll("_", " ")),
    input,
    element("span", { class: "range" }, range),
  );
}

function chosen(form) {
  return Object.fromEntries([...form.querySelectorAll("input")].map((input) => [input.name, input.valueAsNumber]));
}
