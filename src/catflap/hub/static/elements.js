// Makes elements from values. Text is only ever text: nothing here reads markup.

const SVG = "http://www.w3.org/2000/svg";

/** A new element: `class` and `text` by their names, `on…` as listeners, the rest as attributes. */
export function element(name, facts = {}, ...children) {
  return fill(document.createElement(name), facts, children);
}

/** The same within an SVG. */
export function drawing(name, facts = {}, ...children) {
  return fill(document.createElementNS(SVG, name), facts, children);
}

/** Set the text, if it is another; true when it was. */
export function setText(node, text) {
  if (node.textContent === text) return false;
  node.textContent = text;
  return true;
}

/** Set an attribute, or take it away when the value is null, false or empty. */
export function setMark(node, name, value) {
  const text = value === true ? "" : value;
  if (text === null || text === undefined || text === false || (text === "" && value !== true)) {
    node.removeAttribute(name);
  } else if (node.getAttribute(name) !== String(text)) {
    node.setAttribute(name, text);
  }
}

function fill(node, facts, children) {
  for (const [name, value] of Object.entries(facts)) {
    if (name === "text") node.textContent = value;
    else if (name === "class") node.setAttribute("class", value);
    else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== undefined && value !== null) node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}
