// Where everything of the graph lies: pure geometry, no drawing.
//
// A chain is a line of blocks; a group or the header of a chord is a box around blocks; callbacks hang below their task.
// The line runs from left to right where that fits, else from top to bottom.

import { header } from "./run.js";

export const NODE = { width: 156, height: 50 };
export const CELL = 20; // with its gap 24 px apart: large enough to be hit by a finger
const CELL_GAP = 4;
const MANY = 24; // a group of more is drawn as cells
const GAP = { line: 36, box: 8, callback: 26 };
const BODY_GAP = { across: 84, down: 44 }; // room for the words on the line
const PADDING = 12;
const TITLE = 28;
const PORT = 20; // where a line from top to bottom meets its blocks
const CALLBACK_PORT = 38;
const INDENT = 56;
const PLAIN_ROWS = 6;

/** Lay out the tree below `root` for a width: `{width, height, items, edges}`, items in the order of the tree. */
export function layout(root, width) {
  const across = arrange(root, { across: true, width });
  const block = across.width <= width ? across : arrange(root, { across: false, width });
  const drawing = { width: block.width, height: block.height, across: block === across, items: [], edges: [] };
  flatten(block, 0, 0, 1, drawing);
  return drawing;
}

function arrange(step, way) {
  if (step.kind === "task") return withCallbacks(step, way);
  if (step.kind === "chain")
    return line(
      step.children.map((child) => arrange(child, way)),
      "step",
      way,
    );
  const box = boxed(step, way);
  const body = step.children.find((child) => child.role === "body");
  return body ? line([box, arrange(body, way)], "body", way) : box;
}

function node(step, { across }) {
  const { width, height } = NODE;
  return { shape: "node", step, width, height, ...ports(width, height, across), parts: [], edges: [] };
}

function ports(width, height, across) {
  return across
    ? { entry: { x: 0, y: height / 2 }, exit: { x: width, y: height / 2 } }
    : { entry: { x: PORT, y: 0 }, exit: { x: PORT, y: height } };
}

function withCallbacks(step, way) {
  const task = node(step, way);
  if (!step.children.length) return task;
  const block = { ...task, shape: null, parts: [{ block: task, x: 0, y: 0 }] };
  for (const child of step.children) {
    const callback = arrange(child, { ...way, across: false, width: way.width - INDENT });
    const y = block.height + GAP.callback;
    block.parts.push({ block: callback, x: INDENT, y });
    const elbow = [
      { x: CALLBACK_PORT, y: task.height },
      { x: CALLBACK_PORT, y: y + NODE.height / 2 },
      { x: INDENT, y: y + NODE.height / 2 },
    ];
    block.edges.push({ role: child.role, points: elbow, label: { x: INDENT, y: y - 7 } });
    block.width = Math.max(block.width, INDENT + callback.width);
    block.height = y + callback.height;
  }
  return block;
}

function line(blocks, role, { across }) {
  const parts = [];
  const edges = [];
  const middle = Math.max(...blocks.map((block) => block.entry.y));
  const room = role !== "body" ? GAP.line : across ? BODY_GAP.across : BODY_GAP.down;
  let [width, height] = [0, 0];
  for (const block of blocks) {
    const gap = parts.length ? room : 0;
    const part = across ? { block, x: width + gap, y: middle - block.entry.y } : { block, x: 0, y: height + gap };
    if (parts.length) edges.push(between(parts.at(-1), part, role, across));
    parts.push(part);
    width = Math.max(width, part.x + block.width);
    height = Math.max(height, part.y + block.height);
  }
  const [first, last] = [parts[0], parts.at(-1)];
  return { shape: null, width, height, entry: at(first, "entry"), exit: at(last, "exit"), parts, edges };
}

function between(before, after, role, across) {
  const [from, to] = [at(before, "exit"), at(after, "entry")];
  const label = across
    ? { x: (from.x + to.x) / 2 - 4, y: from.y - 8, middle: true }
    : { x: from.x + 12, y: (from.y + to.y) / 2 + 4 };
  return { role, points: [from, to], label };
}

function at({ block, x, y }, port) {
  return { x: x + block[port].x, y: y + block[port].y };
}

function boxed(step, way) {
  const members = header(step);
  const content = members.length > MANY ? cells(members, way) : grid(members, way);
  const width = Math.max(content.width + 2 * PADDING, NODE.width);
  const height = content.height + TITLE + PADDING;
  const parts = content.parts.map((part) => ({ ...part, x: part.x + PADDING, y: part.y + TITLE }));
  return { shape: "box", step, width, height, ...ports(width, height, way.across), parts, edges: [] };
}

function cells(members, way) {
  const room = way.across ? way.width - NODE.width - BODY_GAP.across : way.width;
  const pitch = CELL + CELL_GAP;
  const columns = Math.max(4, Math.floor((room - 2 * PADDING + CELL_GAP) / pitch));
  const parts = members.map((step, index) => ({
    block: { shape: "cell", step, width: CELL, height: CELL, parts: [], edges: [] },
    x: (index % columns) * pitch,
    y: Math.floor(index / columns) * pitch,
  }));
  const rows = Math.ceil(members.length / columns);
  return { parts, width: Math.min(columns, members.length) * pitch - CELL_GAP, height: rows * pitch - CELL_GAP };
}

/** Blocks in rows, each as long as there is room: of chains that run across, one. */
function grid(members, way) {
  const room = way.width - 2 * PADDING;
  const blocks = members.map((member) => arrange(member, { ...way, width: room }));
  const plain = blocks.every((block) => block.shape === "node");
  const columns = !way.across ? Infinity : plain ? Math.ceil(blocks.length / PLAIN_ROWS) : 1;
  const parts = [];
  let [x, y, tallest, width, inRow] = [0, 0, 0, 0, 0];
  for (const block of blocks) {
    if (inRow === columns || (inRow && x + block.width > room))
      [x, y, tallest, inRow] = [0, y + tallest + GAP.box, 0, 0];
    parts.push({ block, x, y });
    width = Math.max(width, x + block.width);
    tallest = Math.max(tallest, block.height);
    x += block.width + GAP.box;
    inRow += 1;
  }
  return { parts, width, height: y + tallest };
}

function flatten(block, x, y, level, drawing) {
  const { shape, step, width, height } = block;
  if (shape) drawing.items.push({ shape, step, x, y, width, height, level });
  for (const part of block.parts)
    flatten(part.block, x + part.x, y + part.y, shape === "box" ? level + 1 : level, drawing);
  for (const { role, points, label } of block.edges) {
    const moved = points.map((point) => ({ x: x + point.x, y: y + point.y }));
    drawing.edges.push({ role, points: moved, label: { ...label, x: x + label.x, y: y + label.y } });
  }
}
