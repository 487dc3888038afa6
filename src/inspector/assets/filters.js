// Saved filters, kept in this browser for all its users.

import { element, fill } from "./dom.js";

const KEY = "filters";
const MOST = 30;

function saved() {
  try {
    return JSON.parse(localStorage.getItem(KEY)) ?? [];
  } catch {
    return [];
  }
}

// A bar with the saved filters; `apply` is called with the chosen filter.
export function savedFilters(apply) {
  const bar = element("ul", { className: "saved", "aria-label": "Saved filters" });
  const keep = (all) => {
    localStorage.setItem(KEY, JSON.stringify(all.slice(0, MOST)));
    draw();
  };
  function draw() {
    const all = saved();
    bar.hidden = !all.length;
    fill(bar, all.map((words) => element("li", {},
      element("button", { type: "button", onclick: () => apply(words) }, words),
      element("button", { type: "button", "aria-label": `Forget the filter ${words}`, onclick: () => keep(saved().filter((other) => other !== words)) }, "✕"))));
  }
  draw();
  return { bar, add: (words) => keep([words, ...saved().filter((other) => other !== words)]) };
}
