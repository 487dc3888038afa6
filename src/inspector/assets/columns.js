// The columns of the list: their content, which are shown, and their order. The choice is kept in this browser.

import { element, fill, spaced, visible } from "./dom.js";

const KEY = "columns";
// The longest reason in a cell, in characters; the row's page has the whole reason.
const SHOWN = 200;

export const nameOf = (row) => (row.kind === "exchange" ? `SOAP ${row.number}` : `Request ${row.number}`);

function number(row) {
  const name = row.kind === "exchange" ? `SOAP ${row.number}` : String(row.number);
  return element("a", { href: `/inspector/exchanges/${row.id}`, "aria-label": `${name}: ${visible(row.operation)}, ${row.state}` }, name);
}

function state(row) {
  return [element("span", { className: `state ${row.state.toLowerCase()}` }, row.state),
    row.in_doubt && element("span", { className: "state in-doubt" }, " in doubt")];
}

const cards = (row) => row.cards.map(visible).join(", ") + (row.more_cards ? ` and ${row.more_cards} more` : "");
const text = (value) => (value === null || value === undefined ? "" : visible(String(value)));

// The columns by key, which is also the class of the cells: heading, cell, and tooltip.
const COLUMNS = new Map([
  ["number", { heading: "Number", cell: number }],
  ["time", { heading: "Time", cell: (row) => spaced(row.time) }],
  ["operation", { heading: "Type", cell: (row) => visible(row.operation), whole: (row) => visible(row.operation) }],
  ["card", { heading: "Card", cell: cards, whole: cards }],
  ["state", { heading: "State", cell: state }],
  ["status", { heading: "HTTP", cell: (row) => text(row.http_status) }],
  ["reason", { heading: "Reason", cell: (row) => text(row.reason).slice(0, SHOWN), whole: (row) => text(row.reason).slice(0, 1000) }],
  ["duration", { heading: "ms", cell: (row) => text(row.duration_ms) }],
  ["reference", { heading: "Reference", cell: (row) => text(row.reference), whole: (row) => text(row.reference) }],
  ["attempts", { heading: "Attempts", cell: (row) => text(row.attempts) }],
  ["id", { heading: "Id", cell: (row) => row.id, whole: (row) => row.id }],
]);
const USUAL = ["number", "time", "operation", "card", "state", "status", "reason", "duration", "reference"];

// The keys of the shown columns, in order. The number is always shown, since it links to the row's page.
export function shownColumns() {
  let kept;
  try {
    kept = JSON.parse(localStorage.getItem(KEY));
  } catch {
    kept = null;
  }
  const known = Array.isArray(kept) ? kept.filter((key) => COLUMNS.has(key)) : USUAL;
  return known.includes("number") ? known : ["number", ...known];
}

export const headings = (columns) => columns.map((key) => element("th", { scope: "col", className: key }, COLUMNS.get(key).heading));

export const cells = (row, columns) => columns.map((key) => {
  const { cell, whole } = COLUMNS.get(key);
  return element("td", { className: key, title: whole?.(row) }, cell(row));
});

// A dialog for the shown columns and their order; `done` is called after each change.
export function columnsDialog(done) {
  const list = element("ul", { className: "plain choices" });
  let shown = shownColumns();

  function keep(columns) {
    shown = columns;
    localStorage.setItem(KEY, JSON.stringify(shown));
    draw();
    done();
  }

  function move(key, by) {
    const at = shown.indexOf(key);
    const moved = shown.filter((other) => other !== key);
    moved.splice(at + by, 0, key);
    keep(moved);
    // The pressed button at its new place, or the other button at an end of the list.
    const again = [...list.children].find((item) => item.dataset.key === key).querySelectorAll(".move");
    const next = again[by < 0 ? 0 : 1];
    (next.disabled ? again[by < 0 ? 1 : 0] : next).focus();
  }

  function item(key, at) {
    const { heading } = COLUMNS.get(key);
    const isShown = at >= 0;
    const id = `column-${key}`;
    const box = element("input", {
      id, type: "checkbox", checked: isShown, disabled: key === "number",
      onchange: () => { keep(isShown ? shown.filter((other) => other !== key) : [...shown, key]); document.getElementById(id).focus(); },
    });
    const arrow = (by, sign, words) => element("button", {
      type: "button", className: "move", "aria-label": `${heading}: ${words}`, disabled: !isShown || at + by < 0 || at + by >= shown.length, onclick: () => move(key, by),
    }, sign);
    return element("li", { "data-key": key }, box, element("label", { for: id }, heading), arrow(-1, "↑", "further to the front"), arrow(1, "↓", "further to the back"));
  }

  function draw() {
    const others = [...COLUMNS.keys()].filter((key) => !shown.includes(key));
    fill(list, shown.map(item), others.map((key) => item(key, -1)));
  }

  draw();
  const dialog = element("dialog", { "aria-labelledby": "columns-title", onclose: () => dialog.remove() },
    element("h2", { id: "columns-title" }, "Columns"), element("p", {}, "Kept in this browser."), list,
    element("form", { method: "dialog", className: "bar" },
      element("button", { type: "button", onclick: () => { localStorage.removeItem(KEY); shown = USUAL; draw(); done(); } }, "As usual"),
      element("button", { type: "submit", autofocus: true }, "Close")));
  document.body.append(dialog);
  dialog.showModal();
}
