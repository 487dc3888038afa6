// The overview: the work that is waiting now, and figures of a period that link to their rows.

import * as api from "./api.js";
import { element, fill, go, spaced, visible } from "./dom.js";
import { bars, curves } from "./plot.js";
import { listOf } from "./related.js";

const PERIODS = [["1h", "1 hour"], ["6h", "6 hours"], ["24h", "24 hours"], ["7d", "7 days"]];
const STATES = [["COMPLETED", "completed"], ["PASSED", "passed"], ["PENDING", "pending"], ["IN_DOUBT", "in-doubt"], ["REJECTED", "rejected"], ["BROKEN", "broken"]];
const BREAKERS = { closed: ["completed", "in order"], open: ["rejected", "paused: no answers"], half_open: ["pending", "being tried again"] };
// How often the page is refreshed while it is visible, in milliseconds.
const PAUSE = 15_000;

const milliseconds = (ms) => (ms === null ? "–" : ms < 10_000 ? `${ms} ms` : `${(ms / 1000).toFixed(1)} s`);
const seconds = (s) => (s < 120 ? `${s} s` : s < 7200 ? `${Math.round(s / 60)} min` : `${(s / 3600).toFixed(1)} h`);

export function overviewPage(main) {
  const since = new URLSearchParams(location.search).get("since") ?? "24h";
  let isLeft = false;
  let timer = null;
  document.title = "Overview – Inspector";
  const place = element("div", {});
  const fault = element("p", { className: "fault", role: "alert" });
  fill(main, element("h1", {}, "Overview"),
    element("div", { className: "bar", role: "group", "aria-label": "Time" }, PERIODS.map(([word, name]) => element("button", {
      type: "button", "aria-pressed": String(word === since), onclick: () => go(`/inspector/overview?since=${word}`),
    }, name))), fault, place);

  async function load() {
    try {
      const found = await api.overview({ since });
      if (isLeft) return;
      fault.textContent = "";
      fill(place, sections(found, since));
    } catch (failure) {
      if (isLeft) return;
      fault.textContent = failure.message;
    }
    timer = setTimeout(later, PAUSE);
  }

  // A hidden page, or a page that is read with the keyboard, is not refreshed.
  function later() {
    if (!document.hidden && !place.contains(document.activeElement)) load();
    else timer = setTimeout(later, PAUSE);
  }

  return { ready: load(), leave() { isLeft = true; clearTimeout(timer); }, keys: { u: () => go("/inspector/") } };
}

function sections(found, since) {
  const { figures } = found;
  const of = (words) => listOf(`${words} since:${since}`);
  return [
    section("Now", nowTiles(found.waiting), upstreams(found.upstreams)),
    found.counted_from && element("p", { className: "note" }, `There is more than can be counted at once: the figures are of the ${found.rows} newest rows, since ${spaced(found.counted_from)}.`),
    element("div", { className: "columns" },
      section(`${found.rows} requests and exchanges`, byState(found, figures)),
      section("How long they took", latency(found, figures))),
    element("div", { className: "columns" },
      section("Reasons", reasons(figures, of)), section("Types", types(figures, of))),
  ];
}

const section = (title, ...children) => element("section", { className: "panel", "aria-label": title }, element("h2", {}, title), children);

function tile(name, value, note, href, className) {
  const number = element("span", { className: `figure ${value ? className ?? "" : ""}` }, String(value));
  return element("div", { className: "tile" }, element("dt", {}, name), element("dd", {}, href ? element("a", { href }, number) : number, note && element("span", { className: "note" }, note)));
}

function nowTiles({ store, under_way, calls_waiting }) {
  if (!store) return element("p", { className: "fault" }, "The store does not answer now.");
  const sum = (key) => store.priorities.reduce((total, each) => total + each[key], 0);
  const oldest = Math.max(0, ...store.priorities.map((each) => each.oldest_due_s ?? 0));
  const due = sum("due");
  return element("dl", { className: "tiles" },
    tile("Due", due, due ? `the oldest for ${seconds(oldest)}` : "nothing waits for its turn", listOf("state:pending")),
    tile("For a later date", sum("scheduled"), "their date has not come, or the next attempt", listOf("state:pending")),
    tile("Blocked", store.blocked, "an earlier request of the card is not done"),
    tile("Being sent", under_way, calls_waiting ? `${calls_waiting} calls wait for a slot` : "no call waits for a slot"),
    tile("Being resolved", store.resolving, "sent, and Conax is asked what became of it", listOf("state:in_doubt"), "wait"),
    tile("Need an operator", store.needs_operator, "sent, and nobody knows what became of it", listOf("state:needs_operator"), "bad"));
}

function upstreams(all) {
  if (!all.length) return element("p", { className: "note" }, "Answers come from recorded traffic.");
  const isOne = new Set(all.map(({ provider }) => provider)).size === 1;
  return element("ul", { className: "plain" }, all.map(({ provider, base_url, breaker }) => {
    const [className, words] = BREAKERS[breaker];
    return element("li", {}, element("span", { className: "state" }, element("span", { className }, words)), isOne ? " " : ` ${provider}: `, visible(base_url));
  }));
}

const ends = (found) => [spaced(found.since_time), "now"];
const count = (states) => Object.values(states).reduce((sum, value) => sum + value, 0);
const named = (states) => STATES.filter(([state]) => states[state]).map(([state]) => `${state.toLowerCase()} ${states[state]}`).join(", ");

function byState(found, figures) {
  const steps = figures.steps.map(({ from, states }) => ({
    title: `${new Date(from).toLocaleString()}: ${named(states) || "nothing"}`, parts: STATES.map(([state, name]) => [name, states[state] ?? 0]),
  }));
  const totals = {};
  for (const { states } of figures.steps) for (const [state, value] of Object.entries(states)) totals[state] = (totals[state] ?? 0) + value;
  return [bars(`By state over time: ${named(totals) || "nothing"}`, steps, ends(found)), legend(STATES.filter(([state]) => totals[state]).map(([state, name]) => [name, `${state.toLowerCase().replace("_", " ")} ${totals[state]}`]))];
}

const legend = (entries) => element("ul", { className: "legend" }, entries.map(([name, words]) => element("li", {}, element("span", { className: `key ${name}`, "aria-hidden": "true" }), words)));

function latency(found, figures) {
  const { durations, steps } = figures;
  if (!durations.count) return element("p", { className: "note" }, "Nothing was sent.");
  const lines = ["p95", "p50"].map((name) => ({ name, values: steps.map((step) => step.durations[name]) }));
  const words = [["p50", "half within"], ["p95", "95 of 100 within"], ["p99", "99 of 100 within"]].map(([name, words]) => `${words} ${milliseconds(durations[name])}`);
  return [curves(`Durations over time: ${words.join(", ")}`, lines, ends(found), " ms"),
    legend([["p50", words[0]], ["p95", words[1]]]), element("p", { className: "note" }, `${words[2]}; the longest took ${milliseconds(durations.most)}.`)];
}

// The words of a reason as a term of the filter.
const faultTerm = (reason) => `fault:"${reason.replaceAll("\"", "*")}"`;

function reasons({ reasons, more_reasons }, of) {
  if (!reasons.length) return element("p", { className: "note" }, "Nothing went wrong.");
  const most = reasons[0].count;
  const rows = reasons.map(({ reason, count }) => {
    const bar = element("span", { className: "bar-part bad" });
    bar.style.width = `max(2px, ${(100 * count) / most}%)`;
    return element("tr", {}, element("td", { className: "duration" }, String(count)), element("td", { className: "track", "aria-hidden": "true" }, bar),
      element("td", {}, element("a", { href: of(faultTerm(reason)) }, visible(reason))));
  });
  return [element("table", { className: "ranked" }, head("Count", "", "Reason"), element("tbody", {}, rows)),
    more_reasons > 0 && element("p", { className: "note" }, `and ${more_reasons} others`)];
}

function types({ types }, of) {
  if (!types.length) return element("p", { className: "note" }, "Nothing happened.");
  const rows = types.map(({ operation, states, durations }) => element("tr", {},
    element("td", {}, element("a", { href: of(`type:${/^\w+$/.test(operation) ? operation : `"${operation.replaceAll("\"", "*")}"`}`) }, visible(operation))),
    element("td", { className: "duration" }, String(count(states))),
    element("td", { className: "duration" }, String((states.REJECTED ?? 0) + (states.BROKEN ?? 0))),
    element("td", { className: "duration" }, milliseconds(durations.p50)), element("td", { className: "duration" }, milliseconds(durations.p95))));
  return element("div", { className: "table" }, element("table", {}, head("Type", "All", "Failed", "p50", "p95"), element("tbody", {}, rows)));
}

const NAMES_OF_WORDS = ["Reason", "Type"];
const head = (...names) => element("thead", {}, element("tr", {}, names.map((name) => name
  ? element("th", { scope: "col", className: NAMES_OF_WORDS.includes(name) ? "" : "duration" }, name) : element("td", {}))));
