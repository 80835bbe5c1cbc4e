// A run as a graph of its steps, drawn once and then changed only where a step has changed.

import { setAttribute, svg } from "./dom.js";
import { stateOf } from "./format.js";
import { layout } from "./layout.js";
import { overall, tally } from "./run.js";
import { boxParts, cellParts, edge, ground, nodeParts, spoken } from "./shapes.js";

const MARGIN = 3; // the focus ring of what lies at the edge
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
    this.svg.addEventListener(
      "pointerover",
      (event) => event.pointerType === "mouse" && this.#show(keyOf(event) ?? this.#current),
    );
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
    this.svg.replaceChildren(
      ...boxes.map(ground),
      ...drawing.edges.map(edge),
      ...drawing.items.map((item) => this.#item(item)),
    );
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
      for (
        let step = this.#run.steps.get(key);
        step && !touched.has(step.key);
        step = this.#run.parents.get(step.key)
      ) {
        touched.add(step.key);
      }
    }
    for (const key of touched) this.#drawn.get(key)?.refresh();
    const counts = tally(this.#run.root);
    setAttribute(
      this.svg,
      "aria-label",
      `The steps of ${this.#run.name}, ${counts.done} of ${counts.total} done. Arrow keys go from step to step.`,
    );
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
    if (event.key === "Escape") this.#show(null);
    const keys = [...this.#drawn.keys()];
    const index = keys.indexOf(this.#current ?? keys[0]);
    const { level } = this.#drawn.get(keys[index]).item;
    let next = Math.min(keys.length - 1, Math.max(0, index + (MOVES[event.key] ?? NaN)));
    if (event.key === "ArrowRight") next = index + 1;
    if (event.key === "ArrowLeft")
      next = keys.findLastIndex((key, i) => i < index && this.#drawn.get(key).item.level < level);
    if (!keys[next]) return;
    event.preventDefault();
    this.focus(keys[next]);
  }

  #item(item) {
    const { step, shape, x, y, level } = item;
    const group = svg("g", {
      class: shape,
      role: "treeitem",
      tabindex: -1,
      "data-key": step.key,
      "aria-level": level,
      "aria-selected": "false",
      transform: `translate(${x} ${y})`,
    });
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
