"use strict";
// Makes elements of a page; text always becomes text, never markup.
const elements = {
  tag(name, properties, parent, ...content) {
    const element = Object.assign(document.createElement(name), properties);
    element.append(...content);
    if (parent) parent.append(element);
    return element;
  },

  svg(name, attributes, parent, text) {
    const element = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    if (text !== undefined) element.textContent = text;
    if (parent) parent.append(element);
    return element;
  },
};
