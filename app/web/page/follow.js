// The run on show: followed as it goes, painted at most once a frame.

import { post } from "./api.js";
import { details } from "./details.js";
import { byId, element, setAttribute, setText } from "./dom.js";
import { count, duration, runStateOf, short, value } from "./format.js";
import { Graph } from "./graph.js";
import { Run, tally } from "./run.js";
import { Stream } from "./stream.js";
import { Timeline } from "./timeline.js";

const ANNOUNCE_MS = 4000;
const HINT = "Point at a step, tap it, or go to the graph with Tab and to a step with the arrow keys.";

export class RunView {
  #stream = null;
  #run = null;
  #shown = null;
  #changed = new Set();
  #frame = null;
  #announcedAt = 0;
  #workflow;
  #report;

  /** `workflow(name)` gives a workflow of the list; `report` is told of `ended()` and `answers(whether)`. */
  constructor(workflow, report) {
    this.#workflow = workflow;
    this.#report = report;
    this.graph = new Graph(byId("graph"), (key) => this.#point(key));
    this.timeline = new Timeline(byId("timeline"), byId("timeline-caption"), (key, tapped) =>
      this.#pointInTime(key, tapped),
    );
    byId("revoke").addEventListener("click", () => this.#revoke());
    byId("details-close").addEventListener("click", () => this.#close());
  }

  /** Follow the run with this id; null shows none. */
  show(id) {
    this.#stream?.close();
    this.#run = this.#shown = this.#stream = null;
    byId("run").hidden = byId("run-body").hidden = true;
    byId("no-run").hidden = id !== null;
    document.title = "Weatherbeat";
    if (id === null) return;
    byId("run").hidden = false;
    setText(byId("run-name"), "Run");
    setText(byId("run-state"), "");
    this.#say("connection", "Connecting…");
    this.#say("trouble", "");
    this.#stream = new Stream(`/api/runs/${encodeURIComponent(id)}/events`, {
      event: (name, data) => this.#hear(name, data),
      opened: () => this.#opened(),
      lost: (reason, seconds) => this.#lost(reason, seconds),
      gone: (sentence) => this.#say("connection", sentence),
    });
  }

  /** Let go of the connection while nobody looks. */
  pause() {
    this.#stream?.pause();
  }

  /** Connect at once instead of at the next try. */
  resume() {
    this.#stream?.resume();
  }

  /** Say what the workflow is, once that is known. */
  describe() {
    const workflow = this.#run && this.#workflow(this.#run.name);
    setText(byId("run-summary"), workflow?.summary ?? "");
    setText(byId("run-code"), workflow?.code ?? "");
    byId("run-code-box").hidden = !workflow?.code;
  }

  #opened() {
    this.#say("connection", "");
    this.#report.answers(true);
  }

  #lost(reason, seconds) {
    this.#say("connection", `${reason} Trying again in ${duration(seconds)}.`);
    this.#report.answers(false);
  }

  #hear(name, data) {
    if (name === "trouble") this.#say("trouble", data.sentence);
    else if (name === "steps") this.#steps(data);
    else if (name === "run" || name === "end") this.#whole(data);
    if (name === "end") this.#ended();
  }

  #whole(document) {
    const sameShape = this.#run?.id === document.id && !this.#run.replace(document);
    if (!sameShape) {
      this.#run = this.#run?.id === document.id ? this.#run : new Run(document);
      this.#unfold();
    }
    for (const key of this.#run.steps.keys()) this.#changed.add(key);
    this.#schedule();
  }

  #steps(data) {
    for (const key of this.#run?.update(data) ?? []) this.#changed.add(key);
    this.#schedule();
  }

  #ended() {
    this.#say("connection", "");
    this.#say("trouble", "");
    this.#announcedAt = 0;
    this.#report.ended();
  }

  #unfold() {
    byId("run-body").hidden = false;
    setText(byId("run-name"), this.#run.name);
    this.describe();
    this.graph.draw(this.#run);
    this.#point(null);
  }

  #schedule() {
    this.#frame ??= requestAnimationFrame(() => this.#paint());
  }

  #paint() {
    this.#frame = null;
    const run = this.#run;
    if (!run) return;
    this.graph.refresh(this.#changed);
    this.timeline.draw(run);
    if (this.#shown === null || this.#changed.has(this.#shown) || run.steps.get(this.#shown).kind !== "task")
      this.#point(this.#shown);
    this.#changed.clear();
    this.#head(run);
  }

  #head(run) {
    const state = runStateOf(run.state);
    const counts = tally(run.root);
    setText(byId("run-state"), `${state.glyph} ${state.word}`);
    setAttribute(byId("run-state"), "data-look", state.look);
    setAttribute(byId("run-progress"), "max", Math.max(1, counts.total));
    setAttribute(byId("run-progress"), "value", counts.share);
    const parts = [`${counts.done} of ${count(counts.total, "step")} done`];
    if (counts.failed) parts.push(`${counts.failed} failed`);
    if (run.ended && run.started) parts.push(duration(Math.max(0, run.ended - run.started)));
    setText(byId("run-counts"), parts.join(" · "));
    setText(byId("run-outcome"), run.over ? outcome(run) : "");
    byId("revoke").hidden = run.over;
    document.title = `${state.glyph} ${run.name} – Weatherbeat`;
    this.#announce(`${run.name} ${state.word}: ${parts.join(", ")}.`);
  }

  /** Told now and then, not at every step: a screen reader would never come to an end. */
  #announce(sentence) {
    if (performance.now() - this.#announcedAt < ANNOUNCE_MS) return;
    this.#announcedAt = performance.now();
    setText(byId("run-announcer"), sentence);
  }

  #point(key) {
    this.#shown = this.#run?.steps.has(key) ? key : null;
    const step = this.#run?.steps.get(this.#shown);
    byId("details").replaceChildren(
      ...(step
        ? details(this.#run, step, (other) => this.graph.focus(other))
        : [element("p", { class: "hint" }, HINT)]),
    );
    byId("details-close").hidden = !step;
    for (const marked of document.querySelectorAll(".pointed")) marked.classList.remove("pointed");
    if (step) for (const same of document.querySelectorAll(`[data-key="${step.key}"]`)) same.classList.add("pointed");
  }

  #close() {
    this.#point(null);
    byId("run-name").focus({ preventScroll: true }); // the button that had the focus is gone
  }

  #pointInTime(key, tapped) {
    if (tapped) this.graph.focus(key);
    else this.#point(key ?? this.graph.current);
  }

  async #revoke() {
    try {
      await post(`/api/runs/${encodeURIComponent(this.#run.id)}/revoke`, {});
    } catch (error) {
      this.#say("trouble", `Not revoked: ${error.message}`);
    }
  }

  #say(where, sentence) {
    setText(byId(where), sentence);
    byId(where).hidden = !sentence;
  }
}

function outcome(run) {
  if (run.state === "skipped") return `Not run: ${run.skipped ?? run.result}`;
  if (run.state === "revoked") return "It was revoked: what had not started by then never will.";
  if (run.broken) return `Not sent as a whole: ${run.broken}`;
  const gave = `It gave ${short(plain(run.result), 300)}`;
  if (run.expected === null) return `${gave}.`;
  return run.ok ? `${gave}, as it must.` : `${gave}, but must give ${short(plain(run.expected), 300)}.`;
}

function plain(given) {
  return typeof given === "string" ? given : value(given);
}
