// The list: newest first, kept up to date by the stream, narrowed by the filter, which stands in the address.

import * as api from "./api.js";
import { jsonCurl, soapCurl } from "./copies.js";
import { copy, element, fill, go, say, spaced, visible } from "./dom.js";
import { savedFilters } from "./filters.js";
import { FILTERS } from "./help.js";
import { comparison, toggleMark } from "./marked.js";

// Rows on the page, at most: further ones are for the filter.
const MOST_ROWS = 2000;
const PAGE = 100;

const COLUMNS = [
  ["Number", "number"], ["Time", "time"], ["Type", "operation"], ["Card", "card"], ["State", "state"],
  ["HTTP", "status"], ["Reason", "reason"], ["ms", "duration"], ["Reference", "reference"],
];

function cells(row) {
  const cards = row.cards.map(visible).join(", ") + (row.more_cards ? ` and ${row.more_cards} more` : "");
  const name = row.kind === "exchange" ? `SOAP ${row.number}` : String(row.number);
  const link = element("a", {
    href: `/inspector/exchanges/${row.id}`, "aria-label": `${name}: ${visible(row.operation)}, ${row.state}`,
  }, name);
  const state = element("span", { className: `state ${row.state.toLowerCase()}` }, row.state);
  return [
    element("td", { className: "number" }, link),
    element("td", { className: "time" }, spaced(row.time)),
    element("td", { className: "operation" }, visible(row.operation)),
    element("td", { className: "card" }, cards),
    element("td", { className: "state" }, state, row.in_doubt && element("span", { className: "state in-doubt" }, "in doubt")),
    element("td", { className: "status" }, row.http_status === null ? "" : String(row.http_status)),
    element("td", { className: "reason", title: visible(row.reason ?? "").slice(0, 1000) }, visible(row.reason ?? "").slice(0, 200)),
    element("td", { className: "duration" }, row.duration_ms === null ? "" : String(row.duration_ms)),
    element("td", { className: "reference" }, visible(row.reference ?? "")),
  ];
}

const nameOf = (row) => (row.kind === "exchange" ? `SOAP ${row.number}` : `Request ${row.number}`);
const isLater = (a, b) => a.at > b.at || (a.at === b.at && a.number > b.number);

export function listPage(main) {
  document.title = "Traffic – Inspector";
  // Rows on the page, newest first, each with its table row.
  let shown = [];
  let waiting = new Map();
  let isPaused = false;
  // The filter stays where it is, and does nothing for a moment.
  let isOff = false;
  let next = null;
  let asked = 0;
  let events = null;
  const filter = new URLSearchParams(location.search).get("q") ?? "";

  const input = element("input", {
    id: "filter", type: "search", value: filter, autocomplete: "off", spellcheck: false, list: "filter-keys",
    placeholder: "type:create_pairing card:0145* state:rejected since:2h",
    "aria-describedby": "fault",
  });
  const fault = element("p", { id: "fault", className: "fault", role: "alert" });
  const status = element("p", { className: "counts", role: "status" });
  const pause = element("button", { type: "button", "aria-pressed": "false", onclick: () => setPaused(!isPaused) }, "Pause");
  const off = element("button", { type: "button", "aria-pressed": "false", onclick: () => setOff(!isOff) }, "Filter off");
  const filters = savedFilters((words) => { input.value = words; apply(); });
  const keep = element("button", { type: "button", onclick: saveFilter }, "Save filter");
  const now = element("button", { type: "button", onclick: toNow }, "Now");
  const older = element("button", { type: "button", className: "older", onclick: () => more() }, "Older");
  const body = element("tbody", { onclick: openRow });
  const table = element("table", {},
    element("caption", { className: "offscreen" }, "Requests and exchanges, newest first"),
    element("thead", {}, element("tr", {}, COLUMNS.map(([name, key]) => element("th", { scope: "col", className: key }, name)))),
    body);
  const options = FILTERS.map(([word]) => word).filter((word) => word.includes(":"));
  fill(main,
    element("h1", { className: "offscreen" }, "Traffic"),
    element("form", { className: "filter", role: "search", onsubmit(event) { event.preventDefault(); apply(); } },
      element("label", { for: "filter" }, "Filter"), input,
      element("datalist", { id: "filter-keys" }, options.map((value) => element("option", { value }))),
      element("button", { type: "submit" }, "Apply"), off, keep, pause, now),
    filters.bar, fault, status, element("div", { className: "table" }, table), older);

  const words = () => (isOff ? "" : input.value.trim());

  function setOff(value) {
    isOff = value;
    off.setAttribute("aria-pressed", String(isOff));
    load();
  }

  function saveFilter() {
    const q = input.value.trim();
    if (!q) return say("There is no filter to save.");
    filters.add(q);
    say("Saved in this browser.");
  }

  function apply() {
    const q = input.value.trim();
    isOff = false;
    off.setAttribute("aria-pressed", "false");
    const address = q ? `/inspector/?${new URLSearchParams({ q })}` : "/inspector/";
    if (address !== location.pathname + location.search) history.pushState(null, "", address);
    load();
  }

  // Reads the list anew, and follows it.
  async function load() {
    const q = words();
    events?.close();
    [shown, waiting, next] = [[], new Map(), null];
    body.replaceChildren();
    fault.textContent = "";
    setPaused(false);
    const mine = ++asked;
    await more();
    if (mine !== asked || fault.textContent) return;
    events = api.stream({ q, limit: PAGE });
    events.addEventListener("rows", (event) => news(JSON.parse(event.data)));
    events.onopen = counts;
    events.onerror = () => (status.textContent = "Not live: the gateway does not answer. Trying again …");
  }

  // Reads on: until there is a page of further rows, or everything was searched.
  async function more() {
    const mine = asked;
    const q = words();
    older.hidden = true;
    const enough = shown.length + PAGE;
    try {
      do {
        const page = await api.exchanges({ q, before: next, limit: PAGE });
        if (mine !== asked) return;
        next = page.next;
        page.rows.forEach(place);
        counts(page.searched_to && next ? `Searching; back to ${page.searched_to.replace("T", " ")} …` : "");
      } while (next && shown.length < enough && shown.length < MOST_ROWS);
      older.hidden = !next || shown.length >= MOST_ROWS;
      counts();
    } catch (failure) {
      if (mine !== asked) return;
      fault.textContent = failure.message;
      status.textContent = "";
    }
  }

  // Puts a row where its time is, in the place of the same row as it was.
  function place(row) {
    const known = shown.findIndex((other) => other.id === row.id);
    const text = JSON.stringify(row);
    // A row that stays as it is stays where somebody may be about to click.
    if (known >= 0 && shown[known].text === text) return;
    if (known >= 0) {
      shown[known] = { ...row, text, line: shown[known].line };
      fill(shown[known].line, cells(row));
      return;
    }
    let at = shown.findIndex((other) => isLater(row, other));
    if (at < 0) at = shown.length;
    const line = element("tr", {}, cells(row));
    body.insertBefore(line, shown[at]?.line ?? null);
    shown.splice(at, 0, { ...row, text, line });
  }

  function news({ rows, gone }) {
    if (isPaused) {
      rows.forEach((row) => waiting.set(row.id, row));
      gone.forEach((id) => waiting.set(id, null));
      return counts();
    }
    const focused = document.activeElement?.closest("tr");
    for (let i = rows.length - 1; i >= 0; i--) place(rows[i]);
    gone.forEach(drop);
    while (shown.length > MOST_ROWS) shown.pop().line.remove();
    if (focused?.isConnected) focused.querySelector("a").focus({ preventScroll: true });
    counts();
  }

  function drop(id) {
    const at = shown.findIndex((row) => row.id === id);
    if (at >= 0) shown.splice(at, 1)[0].line.remove();
  }

  function setPaused(paused) {
    isPaused = paused;
    pause.setAttribute("aria-pressed", String(paused));
    pause.textContent = paused ? "Go on" : "Pause";
    if (!paused && waiting.size) {
      const held = [...waiting];
      waiting = new Map();
      news({ rows: held.map(([, row]) => row).filter(Boolean), gone: held.filter(([, row]) => !row).map(([id]) => id) });
    }
    counts();
  }

  function counts(more) {
    if (typeof more === "string" && more) return (status.textContent = more);
    const rows = `${shown.length} ${shown.length === 1 ? "row" : "rows"}${next ? ", and older ones" : ""}`;
    const most = shown.length >= MOST_ROWS ? `; narrow the filter to see more than ${MOST_ROWS}` : "";
    const state = (isPaused ? `Paused; ${waiting.size} changed meanwhile` : "Live") + (isOff ? "; the filter is off" : "");
    status.textContent = `${state}. ${shown.length ? rows + most : "Nothing found"}.`;
  }

  function toNow() {
    setPaused(false);
    scrollTo({ top: 0 });
    body.querySelector("a")?.focus({ preventScroll: true });
  }

  function openRow(event) {
    if (event.target.closest("a") || getSelection().toString()) return;
    event.target.closest("tr")?.querySelector("a").click();
  }

  // The row that the keyboard is at.
  function current() {
    const line = document.activeElement?.closest("tbody tr");
    const row = line && shown.find((other) => other.line === line);
    if (!row) say("Go to a row first: j, k.");
    return row;
  }

  function mark() {
    const row = current();
    if (row) toggleMark(row.id, nameOf(row));
  }

  function compare() {
    const row = current();
    const path = row && comparison(row.id);
    if (path) go(path);
  }

  async function copyCurl() {
    const row = current();
    if (!row) return;
    try {
      const detail = await api.exchange(row.id);
      const text = jsonCurl(detail) ?? soapCurl(detail);
      if (text) await copy(text, `${nameOf(row)} as curl`);
    } catch (failure) {
      say(failure.message);
    }
  }

  function move(by) {
    const links = [...body.querySelectorAll("td.number a")];
    const at = links.indexOf(document.activeElement);
    const link = at < 0 ? links[0] : links[at + by];
    if (!link) return;
    link.focus();
    link.closest("tr").scrollIntoView({ block: "nearest" });
  }

  return {
    ready: load(),
    leave() {
      asked++;
      events?.close();
    },
    keys: {
      "/": () => { input.focus(); input.select(); },
      Escape: () => { body.querySelector("a")?.focus(); },
      j: () => move(1),
      k: () => move(-1),
      p: () => setPaused(!isPaused),
      n: toNow,
      f: () => setOff(!isOff),
      s: saveFilter,
      m: mark,
      d: compare,
      c: copyCurl,
      a: () => { const row = current(); if (row) go(`/inspector/exchanges/${row.id}#again`); },
    },
  };
}
