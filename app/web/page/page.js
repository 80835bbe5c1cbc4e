// The page: what is asked for when, and what stands in the address.

import { byId, element } from "./dom.js";
import { RunView } from "./follow.js";
import { showHealth } from "./health.js";
import { listRuns } from "./recent.js";
import { showWeather } from "./weather.js";
import { listWorkflows } from "./workflows.js";

const HEALTH_MS = 10_000;
const RUNS_MS = 10_000;
const WEATHER_MS = 60_000;
const RETRY_MS = 3_000;
const UNSEEN_MS = 20_000;

const NARROW = matchMedia("(max-width: 900px)");

let workflows = new Map();
let answers = true;
const view = new RunView((name) => workflows.get(name), {
  ended: () => refreshRuns(),
  answers: (now) => {
    if (now !== answers) showHealth();
    answers = now;
  },
});

function runInAddress() {
  return new URLSearchParams(location.hash.slice(1)).get("run");
}

function showRun() {
  const run = runInAddress();
  if (run && NARROW.matches) byId("workflow-list").open = false; // else the run would be far below
  view.show(run);
  refreshRuns();
}

function started(id) {
  history.pushState(null, "", `#run=${encodeURIComponent(id)}`);
  showRun();
  byId("run-name").focus(); // which scrolls there, too
}

function refreshRuns() {
  return listRuns(runInAddress()).catch(() => {}); // the line at the top says that the server is away
}

/** Do something again and again while the page is seen, and at once when it is seen again. */
function repeat(doIt, interval) {
  let timer = null;
  const turn = async () => {
    clearTimeout(timer);
    await doIt();
    timer = setTimeout(() => document.hidden || turn(), interval);
  };
  document.addEventListener("visibilitychange", () => document.hidden || turn());
  window.addEventListener("online", turn);
  turn();
}

async function loadWorkflows() {
  try {
    workflows = await listWorkflows(started);
    view.describe();
  } catch (error) {
    byId("workflows").replaceChildren(element("li", { class: "problem" }, error.message));
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    await loadWorkflows();
  }
}

let unseen = null;
document.addEventListener("visibilitychange", () => {
  clearTimeout(unseen);
  if (document.hidden) unseen = setTimeout(() => view.pause(), UNSEEN_MS);
  else view.resume();
});
window.addEventListener("online", () => view.resume());
window.addEventListener("hashchange", showRun);

repeat(showHealth, HEALTH_MS);
repeat(showWeather, WEATHER_MS);
repeat(refreshRuns, RUNS_MS);
showRun();
await loadWorkflows();
