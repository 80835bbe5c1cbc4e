// A run as a graph of its steps, drawn once and then changed only where a step has changed.

import { setAttribute, setText, svg } from "./dom.js";
import { call, duration, ROLES, short, stateOf, value } from "./format.js";
import { CELL, layout } from "./layout.js";
import { header, overall, tally, tallyBox } from "./run.js";

const MARGIN = 3; // the focus ring of what lies at the edge
const LINE = 16; // characters of a node's first line, in a font of fixed width
const MOVES = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10, Home: -Infinity, End: Infinity };

export class Graph {
  #host;
  #show;
  #run = null;
  #drawn = new Map(); // key → {item, group, refresh}
  #current = null;
  #width = 0;

  /** `host` is where it is drawn; `show(key)` is called when a step is pointed at, focused or tapped. */
  constructor(host, show) {
    this.#host = host;
    this.#show = show;
    this.svg = svg("svg", { role: "tree", class: "graph", keydown: (event) => this.#move(event) });
    this.svg.addEventListener("focusin", (event) => this.#choose(keyOf(event)));
    this.svg.addEventListener("click", (event) => keyOf(event) && this.focus(keyOf(event)));
    this.svg.addEventListener("pointerover", (event) => event.pointerType === "mouse" && this.#show(keyOf(event) ?? this.#current));
    this.svg.addEventListener("pointerleave", () => this.#show(this.#current));
    host.append(this.svg);
    new ResizeObserver(() => this.#run && this.#width !== host.clientWidth && this.draw(this.#run)).observe(host);
  }

  /** Draw a run anew: another one, or one whose shape or room has changed. */
  draw(run) {
    const width = this.#host.clientWidth - 2 * MARGIN;
    if (width <= 0) return;
    this.#width = this.#host.clientWidth;
    const had = this.svg.contains(document.activeElement);
    if (this.#run?.id !== run.id) this.#current = null;
    this.#run = run;
    const drawing = layout(run.root, width);
    this.#size(drawing);
    this.#legend(drawing.edges);
    this.#drawn.clear();
    const boxes = drawing.items.filter(({ shape }) => shape === "box");
    this.svg.replaceChildren(...boxes.map(ground), ...drawing.edges.map(edge), ...drawing.items.map((item) => this.#item(item)));
    if (!this.#drawn.has(this.#current)) this.#current = null;
    setAttribute(this.#drawn.get(this.#current ?? drawing.items[0].step.key).group, "tabindex", 0);
    if (had && this.#current) this.focus(this.#current);
    this.refresh(this.#drawn.keys());
  }

  /** The step that was focused or tapped last. */
  get current() {
    return this.#current;
  }

  /** Show what has changed in the steps with `keys`, and in what they belong to. */
  refresh(keys) {
    const touched = new Set();
    for (const key of keys) {
      for (let step = this.#run.steps.get(key); step && !touched.has(step.key); step = this.#run.parents.get(step.key)) {
        touched.add(step.key);
      }
    }
    for (const key of touched) this.#drawn.get(key)?.refresh();
    const counts = tally(this.#run.root);
    setAttribute(this.svg, "aria-label", `The steps of ${this.#run.name}, ${counts.done} of ${counts.total} done. Arrow keys go from step to step.`);
  }

  /** Put the focus on a step, or on the cell that stands for it. */
  focus(key) {
    for (let step = this.#run.steps.get(key); step; step = this.#run.parents.get(step.key)) {
      if (this.#drawn.has(step.key)) return this.#drawn.get(step.key).group.focus();
    }
    return undefined;
  }

  #size({ width, height }) {
    const [w, h] = [width + 2 * MARGIN, height + 2 * MARGIN];
    for (const [name, given] of Object.entries({ width: w, height: h, viewBox: `${-MARGIN} ${-MARGIN} ${w} ${h}` })) {
      setAttribute(this.svg, name, given);
    }
  }

  #legend(edges) {
    const roles = new Set(edges.map(({ role }) => role));
    for (const entry of document.querySelectorAll(".legend li")) entry.hidden = !roles.has(entry.dataset.role);
  }

  #choose(key) {
    if (!key) return;
    for (const [other, { group }] of this.#drawn) {
      if (other === key || other === this.#current || group.getAttribute("tabindex") === "0") {
        setAttribute(group, "tabindex", other === key ? 0 : -1);
        setAttribute(group, "aria-selected", other === key ? "true" : "false");
      }
    }
    this.#current = key;
    this.#show(key);
  }

  #move(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const keys = [...this.#drawn.keys()];
    const index = keys.indexOf(this.#current ?? keys[0]);
    const { level } = this.#drawn.get(keys[index]).item;
    let next = Math.min(keys.length - 1, Math.max(0, index + (MOVES[event.key] ?? NaN)));
    if (event.key === "ArrowRight") next = index + 1;
    if (event.key === "ArrowLeft") next = keys.findLastIndex((key, i) => i < index && this.#drawn.get(key).item.level < level);
    if (!keys[next]) return;
    event.preventDefault();
    this.focus(keys[next]);
  }

  #item(item) {
    const { step, shape, x, y, level } = item;
    const group = svg("g", { class: shape, role: "treeitem", tabindex: -1, "data-key": step.key, "aria-level": level, "aria-selected": "false", transform: `translate(${x} ${y})` });
    const refresh = { node: nodeParts, box: boxParts, cell: cellParts }[shape](group, item);
    const whole = () => {
      const state = stateOf(overall(step), this.#run.over);
      setAttribute(group, "data-look", state.look);
      setAttribute(group, "aria-label", spoken(step, state));
      refresh(step, state);
    };
    this.#drawn.set(step.key, { item, group, refresh: whole });
    return group;
  }
}

function keyOf(event) {
  return event.target.closest?.("[data-key]")?.dataset.key;
}

/** What a screen reader says of a step. */
function spoken(step, state) {
  if (step.kind !== "task") {
    const counts = tallyBox(step);
    const failed = counts.failed ? `, ${counts.failed} failed` : "";
    return `${title(step)}: ${counts.done} of ${counts.total} done${failed}`;
  }
  const outcome = step.error ? `, ${step.error}` : step.state === "SUCCESS" ? `, result ${value(step.result, 200)}` : "";
  const progress = step.total ? `, ${step.done} of ${step.total}` : "";
  return `${`${ROLES[step.role]} ${call(step)}`.trim()}: ${state.word}${progress}${outcome}`;
}

/** What a chain, group or chord is called. */
export function title(step) {
  return step.kind === "chain" ? `chain of ${step.children.length}` : `${step.kind} of ${header(step).length}`;
}

function nodeParts(group, { width, height }) {
  const parts = {
    glyph: svg("text", { class: "glyph", x: 10, y: 20 }),
    call: svg("text", { class: "call", x: 28, y: 20 }),
    outcome: svg("text", { class: "outcome", x: 28, y: 38 }),
    time: svg("text", { class: "time", x: width - 10, y: 38 }),
    bar: svg("rect", { class: "bar", x: 0, y: height - 4, height: 4, width: 0 }),
  };
  group.append(svg("rect", { class: "card", width, height, rx: 7 }), ...Object.values(parts));
  return (step, state) => {
    const took = timing(step);
    setText(parts.glyph, state.glyph);
    setText(parts.call, short(call(step), LINE));
    setText(parts.outcome, short(outcome(step, state), LINE - 1 - took.length));
    setText(parts.time, took);
    setAttribute(parts.bar, "width", step.state === "PROGRESS" && step.total ? (width * step.done) / step.total : 0);
  };
}

function outcome(step, state) {
  if (step.state === "SUCCESS") return `→ ${value(step.result)}`;
  if (step.error) return step.error;
  if (step.state === "PROGRESS" && step.total) return `${step.done} of ${step.total}`;
  return state.word;
}

function timing(step) {
  return step.started !== null && step.ended !== null ? duration(Math.max(0, step.ended - step.started)) : "";
}

function boxParts(group, { width, height }) {
  const label = svg("text", { class: "title", x: 12, y: 18 });
  const counted = svg("text", { class: "time", x: width - 12, y: 18 });
  const bar = svg("rect", { class: "bar", x: 0, y: 0, height: 3, width: 0 });
  group.append(svg("rect", { class: "frame", width, height, rx: 10 }), label, counted, bar);
  return (step) => {
    const { done, total, failed } = tallyBox(step);
    setText(label, title(step));
    setText(counted, `${done}/${total}${failed && width > 250 ? `, ${failed} failed` : ""}`);
    setAttribute(bar, "width", total ? ((width - 20) * done) / total : 0);
    setAttribute(bar, "x", 10);
  };
}

function cellParts(group) {
  const glyph = svg("text", { class: "glyph", x: CELL / 2, y: CELL / 2 + 4 });
  group.append(svg("rect", { class: "card", width: CELL, height: CELL, rx: 4 }), glyph);
  return (step, state) => setText(glyph, state.glyph);
}

/** What a box stands on; it lies below the lines, which lie below what can be pointed at. */
function ground({ x, y, width, height }) {
  return svg("rect", { class: "ground", x, y, width, height, rx: 10 });
}

/** Each kind of edge has a stroke and a head of its own, and the ones that are not plain say what they are. */
function edge({ role, points, label }) {
  const path = points.map(({ x, y }, index) => `${index ? "L" : "M"}${x} ${y}`).join("");
  const words = { body: "all results", link: "on success", link_error: "on error" }[role];
  return svg(
    "g",
    { class: `edge ${role}`, "aria-hidden": "true" },
    svg("path", { d: path, "marker-end": `url(#${role === "link_error" ? "cross" : role === "link" ? "open" : "arrow"})` }),
    words ? svg("text", { x: label.x, y: label.y, "text-anchor": label.middle ? "middle" : "start" }, words) : null,
  );
}
