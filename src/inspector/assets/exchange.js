// The page of one request or exchange: its outcome, its texts side by side, its history, and the allowed decisions.

import * as api from "./api.js";
import { copy, element, fill, go, save, say, spaced, visible } from "./dom.js";
import { headersText, jsonCurl, redactedText, soapCurl, wholeText } from "./copies.js";
import { decide, decisionButtons } from "./decide.js";
import { faultSection } from "./fault.js";
import { comparison, toggleMark } from "./marked.js";
import { listOf, relatedSection, searchFor } from "./related.js";
import { forgetViews, textView, toggleRaw } from "./text.js";
import { timingsSection } from "./timings.js";

const search = (term, value) => listOf(searchFor(term, value));

// The longest value in the summary, in characters; the texts have the whole value.
const SHOWN = 400;

// A name, a value, and the link of the value.
function summary(detail) {
  const cards = detail.cards.map((card) => ["Card", card, search("card", card)]);
  if (detail.kind === "exchange") {
    return [
      ["State", detail.state], ["Reason", detail.reason], ...cards, ["Time", spaced(detail.time)], ["Operation", detail.operation], ["Path", detail.path],
      ["HTTP status", detail.answer ? `${detail.answer.http_status} ${detail.answer.reason}` : "no answer"],
      ["Duration", `${detail.duration_ms} ms`], ["User", detail.user], ["Error type", detail.error_type],
      ["Number", detail.number], ["Id", detail.id],
    ].filter(([, value]) => value !== undefined && value !== null && value !== "");
  }
  const { record } = detail;
  const codes = [record.error_code, record.provider_error_code].filter(Boolean).join(", ");
  return [
    ["State", record.life_cycle_state], ["Reason", record.provider_error_description ?? record.error_description?.split("\n")[0]],
    ...cards, ["Code", codes], ["Delivery", record.delivery.state],
    ["In doubt", record.delivery.in_doubt ? "it was sent, and may have worked" : null],
    ["Reference", record.reference_number, record.reference_number && search("reference", record.reference_number)],
    ["Created", spaced(record.log_information.created_date)], ["By", record.log_information.created_by_user.username],
    ["Due", spaced(record.scheduled_date)], ["Sent", spaced(record.executed_date)],
    ["Next attempt", spaced(record.delivery.next_attempt_date)], ["Attempts", record.delivery.attempts],
    ["Priority", record.priority], ["Number", record.number], ["Id", record.id],
  ].filter(([, value]) => value !== undefined && value !== null && value !== "");
}

function texts(detail) {
  const cut = (message) => (message.is_truncated ? "Only the beginning was kept, or nothing that can be read." : undefined);
  if (detail.kind === "exchange") {
    const { request, answer } = detail;
    return [
      textView("Request headers", headersText(request.headers)),
      textView("Response headers", answer && headersText(answer.headers)),
      textView("SOAP request", request.body, cut(request)),
      textView("SOAP response", answer?.body, answer ? cut(answer) : "No answer came."),
    ];
  }
  const { record } = detail;
  const reply = { status: { code: "OK", message: "", description: "" }, data: record };
  return [
    textView("JSON call", detail.call && JSON.stringify(detail.call)),
    textView("SOAP request", record.request, record.request ? undefined : "It was not sent yet."),
    textView("SOAP response", record.response, record.response ? undefined : "No answer came."),
    textView("JSON reply", JSON.stringify(reply), "The record as the API shows it now."),
  ];
}

function fault(detail) {
  if (detail.kind === "exchange") return faultSection(detail.answer?.body, detail.axis);
  return faultSection(detail.record.response, detail.record.error_code === "AxisFault" ? detail.record.error_description : null);
}

function historySection(detail) {
  if (!detail.attempts && !detail.events.length) return null;
  const attempts = (detail.attempts ?? []).map((attempt) => ({
    ...attempt, date: attempt.started_date, event: attempt.part ? `Attempt ${attempt.attempt}, part ${attempt.part}` : `Attempt ${attempt.attempt}`,
    words: [attempt.joint_requests && `One call of ${attempt.joint_requests.length} requests: ${attempt.joint_requests.join(", ")}.`,
      attempt.error ?? (attempt.sent ? "" : "Nothing was sent.")].filter(Boolean).join(" "),
    request: attempt.attempt < detail.record.delivery.attempts ? attempt.request : null,
    response: attempt.attempt < detail.record.delivery.attempts ? attempt.response : null,
  }));
  const all = [...attempts, ...detail.events.map((event) => ({ ...event, words: event.text ?? "" }))];
  all.sort((a, b) => (a.date < b.date ? -1 : a.date > b.date ? 1 : 0));
  const heading = element("h2", { id: "history" }, "History");
  if (!all.length) return element("section", { "aria-labelledby": "history" }, heading, element("p", {}, "Nothing was tried yet."));
  const rows = all.map((entry) => element("tr", {},
    element("td", {}, spaced(entry.date)), element("td", {}, entry.event),
    element("td", {}, entry.http_status === null ? "" : String(entry.http_status)),
    element("td", { className: "duration" }, entry.duration_ms === null ? "" : String(entry.duration_ms)),
    element("td", { className: "words" }, visible([entry.user && `by ${entry.user}`, entry.words].filter(Boolean).join(": ")),
      entry.request && textView(entry.attempt ? `SOAP request of ${entry.event}` : `Query of ${entry.event}`, entry.request),
      entry.response && textView(`Answer to ${entry.event}`, entry.response))));
  const headings = ["Time", "What", "HTTP", "ms", "Words"].map((name) => element("th", { scope: "col" }, name));
  return element("section", { "aria-labelledby": "history" }, heading,
    element("div", { className: "table" }, element("table", { className: "history" }, element("thead", {}, element("tr", {}, headings)), element("tbody", {}, rows))));
}

// The outcome of each part, if the request is sent in several calls.
function partsSection(detail) {
  const parts = detail.record?.delivery.parts;
  if (!parts) return null;
  const rows = parts.map((part) => {
    const state = part.in_doubt ? `${part.life_cycle_state}, in doubt` : part.life_cycle_state;
    const reason = [part.error_code, part.provider_error_description ?? part.error_description?.split("\n")[0]].filter(Boolean).join(": ");
    return element("tr", {}, element("th", { scope: "row" }, String(part.part)), element("td", {}, element("span", { className: part.life_cycle_state.toLowerCase() }, state)),
      element("td", {}, String(part.attempts)), element("td", {}, visible(part.reference_number ?? "")), element("td", {}, visible(reason)),
      element("td", {}, part.smartcards.flatMap((card, index) => [index ? ", " : "", element("a", { href: search("card", card) }, visible(card))])));
  });
  const headings = ["Part", "State", "Attempts", "Reference", "Reason", "Cards"].map((name) => element("th", { scope: "col" }, name));
  return element("section", { "aria-labelledby": "parts" }, element("h2", { id: "parts" }, "Parts"),
    element("div", { className: "table" }, element("table", {}, element("thead", {}, element("tr", {}, headings)), element("tbody", {}, rows))));
}

const nameOf = (detail) => (detail.kind === "exchange" ? `SOAP ${detail.number}` : `Request ${detail.record.number}`);
const idOf = (detail) => detail.record?.id ?? detail.id;

export function exchangePage(main, id, user) {
  let events = null;
  let isLeft = false;
  let detail = null;

  const isOperator = () => user.role === "operate" && detail?.decisions;

  async function load() {
    try {
      detail = await api.exchange(id);
    } catch (failure) {
      if (!isLeft) fill(main, element("h1", {}, "Not found"), element("p", { className: "fault", role: "alert" }, failure.message), back());
      return;
    }
    if (isLeft) return;
    draw();
    follow();
    if (location.hash !== "#again") return;
    // The question from the list is asked only once, and not again when the page is reloaded.
    history.replaceState(null, "", location.pathname);
    ordered("again")();
  }

  const back = () => element("p", {}, element("a", { href: "/inspector/" }, "To the list"));
  const button = (name, onclick) => element("button", { type: "button", onclick }, name);
  const group = (name, ...buttons) => element("div", { className: "bar", role: "group", "aria-label": name }, element("span", { className: "label" }, name), buttons);

  function draw() {
    forgetViews();
    const title = detail.kind === "exchange" ? `Exchange ${detail.number}: ${detail.operation ?? detail.path}` : `Request ${detail.record.number}: ${detail.record.type}`;
    document.title = `${title} – Inspector`;
    const terms = summary(detail).map(([name, value, href]) => {
      const words = String(value).length > SHOWN ? `${visible(String(value).slice(0, SHOWN))} …` : visible(String(value));
      return element("div", {}, element("dt", {}, name), element("dd", { className: name === "State" ? "state" : name === "Id" ? "id" : "" },
        href ? element("a", { href }, words) : name === "State" ? element("span", { className: value.toLowerCase() }, words) : words));
    });
    const copies = [["JSON call as curl", jsonCurl], ["SOAP request as curl", soapCurl]].filter(([, make]) => make(detail));
    fill(main, back(), element("h1", {}, visible(title)), element("dl", { className: "summary" }, terms),
      element("div", { className: "actions" },
        isOperator() && detail.decisions.length ? group("Decide", decisionButtons(detail, decided)) : null,
        group("Copy", copies.map(([name, make]) => button(name, () => copy(make(detail), name))),
          button("Everything", copyAll), button("Everything, redacted", copyRedacted)),
        group("Save, redacted", button("HAR", () => saved("har")), button("Fixture", () => saved("fixtures"))),
        group("View", button("Raw or indented", toggleRaw), button("Mark", mark), button("Compare with the marked one", compare))),
      fault(detail), partsSection(detail), element("div", { className: "texts" }, texts(detail)), timingsSection(detail), historySection(detail), relatedSection(detail));
  }

  const copyAll = () => copy(wholeText(detail, summary(detail)), "everything");

  async function copyRedacted() {
    try {
      const { blob } = await api.file(idOf(detail), "har");
      await copy(redactedText(JSON.parse(await blob.text())), "everything, with pseudonyms");
    } catch (failure) {
      say(failure.message);
    }
  }

  async function saved(form) {
    try {
      const { blob, name } = await api.file(idOf(detail), form);
      save(blob, name);
    } catch (failure) {
      say(failure.message);
    }
  }

  const mark = () => toggleMark(idOf(detail), nameOf(detail));
  const compare = () => {
    const path = comparison(idOf(detail));
    if (path) go(path);
  };

  // After a decision: shows the changed request, or the new request.
  function decided(record) {
    if (record.id === idOf(detail)) load();
    else go(`/inspector/exchanges/${record.id}`);
  }

  // A request that has not ended may change while the page is shown.
  function follow() {
    events?.close();
    events = null;
    if (detail.kind === "exchange" || detail.record.life_cycle_state !== "PENDING") return;
    events = api.stream({ q: `number:${detail.record.number}`, limit: 2 });
    let isFirst = true;
    events.addEventListener("rows", () => {
      if (!isFirst && !document.querySelector("dialog[open]")) load();
      isFirst = false;
    });
  }

  const ordered = (name) => () => {
    if (isOperator() && detail.decisions.includes(name)) decide(detail, name, decided);
    else if (detail) say("This cannot be done with it now, or not by you.");
  };
  const whenShown = (act) => () => { if (detail) act(); };

  return {
    ready: load(),
    leave() {
      isLeft = true;
      forgetViews();
      events?.close();
    },
    keys: {
      u: () => document.querySelector("main a[href='/inspector/']")?.click(),
      x: () => say(toggleRaw() ? "Raw." : "Indented."),
      a: ordered("again"),
      e: ordered("edit"),
      w: ordered("note"),
      m: whenShown(mark),
      d: whenShown(compare),
      c: whenShown(() => {
        const [name, text] = [["JSON call as curl", jsonCurl(detail)], ["SOAP request as curl", soapCurl(detail)]].find(([, text]) => text) ?? [];
        if (text) copy(text, name);
      }),
      C: whenShown(copyAll),
    },
  };
}
