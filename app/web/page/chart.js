// A small chart of one value over time. Where nothing was observed it is hatched, and no line is drawn across.

import { svg } from "./dom.js";
import { measured } from "./format.js";

const HEIGHT = 120;
const EDGE = { left: 34, right: 6, top: 20, bottom: 20 };
const SLOT = 20 * 60; // seconds between two observations
const HOUR = 3600;
const DAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const GRID_HOURS = [1, 3, 6, 12, 24, 48, 96, 168];

/** The gaps between `times` within the window, in seconds since the epoch: `[[from, to], …]`. */
export function gaps(times, from, to) {
  const edges = [from, ...times, to];
  const found = [];
  for (let index = 1; index < edges.length; index += 1) {
    if (edges[index] - edges[index - 1] > 2.5 * SLOT) found.push([edges[index - 1], edges[index]]);
  }
  return found;
}

/** A chart `width` pixels wide of `{name, unit, digits, bars}` from `from` to `to`. */
export function chart({ name, unit, digits, bars }, times, values, from, to, width) {
  const known = values.filter((value) => value !== null);
  const [low, high] = bounds(known, bars, digits);
  const x = (time) => EDGE.left + ((time - from) / (to - from)) * (width - EDGE.left - EDGE.right);
  const y = (value) => HEIGHT - EDGE.bottom - ((value - low) / (high - low)) * (HEIGHT - EDGE.top - EDGE.bottom);
  const missing = gaps(times, from, to);
  const points = times.map((time, index) => ({
    time,
    value: values[index],
    x: x(time),
    y: values[index] === null ? null : y(values[index]),
  }));
  return svg(
    "svg",
    { class: "chart", role: "img", width, height: HEIGHT, "aria-label": spoken(name, unit, digits, known, missing) },
    missing.map(([start, end]) =>
      svg("rect", {
        class: "gap",
        x: x(start),
        y: EDGE.top,
        width: x(end) - x(start),
        height: HEIGHT - EDGE.top - EDGE.bottom,
      }),
    ),
    [low, (low + high) / 2, high].map((value) => level(value, y(value), digits, width)),
    hours(from, to, width).map((time) => moment(time, x(time))),
    bars ? barsOf(points, y(low), x) : svg("path", { class: "curve", d: curve(points) }),
    [svg("text", { class: "unit", x: 2, y: 11 }, `${name}, ${unit}`)],
  );
}

function bounds(known, fromZero, digits) {
  const least = 2 * 10 ** -digits;
  const low = fromZero ? 0 : Math.floor(Math.min(...known, Infinity));
  const high = Math.max(...known, fromZero ? least : -Infinity);
  if (!known.length) return [0, 1];
  return [low, fromZero ? high : Math.max(low + 1, Math.ceil(high))];
}

function spoken(name, unit, digits, known, missing) {
  if (!known.length) return `${name}: no data.`;
  const range = `from ${measured(Math.min(...known), digits, unit)} to ${measured(Math.max(...known), digits, unit)}`;
  const holes = missing.length ? `${missing.length} ${missing.length === 1 ? "gap" : "gaps"} without data` : "no gaps";
  return `${name}: ${range}, last ${measured(known.at(-1), digits, unit)}; ${holes}.`;
}

/** A line that breaks where an observation or a value is missing. */
function curve(points) {
  let path = "";
  let before = null;
  for (const point of points) {
    if (point.y !== null)
      path += `${before && point.time - before.time <= 2.5 * SLOT ? "L" : "M"}${point.x.toFixed(1)} ${point.y.toFixed(1)}`;
    before = point.y === null ? null : point;
  }
  return path;
}

function barsOf(points, bottom, x) {
  return points
    .filter((point) => point.value)
    .map((point) =>
      svg("rect", {
        class: "rain",
        x: x(point.time - SLOT),
        y: point.y,
        width: Math.max(1, x(point.time) - x(point.time - SLOT)),
        height: bottom - point.y,
      }),
    );
}

function level(value, y, digits, width) {
  const words = value.toFixed(Number.isInteger(value) ? 0 : digits).replace("-", "−");
  return svg(
    "g",
    { class: "tick" },
    svg("path", { d: `M${EDGE.left} ${y}H${width - EDGE.right}` }),
    svg("text", { x: EDGE.left - 5, y: y + 4, "text-anchor": "end" }, words),
  );
}

function moment(time, x) {
  const date = new Date(time * 1000);
  const midnight = date.getHours() === 0;
  const words = midnight
    ? `${DAYS[date.getDay()]} ${date.getDate()}`
    : `${String(date.getHours()).padStart(2, "0")}:00`;
  return svg(
    "g",
    { class: "tick" },
    svg("path", { d: `M${x} ${EDGE.top}V${HEIGHT - EDGE.bottom}` }),
    svg("text", { x, y: HEIGHT - 6, "text-anchor": "middle" }, words),
  );
}

/** Full hours by the reader's clock, as many as there is room to name. */
function hours(from, to, width) {
  const most = Math.max(2, (width - EDGE.left) / 64);
  const step = GRID_HOURS.find((each) => (to - from) / HOUR / each <= most) ?? GRID_HOURS.at(-1);
  const found = [];
  const date = new Date(from * 1000);
  date.setHours(0, 0, 0, 0);
  for (; date.getTime() / 1000 < to; date.setHours(date.getHours() + step)) {
    const time = date.getTime() / 1000;
    const near = time - from < 0.02 * (to - from) || to - time < 0.04 * (to - from);
    if (time >= from && !near) found.push(time);
  }
  return found;
}
