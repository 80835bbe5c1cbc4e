// The latest runs, as links: an address with a run in it can be kept and shared.

import { get } from "./api.js";
import { byId, element, setAttribute } from "./dom.js";
import { ago, duration, runStateOf } from "./format.js";

const MOST = 12;
let listed = "";

/** Load the list and mark the run on show. */
export async function listRuns(current) {
  const runs = (await get("/api/runs")).slice(0, MOST);
  byId("no-runs").hidden = runs.length > 0;
  const told = JSON.stringify(runs.map((run) => [run.id, run.state, when(run)]));
  // What is the same is left alone, with the focus in it.
  if (told !== listed) byId("runs").replaceChildren(...runs.map(link));
  listed = told;
  for (const each of byId("runs").querySelectorAll("a"))
    setAttribute(each, "aria-current", each.dataset.run === current ? "true" : null);
}

function link(run) {
  const { look, glyph, word } = runStateOf(run.state);
  const state = element(
    "span",
    { class: "state", "data-look": look },
    element("span", { "aria-hidden": "true" }, glyph),
    element("span", { class: "hidden" }, `${word}: `),
  );
  const anchor = element(
    "a",
    { href: `#run=${encodeURIComponent(run.id)}`, "data-run": run.id },
    state,
    element("span", { class: "name" }, run.name),
    element("span", { class: "when" }, when(run)),
  );
  return element("li", {}, anchor);
}

function when({ started, ended }) {
  if (started === null) return "";
  return ended === null ? ago(started) : `${duration(Math.max(0, ended - started))}, ${ago(ended)}`;
}
