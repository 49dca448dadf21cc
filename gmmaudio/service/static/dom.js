// Elements of the page. Text goes in as text, never as HTML.

export const element = id => document.getElementById(id);

// Return a new element with attributes and children; a child that is a string is text.
export function make(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

const SVG = "http://www.w3.org/2000/svg";

// Return a new shape of an SVG.
export function shape(d, fill) {
  const made = document.createElementNS(SVG, "path");
  made.setAttribute("d", d);
  made.setAttribute("fill", fill);
  return made;
}

// Say something to those who do not see the page.
export function announce(text) {
  element("live").textContent = text;
}
