// Related rows: with the same card, and with the same reference.

import * as api from "./api.js";
import { element, fill, spaced, visible } from "./dom.js";

// The largest number of related rows of each kind.
const MOST = 5;

export const searchFor = (term, value) => `${term}:${/[\s,"*:-]/.test(value) ? `"${value.replaceAll("\"", "")}"` : value}`;
export const listOf = (q) => `/inspector/?${new URLSearchParams({ q })}`;

export function relatedSection(detail) {
  const id = detail.record?.id ?? detail.id;
  const asked = [...detail.cards.slice(0, 2).map((card) => ["card", card]), ["reference", detail.record?.reference_number]].filter(([, value]) => value);
  if (!asked.length) return null;
  const groups = element("div", { className: "related" });
  for (const [term, value] of asked) {
    const place = element("div", {}, element("h3", {}, `Same ${term}: `, element("a", { href: listOf(searchFor(term, value)) }, visible(value))),
      element("p", { className: "note" }, "Looking …"));
    groups.append(place);
    api.exchanges({ q: searchFor(term, value), limit: MOST + 1 }).then(({ rows }) => {
      const others = rows.filter((row) => row.id !== id).slice(0, MOST);
      place.lastChild.replaceWith(others.length ? element("ul", {}, others.map(line)) : element("p", { className: "note" }, "No others."));
    }, (failure) => fill(place.lastChild, failure.message));
  }
  return element("section", { "aria-labelledby": "related" }, element("h2", { id: "related" }, "Others"), groups);
}

function line(row) {
  const name = row.kind === "exchange" ? `SOAP ${row.number}` : `Request ${row.number}`;
  return element("li", {}, element("a", { href: `/inspector/exchanges/${row.id}` }, name),
    ` ${spaced(row.time)} ${visible(row.operation)} `, element("span", { className: `state ${row.state.toLowerCase()}` }, row.state),
    row.reason && ` ${visible(row.reason).slice(0, 100)}`);
}
