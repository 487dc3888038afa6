// A fault as a tree, with what Apache Axis prints of it beside.

import { element, visible } from "./dom.js";
import { textView } from "./text.js";
import { findElement } from "./xml.js";

// Characters of an answer in which a fault is looked for.
const LONGEST = 1_000_000;

function branch({ name, text, children }) {
  const words = visible(text.trim());
  if (!children.length) {
    return element("li", {}, element("span", { className: "name" }, visible(name)), " ",
      words.includes("\n") ? element("pre", { tabIndex: 0, "aria-label": name }, words) : element("span", {}, words || "–"));
  }
  return element("li", {}, element("details", { open: true }, element("summary", {}, visible(name)),
    words && element("span", {}, words), element("ul", {}, children.map(branch))));
}

// The section for the fault in an answer; null where there is none.
export function faultSection(answer, axis) {
  const fault = answer && answer.length < LONGEST ? findElement(answer, "Fault") : null;
  if (!fault && !axis) return null;
  const heading = element("h2", { id: "fault-title" }, "Fault");
  return element("section", { className: "fault-parts", "aria-labelledby": "fault-title" },
    element("div", { className: "text" }, heading,
      fault ? element("ul", { className: "tree" }, fault.children.map(branch)) : element("p", { className: "note" }, "The answer has no SOAP fault.")),
    axis ? textView("As Apache Axis prints it", axis) : null);
}
