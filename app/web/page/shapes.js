// How one step looks: a node, a box around others, a cell of a large group; and the lines between them.

import { setAttribute, setText, svg } from "./dom.js";
import { call, duration, ROLES, short, value } from "./format.js";
import { CELL } from "./layout.js";
import { header, tallyBox } from "./run.js";

const LINE = 16; // characters of a node's first line, in a font of fixed width

/** What a screen reader says of a step. */
export function spoken(step, state) {
  if (step.kind !== "task") {
    const counts = tallyBox(step);
    const failed = counts.failed ? `, ${counts.failed} failed` : "";
    return `${title(step)}: ${counts.done} of ${counts.total} done${failed}`;
  }
  const outcome = step.error
    ? `, ${step.error}`
    : step.state === "SUCCESS"
      ? `, result ${value(step.result, 200)}`
      : "";
  const progress = step.total ? `, ${step.done} of ${step.total}` : "";
  return `${`${ROLES[step.role]} ${call(step)}`.trim()}: ${state.word}${progress}${outcome}`;
}

/** What a chain, group or chord is called. */
export function title(step) {
  return step.kind === "chain" ? `chain of ${step.children.length}` : `${step.kind} of ${header(step).length}`;
}

export function nodeParts(group, { width, height }) {
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

export function boxParts(group, { width, height }) {
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

export function cellParts(group) {
  const glyph = svg("text", { class: "glyph", x: CELL / 2, y: CELL / 2 + 4 });
  group.append(svg("rect", { class: "card", width: CELL, height: CELL, rx: 4 }), glyph);
  return (step, state) => setText(glyph, state.glyph);
}

/** What a box stands on; it lies below the lines, which lie below what can be pointed at. */
export function ground({ x, y, width, height }) {
  return svg("rect", { class: "ground", x, y, width, height, rx: 10 });
}

/** Each kind of edge has a stroke and a head of its own, and the ones that are not plain say what they are. */
export function edge({ role, points, label }) {
  const path = points.map(({ x, y }, index) => `${index ? "L" : "M"}${x} ${y}`).join("");
  const words = { body: "all results", link: "on success", link_error: "on error" }[role];
  return svg(
    "g",
    { class: `edge ${role}`, "aria-hidden": "true" },
    svg("path", {
      d: path,
      "marker-end": `url(#${role === "link_error" ? "cross" : role === "link" ? "open" : "arrow"})`,
    }),
    words ? svg("text", { x: label.x, y: label.y, "text-anchor": label.middle ? "middle" : "start" }, words) : null,
  );
}
