// When each step waited and ran, and for whom it waited.

import { setAttribute, setText, svg } from "./dom.js";
import { call, duration, ROLES, short, shortName, stateOf } from "./format.js";
import { header } from "./run.js";

const ROW = 22;
const LANE = 10;
const AXIS = 24;
const MANY = 24; // a group of more is packed into lanes, as many as tasks ran at the same time
const MOST_LANES = 32;
const CHARACTER = 6.7; // width of a label's character, in pixels
const REDRAW_MS = 200;

export class Timeline {
  #host;
  #caption;
  #run = null;
  #drawnAt = 0;
  #timer = null;

  /** `host` is where it is drawn, `caption` says the same in a sentence; `show(key)` is called as for the graph. */
  constructor(host, caption, show) {
    this.#host = host;
    this.#caption = caption;
    this.svg = svg("svg", { role: "img", "aria-labelledby": caption.id, class: "timeline" });
    const key = (event) => event.target.closest?.("[data-key]")?.dataset.key;
    this.svg.addEventListener("pointerover", (event) => event.pointerType === "mouse" && show(key(event)));
    this.svg.addEventListener("pointerleave", () => show(null));
    this.svg.addEventListener("click", (event) => key(event) && show(key(event), true));
    host.append(this.svg);
    new ResizeObserver(() => this.#run && this.#draw()).observe(host);
  }

  /** Draw a run soon; while it runs, again and again, since its bars grow. */
  draw(run) {
    this.#run = run;
    this.#timer ??= setTimeout(() => this.#draw(), Math.max(0, this.#drawnAt + REDRAW_MS - performance.now()));
  }

  #draw() {
    clearTimeout(this.#timer);
    this.#timer = null;
    this.#drawnAt = performance.now();
    const run = this.#run;
    const width = this.#host.clientWidth;
    if (width <= 0) return;
    const rows = rowsOf(run.root);
    const labels = width < 600 ? 112 : 190;
    const scale = new Scale(run, labels, width - 12);
    const bottom = rows.reduce((y, row) => Object.assign(row, { y }) && y + row.height, AXIS);
    setAttribute(this.svg, "width", width);
    setAttribute(this.svg, "height", bottom + 4);
    this.svg.replaceChildren(
      ...scale.ticks(bottom),
      ...rows.flatMap((row) => drawRow(row, run, scale, labels)),
      ...waits(rows, run, scale),
    );
    setText(this.#caption, sentence(run));
    if (!run.over) this.draw(run);
  }
}

class Scale {
  constructor(run, left, right) {
    const started = run.tasks.map((step) => step.started).filter((time) => time !== null);
    this.start = Math.min(...started, run.started ?? Infinity);
    if (!Number.isFinite(this.start)) this.start = run.now;
    this.seconds = Math.max(0.02, run.now - this.start);
    Object.assign(this, { left, right });
  }

  x(time) {
    const share = Math.min(1, Math.max(0, (time - this.start) / this.seconds));
    return this.left + share * (this.right - this.left);
  }

  ticks(bottom) {
    const most = Math.max(2, Math.floor((this.right - this.left) / 70));
    const power = 10 ** Math.floor(Math.log10(this.seconds / most));
    const step = [1, 2, 5, 10].map((factor) => factor * power).find((each) => this.seconds / each <= most);
    const times = Array.from({ length: Math.floor(this.seconds / step) + 1 }, (_, index) => index * step);
    return times.map((time) => {
      const x = this.x(this.start + time);
      const words =
        time === 0 ? "0" : this.seconds < 1 ? `${Math.round(time * 1000)} ms` : `${time.toFixed(step < 1 ? 1 : 0)} s`;
      const anchor = x > this.right - 24 ? "end" : time ? "middle" : "start";
      return svg(
        "g",
        { class: "tick" },
        svg("path", { d: `M${x} ${AXIS - 4}V${bottom}` }),
        svg("text", { x, y: 13, "text-anchor": anchor }, words),
      );
    });
  }
}

/** One row for each task, and lanes for the tasks of a large group. */
function rowsOf(step) {
  if (step.kind === "task") {
    const label = `${ROLES[step.role]} ${call(step)}`.trim();
    return [{ label, steps: [step], height: ROW, key: step.key }, ...step.children.flatMap(rowsOf)];
  }
  const members = header(step);
  if (step.kind === "chain" || members.length <= MANY) return step.children.flatMap(rowsOf);
  const body = step.children.filter((child) => child.role === "body");
  return [...lanes(step, members.flatMap(tasksOf)), ...body.flatMap(rowsOf)];
}

function tasksOf(step) {
  return [...(step.kind === "task" ? [step] : []), ...step.children.flatMap(tasksOf)];
}

function lanes(group, tasks) {
  const found = [];
  for (const step of tasks.filter(({ started }) => started !== null).sort((a, b) => a.started - b.started)) {
    let lane = found.find(({ steps }) => (steps.at(-1).ended ?? Infinity) <= step.started);
    if (!lane && found.length < MOST_LANES) found.push((lane = { label: "", steps: [], height: LANE, key: group.key }));
    (lane ?? found.at(-1)).steps.push(step);
  }
  const label = `${tasks.length} × ${tasks.every(({ name }) => name === tasks[0].name) ? shortName(tasks[0]) : "tasks"}`;
  return [{ label, steps: [], height: ROW, key: group.key }, ...found];
}

function drawRow(row, run, scale, room) {
  const height = row.height - (row.height === ROW ? 8 : 2);
  const top = row.y + (row.height - height) / 2;
  const label = svg(
    "text",
    { class: "label", x: 0, y: row.y + 15, "data-key": row.key },
    short(row.label, Math.floor((room - 8) / CHARACTER)),
  );
  return [
    svg("rect", { class: "row", x: 0, y: row.y, width: scale.right, height: row.height, "data-key": row.key }),
    row.label ? label : null,
    ...row.steps.map((step) =>
      step.started === null ? untimed(step, run, scale, row) : bar(step, run, scale, top, height),
    ),
  ].filter(Boolean);
}

/** What never started of its own has no bar: what its header's failure kept from running, and a callback on error. */
function untimed(step, run, scale, { y }) {
  if (!run.over) return null;
  const words = step.state === "SUCCESS" ? "called in the worker of the task that failed" : "did not run";
  return svg("text", { class: "untimed", x: scale.left, y: y + 15, "data-key": step.key }, words);
}

function bar(step, run, scale, top, height) {
  const x = scale.x(step.started);
  const width = Math.max(2, scale.x(step.ended ?? run.now) - x);
  const { look } = stateOf(step.state, run.over);
  return svg("rect", {
    class: "span",
    "data-look": look,
    "data-key": step.key,
    x,
    y: top,
    width,
    height,
    rx: Math.min(3, height / 2),
  });
}

/** For each row of one task: the line from the end of the step for which it waited to its own start. */
function waits(rows, run, scale) {
  const yOf = new Map(rows.flatMap((row) => row.steps.map((step) => [step.key, row.y + row.height / 2])));
  return rows
    .filter(({ steps, height }) => height === ROW && steps[0]?.started != null)
    .map(({ steps: [step] }) => {
      const before = run.waitedFor(step.key);
      const from = scale.x(before?.ended ?? run.started ?? scale.start);
      const y = yOf.get(step.key);
      const down = before && yOf.has(before.key) ? `M${from} ${yOf.get(before.key)}V${y}` : `M${from} ${y}`;
      return svg("path", { class: "wait", d: `${down}H${scale.x(step.started)}` });
    });
}

function sentence(run) {
  const ran = run.tasks.filter((step) => step.started !== null && step.ended !== null);
  if (!ran.length) return "No step has run to its end yet.";
  const slowest = ran.reduce((most, step) => (step.ended - step.started > most.ended - most.started ? step : most));
  const patient = ran.reduce((most, step) => ((run.waited(step) ?? 0) > (run.waited(most) ?? 0) ? step : most));
  const whom = run.waitedFor(patient.key);
  const waited = `${short(call(patient), 40)} waited longest${whom ? ` after ${short(call(whom), 40)}` : ""}, ${duration(run.waited(patient) ?? 0)}`;
  return `${short(call(slowest), 40)} ran longest, ${duration(slowest.ended - slowest.started)}; ${waited}.`;
}
