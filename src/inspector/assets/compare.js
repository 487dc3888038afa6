// The comparison of two requests or exchanges: every node in which they differ.

import * as api from "./api.js";
import { element, fill, go, spaced, visible } from "./dom.js";

const PARTS = { record: "Record", request: "SOAP request", answer: "SOAP response" };

export function comparePage(main, first, second) {
  let isLeft = false;
  const back = () => element("p", {}, element("a", { href: "/inspector/" }, "To the list"));
  const swap = () => go(`/inspector/compare/${encodeURIComponent(second)}/${encodeURIComponent(first)}`);

  async function load() {
    document.title = "Compare – Inspector";
    let found;
    try {
      found = await api.compare(first, second);
    } catch (failure) {
      if (!isLeft) fill(main, element("h1", {}, "Not found"), element("p", { className: "fault", role: "alert" }, failure.message), back());
      return;
    }
    if (isLeft) return;
    const { differences } = found;
    fill(main, back(), element("h1", {}, "Compare"),
      element("div", { className: "sides" }, side("First", found.first), side("Second", found.second)),
      element("div", { className: "bar" }, element("button", { type: "button", onclick: swap }, "Swap"),
        element("span", { className: "counts", role: "status" }, differences.length ? `${differences.length} ${differences.length === 1 ? "difference" : "differences"}` : "No difference.")),
      Object.entries(PARTS).map(([part, title]) => section(title, differences.filter((each) => each.in === part))));
  }

  return { ready: load(), leave() { isLeft = true; }, keys: { u: () => main.querySelector("a")?.click(), s: swap } };
}

function side(title, { kind, id, number, time, operation }) {
  const name = kind === "exchange" ? `SOAP ${number}` : `Request ${number}`;
  return element("div", { className: "text" }, element("h2", {}, title), element("p", {},
    element("a", { href: `/inspector/exchanges/${id}` }, name), ` ${visible(operation)}, ${spaced(time)}`));
}

function section(title, differences) {
  if (!differences.length) return null;
  const value = (text, name, className) => element("td", { className, "data-name": name }, text === null ? element("i", {}, "nothing") : visible(text));
  const rows = differences.map(({ at, first, second }) => element("tr", {},
    element("th", { scope: "row", className: "at" }, visible(at)), value(first, "First", "was"), value(second, "Second", "is")));
  const headings = ["Where", "First", "Second"].map((name) => element("th", { scope: "col" }, name));
  return element("section", {}, element("h2", {}, title), element("div", { className: "table" },
    element("table", { className: "differences" }, element("thead", {}, element("tr", {}, headings)), element("tbody", {}, rows))));
}
