// A run as the server describes it: its document, and what can be asked of the tree of steps in it.

const READY = new Set(["SUCCESS", "FAILURE", "REVOKED"]);
const RUNNING = new Set(["STARTED", "PROGRESS", "RETRY"]);

export class Run {
  #heardAt = 0;
  #latest = 0;

  constructor(document) {
    this.replace(document);
  }

  /** Take a whole document; returns whether the tree has another shape than before. */
  replace(document) {
    const before = this.steps ? [...this.steps.keys()].join() : null;
    Object.assign(this, document);
    this.steps = new Map();
    this.parents = new Map();
    this.#index(document.root, null);
    this.dependencies = dependencies(document.root);
    this.#hear(this.steps.values());
    return before !== [...this.steps.keys()].join();
  }

  /** Take in what has changed in some steps; returns the keys of those that there are. */
  update({ version, steps }) {
    if (version < this.version) return [];
    this.version = version;
    const known = steps.filter((step) => this.steps.has(step.key));
    for (const step of known)
      Object.assign(this.steps.get(step.key), step, { children: this.steps.get(step.key).children });
    this.#hear(known);
    return known.map((step) => step.key);
  }

  get over() {
    return this.state !== "running";
  }

  /** The tasks, in the order in which they are drawn. */
  get tasks() {
    return [...this.steps.values()].filter((step) => step.kind === "task");
  }

  /** Now, by the clock of the workers, as far as it is known: browsers' clocks may be wrong. */
  get now() {
    return this.over ? (this.ended ?? this.#latest) : this.#latest + (performance.now() - this.#heardAt) / 1000;
  }

  /** The step whose end this one waited for: of those that it needs, the one that ended last. */
  waitedFor(key) {
    const ended = (this.dependencies.get(key) ?? []).filter((step) => step.ended !== null);
    return ended.reduce((latest, step) => (latest && latest.ended >= step.ended ? latest : step), null);
  }

  /** How long the task waited before it started: seconds since it could have, or null. */
  waited(step) {
    const since = this.waitedFor(step.key)?.ended ?? this.started;
    return step.started === null || since === null ? null : Math.max(0, step.started - since);
  }

  #index(step, parent) {
    this.steps.set(step.key, step);
    this.parents.set(step.key, parent);
    for (const child of step.children) this.#index(child, step);
  }

  #hear(steps) {
    let latest = Math.max(this.#latest, this.started ?? 0);
    for (const { started, ended } of steps) latest = Math.max(latest, started ?? 0, ended ?? 0);
    const shown = this.#latest ? this.now : 0;
    if (latest <= shown) return; // time does not go back
    this.#latest = latest;
    this.#heardAt = performance.now();
  }
}

/** How far the tasks of a step have come (`share`: with parts of them); a callback counts once something happens to it. */
export function tally(step) {
  const counts = { total: 0, done: 0, share: 0, running: 0, succeeded: 0, failed: 0, revoked: 0, firstFailed: null };
  add(step, counts);
  return counts;
}

function add(step, counts) {
  const counted = step.role === "step" || step.role === "body" || step.state !== "PENDING";
  if (step.kind === "task" && counted) {
    counts.total += 1;
    counts.done += READY.has(step.state);
    counts.share += READY.has(step.state) ? 1 : step.total ? step.done / step.total : 0;
    counts.running += RUNNING.has(step.state);
    counts.succeeded += step.state === "SUCCESS";
    counts.failed += step.state === "FAILURE";
    counts.revoked += step.state === "REVOKED";
    if (step.state === "FAILURE") counts.firstFailed ??= step;
  }
  for (const child of step.children) add(child, counts);
}

/** The same for what a box of the graph stands for: of a chord, its header. */
export function tallyBox(step) {
  return tally({ ...step, children: step.kind === "chain" ? step.children : header(step) });
}

/** The state of a step; that of a chain, group or chord follows from its tasks. */
export function overall(step) {
  if (step.kind === "task") return step.state;
  const counts = tally(step);
  if (counts.failed) return "FAILURE";
  if (counts.revoked) return "REVOKED";
  if (counts.done === counts.total) return "SUCCESS";
  return counts.running || counts.done ? "STARTED" : "PENDING";
}

/** Of a group or chord, the steps that run at the same time. */
export function header(step) {
  return step.children.filter((child) => child.role === "step");
}

function dependencies(root) {
  const needs = new Map();
  // Returns the tasks after whose end the next step starts.
  function visit(step, after) {
    if (step.kind === "task") {
      needs.set(step.key, after);
      for (const callback of step.children) visit(callback, [step]);
      return [step];
    }
    if (step.kind === "chain") return step.children.reduce((before, child) => visit(child, before), after);
    const ends = header(step).flatMap((child) => visit(child, after));
    const body = step.children.find((child) => child.role === "body");
    return body ? visit(body, ends) : ends;
  }
  visit(root, []);
  return needs;
}
