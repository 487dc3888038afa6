// The marked request or exchange, for comparisons: kept for the tab, and shown in the head of every page.

import { element, fill, say } from "./dom.js";

const KEY = "marked";
const place = document.getElementById("marked");

export function marked() {
  try {
    return JSON.parse(sessionStorage.getItem(KEY));
  } catch {
    return null;
  }
}

function keep(value) {
  if (value) sessionStorage.setItem(KEY, JSON.stringify(value));
  else sessionStorage.removeItem(KEY);
  showMarked();
}

// Marks a request or exchange, or removes its mark.
export function toggleMark(id, name) {
  const isOn = marked()?.id === id;
  keep(isOn ? null : { id, name });
  say(isOn ? `No longer marked: ${name}.` : `Marked: ${name}. Press d on another one to compare.`);
}

export function showMarked(isSignedIn = true) {
  const found = isSignedIn && marked();
  if (!found) return fill(place);
  fill(place, "Marked: ", element("a", { href: `/inspector/exchanges/${encodeURIComponent(found.id)}` }, found.name), " ",
    element("button", { type: "button", "aria-label": "Take the mark off", onclick: () => keep(null) }, "✕"));
}

// The page that compares the marked item with another item; null if there is nothing to compare.
export function comparison(id) {
  const found = marked();
  if (!found) say("Mark one first: m.");
  else if (found.id === id) say("This is the marked one: go to another.");
  else return `/inspector/compare/${encodeURIComponent(found.id)}/${encodeURIComponent(id)}`;
  return null;
}
