// What is wrong now, in one line; opened, every check.

import { get } from "./api.js";
import { byId, element, setAttribute, setText } from "./dom.js";
import { count } from "./format.js";

/** Ask for the health of everything and show it. */
export async function showHealth() {
  try {
    tell(await get("/api/health"));
  } catch (error) {
    line(
      error.status ? error.message : "Offline: the web server does not answer. The page comes back by itself.",
      false,
    );
  }
}

function tell({ checks, dead_letters: dead, flower }) {
  const wrong = checks.filter((check) => !check.ok).map((check) => `${check.name}: ${check.sentence}`);
  if (dead) wrong.push(`${count(dead, "message")} could not be handled: see the dead letters.`);
  const more = wrong.length > 1 ? ` (and ${wrong.length - 1} more)` : "";
  line(wrong.length ? `${wrong[0]}${more}` : "Everything works.", !wrong.length);
  byId("checks").replaceChildren(
    ...checks.map(entry),
    ...(dead === null || dead === undefined ? [] : [entry(deadLetters(dead))]),
  );
  byId("flower").hidden = !flower;
  if (flower) setAttribute(byId("flower"), "href", flower);
}

function deadLetters(dead) {
  return {
    name: "dead letters",
    ok: !dead,
    sentence: dead ? `${count(dead, "message")} wait to be looked at.` : "There are none.",
  };
}

function entry({ name, ok, sentence }) {
  const glyph = element("span", { "aria-hidden": "true" }, ok ? "✔\uFE0E" : "✘\uFE0E");
  return element(
    "li",
    { "data-look": ok ? "succeeded" : "failed" },
    glyph,
    element("span", { class: "hidden" }, ok ? "well: " : "wrong: "),
    element("b", {}, name),
    ` ${sentence}`,
  );
}

function line(sentence, well) {
  setText(byId("health-line"), sentence);
  setText(byId("health-glyph"), well ? "✔\uFE0E" : "✘\uFE0E");
  setAttribute(byId("health"), "data-look", well ? "succeeded" : "failed");
}
