// A fault as a tree, beside its text as Apache Axis prints it.

import { element, visible } from "./dom.js";
import { textView } from "./text.js";
import { findElement } from "./xml.js";

// The number of characters of an answer that are searched for a fault.
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

// The section for the fault in an answer; null if there is no fault.
export function faultSection(answer, axis) {
  const fault = answer && answer.length < LONGEST ? findElement(answer, "Fault") : null;
  if (!fault && !axis) return null;
  const heading = element("h2", { id: "fault-title" }, "Fault");
  return element("section", { className: "fault-parts", "aria-labelledby": "fault-title" },
    element("div", { className: "text" }, heading,
      fault ? element("ul", { className: "tree" }, fault.children.map(branch)) : element("p", { className: "note" }, "The answer has no SOAP fault.")),
    axis ? textView("As Apache Axis prints it", axis) : null);
}
