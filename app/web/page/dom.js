// Elements made by calls: data become text, never markup.

const SVG = "http://www.w3.org/2000/svg";

/** An HTML element; an attribute that is null or false is left out, a function listens to the event of that name. */
export function element(tag, attributes = {}, ...children) {
  return furnish(document.createElement(tag), attributes, children);
}

/** The same in SVG. */
export function svg(tag, attributes = {}, ...children) {
  return furnish(document.createElementNS(SVG, tag), attributes, children);
}

function furnish(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") node.addEventListener(name, value);
    else setAttribute(node, name, value);
  }
  node.append(...children.flat().filter((child) => child !== null));
  return node;
}

/** Set an attribute, or remove it where the value is null or false; what has not changed is not touched. */
export function setAttribute(node, name, value) {
  if (value === null || value === undefined || value === false) node.removeAttribute(name);
  else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value === true ? "" : value);
}

/** Set the text of a node where it has changed: a screen reader reads a live region anew at every change. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** The element with an id that index.html has. */
export function byId(id) {
  return document.getElementById(id);
}
