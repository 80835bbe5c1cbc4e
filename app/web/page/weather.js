// The weather of every place: now, and over the last hours.

import { get } from "./api.js";
import { chart } from "./chart.js";
import { byId, element } from "./dom.js";
import { ago, measured } from "./format.js";

const CHARTS = [
  { column: "temperature_c", name: "Temperature", unit: "°C", digits: 1 },
  { column: "wind_speed_ms", name: "Wind", unit: "m/s", digits: 1 },
  { column: "precipitation_mm", name: "Precipitation", unit: "mm", digits: 1, bars: true },
];
const POINTS = ["N", "NE", "E", "SE", "S", "SW", "W", "NW"];

/** Load it and show it; where the server is away, what was known stays. */
export async function showWeather() {
  const hours = Number(byId("hours").value);
  try {
    const places = await get("/api/weather");
    const series = await Promise.all(
      places.map(({ place }) => get(`/api/weather/${encodeURIComponent(place)}/series?hours=${hours}`)),
    );
    byId("no-weather").hidden = places.length > 0;
    shown = { places, series, hours };
    draw();
  } catch (error) {
    byId("weather-problem").textContent = shown ? "" : error.message;
  }
}

let shown = null;
byId("hours").addEventListener("change", showWeather);
new ResizeObserver(() => shown && draw()).observe(byId("places"));

function draw() {
  byId("weather-problem").textContent = "";
  byId("places").replaceChildren(...shown.places.map(card));
  const inner = byId("places").firstElementChild;
  if (!inner) return;
  const room = inner.querySelector(".charts").clientWidth;
  for (const [index, place] of [...byId("places").children].entries()) {
    place.querySelector(".charts").replaceChildren(...charts(shown.series[index], shown.hours, room));
  }
}

function charts(series, hours, width) {
  const rows = series.observed_at
    .map((time, row) => ({ time: Date.parse(time) / 1000, row }))
    .sort((a, b) => a.time - b.time);
  // What was filled in later stands later in the file, and two services may tell of the same time.
  const once = rows.filter(({ time }, index) => time !== rows[index - 1]?.time);
  const times = once.map(({ time }) => time);
  const to = Date.now() / 1000;
  return CHARTS.map((kind) =>
    chart(
      kind,
      times,
      once.map(({ row }) => series[kind.column][row]),
      to - hours * 3600,
      to,
      width,
    ),
  );
}

function card(latest) {
  const facts = [
    ["Wind", `${measured(latest.wind_speed_ms, 1, "m/s")}${compass(latest.wind_direction_deg)}`],
    ["Humidity", measured(latest.humidity_percent, 0, "%")],
    ["Pressure", measured(latest.pressure_hpa, 0, "hPa")],
    ["Precipitation", measured(latest.precipitation_mm, 1, "mm")],
  ];
  return element(
    "li",
    { class: "place" },
    element("h3", {}, latest.place),
    element("p", { class: "temperature" }, measured(latest.temperature_c, 1, "°C")),
    element(
      "dl",
      {},
      facts.map(([term, text]) => element("div", {}, element("dt", {}, term), element("dd", {}, text))),
    ),
    element("p", { class: "source" }, source(latest), " ", report(latest.place)),
    element("div", { class: "charts" }),
  );
}

/** The last week as a PDF. */
function report(place) {
  return element(
    "a",
    { href: `/reports/${encodeURIComponent(place)}`, "aria-label": `Report of ${place}` },
    "Report (PDF)",
  );
}

function source(latest) {
  const seen = `Observed ${ago(Date.now() / 1000 - latest.age_seconds)}, from ${latest.provider}.`;
  return `${seen} Of the last 7 days, ${Math.floor(latest.completeness * 100)} % is there.`;
}

function compass(degrees) {
  return degrees === null || degrees === undefined ? "" : ` from ${POINTS[Math.round(degrees / 45) % 8]}`;
}
