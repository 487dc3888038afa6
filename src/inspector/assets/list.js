// The list: newest first, kept up to date by the stream, narrowed by the filter in the address.

import * as api from "./api.js";
import { cells, columnsDialog, headings, nameOf, shownColumns } from "./columns.js";
import { jsonCurl, soapCurl } from "./copies.js";
import { decideAllDialog } from "./decide_all.js";
import { copy, element, fill, go, say, visible } from "./dom.js";
import { savedFilters } from "./filters.js";
import { FILTERS } from "./help.js";
import { comparison, toggleMark } from "./marked.js";
import { listOf, searchFor } from "./related.js";
import { RowWindow } from "./window.js";

// The largest number of rows to scroll through; older rows need a filter.
const MOST_ROWS = 100_000;
// The number of rows on the first page, which is kept up to date, and on each page that scrolling reads.
const PAGE = 100;
const FURTHER = 500;

const isLater = (a, b) => a.at > b.at || (a.at === b.at && a.number > b.number);

export function listPage(main, user) {
  document.title = "Traffic – Inspector";
  let columns = shownColumns();
  const rows = new RowWindow({ head: headings(columns), caption: "Requests and exchanges, newest first", make: (row) => cells(row, columns), more: () => more(), onclick: openRow });
  // The rows by their ids.
  let known = new Map();
  let waiting = new Map();
  let isPaused = false;
  // The filter keeps its place, and is disabled for a moment.
  let isOff = false;
  let next = null;
  let asked = 0;
  let isReading = false;
  let events = null;
  const filter = new URLSearchParams(location.search).get("q") ?? "";

  const input = element("input", {
    id: "filter", type: "search", value: filter, autocomplete: "off", spellcheck: false, list: "filter-keys",
    placeholder: "type:create_pairing card:0145* state:rejected since:2h",
    "aria-describedby": "fault",
  });
  const fault = element("p", { id: "fault", className: "fault", role: "alert" });
  const status = element("p", { className: "counts", role: "status" });
  const near = element("p", { className: "near", role: "status" });
  const button = (name, onclick, more) => element("button", { type: "button", onclick, ...more }, name);
  const pause = button("Pause", () => setPaused(!isPaused), { "aria-pressed": "false" });
  const off = button("Filter off", () => setOff(!isOff), { "aria-pressed": "false" });
  const filters = savedFilters((words) => { input.value = words; apply(); });
  const options = FILTERS.map(([word]) => word).filter((word) => word.includes(":"));
  fill(main,
    element("h1", { className: "offscreen" }, "Traffic"),
    element("form", { className: "filter", role: "search", onsubmit(event) { event.preventDefault(); apply(); } },
      element("label", { for: "filter" }, "Filter"), input,
      element("datalist", { id: "filter-keys" }, options.map((value) => element("option", { value }))),
      element("div", { className: "bar" }, element("button", { type: "submit" }, "Apply"), off, button("Save filter", saveFilter), pause, button("Now", toNow),
        button("Columns", chooseColumns), user.role === "operate" && button("All that match …", decideAll))),
    filters.bar, fault, status, near, rows.box);
  document.body.classList.add("has-list");

  const words = () => (isOff ? "" : input.value.trim());

  function chooseColumns() {
    columnsDialog(() => {
      columns = shownColumns();
      rows.redraw(headings(columns));
    });
  }

  function decideAll() {
    decideAllDialog(words(), () => load());
  }

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

  // A card's number without a key is taken as a card; in quotation marks it is text.
  const meant = (q) => (/^\d[\d\s.-]{6,}\d$/.test(q) ? `card:${q.replace(/[\s.-]/g, "")}` : q);

  function apply() {
    input.value = meant(input.value.trim());
    const q = input.value;
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
    [known, waiting, next] = [new Map(), new Map(), null];
    const mine = ++asked;
    isReading = true;
    rows.clear();
    fault.textContent = "";
    fill(near);
    setPaused(false);
    await read(PAGE);
    if (mine !== asked || fault.textContent) return;
    events = api.stream({ q, limit: PAGE });
    events.addEventListener("rows", (event) => news(JSON.parse(event.data)));
    events.onopen = counts;
    events.onerror = () => (status.textContent = "Not live: the gateway does not answer. Trying again …");
    rows.draw();
    if (!known.size && q) offerNear(q, mine);
  }

  // If no row has the card: suggests cards whose number differs in a digit or two.
  async function offerNear(q, mine) {
    const found = await api.near({ q }).catch(() => null);
    if (mine !== asked || known.size || !found?.near.length) return;
    const links = found.near.map((id) => [" ", element("a", { href: listOf(searchFor(found.key, id)) }, visible(id))]);
    fill(near, `Nothing has this ${found.key === "card" ? "card" : "box"}. Near it:`, links);
  }

  // Reads further rows when the end comes near.
  function more() {
    if (!isReading && next && known.size < MOST_ROWS) read(FURTHER);
  }

  // Reads until there are `count` further rows, or everything was searched.
  async function read(count) {
    const [mine, q] = [asked, words()];
    const enough = Math.min(MOST_ROWS, known.size + count);
    isReading = true;
    try {
      do {
        const page = await api.exchanges({ q, before: next, limit: count });
        if (mine !== asked) return;
        next = page.next;
        page.rows.forEach(place);
        rows.drawSoon();
        counts(page.searched_to && next ? `Searching; back to ${page.searched_to.replace("T", " ")} …` : "");
      } while (next && known.size < enough);
      counts();
    } catch (failure) {
      if (mine !== asked) return;
      fault.textContent = failure.message;
      status.textContent = "";
      next = null;
    }
    isReading = false;
    rows.drawSoon();
  }

  // The index of a row, or the index where it belongs.
  function indexOf(row) {
    let [low, high] = [0, rows.items.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (isLater(rows.items[middle], row)) low = middle + 1;
      else high = middle;
    }
    // A request and an exchange may have the same date and number.
    while (low < rows.items.length && rows.items[low].id !== row.id && !isLater(row, rows.items[low])) low++;
    return low;
  }

  // Puts a row at its date, in place of the earlier state of the row.
  function place(row) {
    const before = known.get(row.id);
    if (before) {
      // An unchanged row stays in the page, since the reader may be about to click.
      if (JSON.stringify(before) === JSON.stringify(row)) return;
      rows.items[indexOf(before)] = row;
      rows.changed(row.id);
    } else {
      const at = indexOf(row);
      rows.items.splice(at, 0, row);
      rows.moved(at, 1);
    }
    known.set(row.id, row);
  }

  function drop(id) {
    const row = known.get(id);
    if (!row) return;
    const at = indexOf(row);
    rows.items.splice(at, 1);
    rows.moved(at, -1);
    known.delete(id);
  }

  function news({ rows: changed, gone }) {
    if (changed.length) fill(near);
    if (isPaused) {
      changed.forEach((row) => waiting.set(row.id, row));
      gone.forEach((id) => waiting.set(id, null));
      return counts();
    }
    changed.toReversed().forEach(place);
    gone.forEach(drop);
    while (known.size > MOST_ROWS) drop(rows.items.at(-1).id);
    rows.draw();
    counts();
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
    const count = known.size;
    const all = `${count} ${count === 1 ? "row" : "rows"}${next ? ", and older ones further down" : ""}`;
    const most = count >= MOST_ROWS ? `; narrow the filter to see more than ${MOST_ROWS}` : "";
    const state = (isPaused ? `Paused; ${waiting.size} changed meanwhile` : "Live") + (isOff ? "; the filter is off" : "");
    status.textContent = `${state}. ${count ? all + most : "Nothing found"}.`;
  }

  function toNow() {
    setPaused(false);
    rows.box.scrollTop = 0;
    rows.draw();
    rows.body.querySelector("a")?.focus({ preventScroll: true });
  }

  function openRow(event) {
    if (event.target.closest("a") || getSelection().toString()) return;
    event.target.closest("tr")?.querySelector("a").click();
  }

  // The row that last had the keyboard focus.
  function current() {
    const row = known.get(rows.current);
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

  return {
    ready: load(),
    leave() {
      asked++;
      events?.close();
      rows.leave();
      document.body.classList.remove("has-list");
    },
    keys: {
      "/": () => { input.focus(); input.select(); },
      Escape: () => { rows.body.querySelector("a")?.focus(); },
      j: () => rows.step(1),
      k: () => rows.step(-1),
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
