// One request or exchange: what became of it, its texts side by side, its history, and what may be done.

import * as api from "./api.js";
import { copy, element, fill, visible } from "./dom.js";
import { headersText, jsonCurl, soapCurl, wholeText } from "./curl.js";
import { decisionButtons } from "./decide.js";
import { forgetViews, textView, toggleRaw } from "./text.js";

const spaced = (time) => time?.replace("T", " ") ?? "";
const search = (term, value) => `/inspector/?${new URLSearchParams({ q: `${term}:${/[\s,"*:-]/.test(value) ? `"${value}"` : value}` })}`;

// Name, value, and where the value leads.
function summary(detail) {
  const cards = detail.cards.map((card) => ["Card", card, search("card", card)]);
  if (detail.kind === "exchange") {
    return [
      ["Number", detail.number], ["Time", spaced(detail.time)], ["Path", detail.path], ["Operation", detail.operation], ...cards,
      ["HTTP status", detail.answer ? `${detail.answer.http_status} ${detail.answer.reason}` : "no answer"],
      ["Duration", `${detail.duration_ms} ms`], ["User", detail.user], ["Error", detail.error], ["Error type", detail.error_type],
      ["Id", detail.id],
    ].filter(([, value]) => value !== undefined && value !== null && value !== "");
  }
  const { record } = detail;
  const codes = [record.error_code, record.provider_error_code].filter(Boolean).join(", ");
  return [
    ["Number", record.number], ["State", record.life_cycle_state], ["Delivery", record.delivery.state],
    ["In doubt", record.delivery.in_doubt ? "it was sent, and may have worked" : null],
    ["Code", codes], ["Reason", record.provider_error_description ?? record.error_description?.split("\n")[0]],
    ...cards, ["Reference", record.reference_number, record.reference_number && search("reference", record.reference_number)],
    ["Created", spaced(record.log_information.created_date)], ["By", record.log_information.created_by_user.username],
    ["Due", spaced(record.scheduled_date)], ["Sent", spaced(record.executed_date)],
    ["Next attempt", spaced(record.delivery.next_attempt_date)], ["Attempts", record.delivery.attempts],
    ["Priority", record.priority], ["Id", record.id],
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
      detail.axis && textView("Fault as Apache Axis prints it", detail.axis),
    ];
  }
  const { record } = detail;
  const reply = { status: { code: "OK", message: "", description: "" }, data: record };
  return [
    textView("JSON call", detail.call && JSON.stringify(detail.call)),
    textView("SOAP request", record.request, record.request ? undefined : "It was not sent yet."),
    textView("SOAP response", record.response, record.response ? undefined : "No answer came."),
    textView("JSON reply", JSON.stringify(reply), "The record as the API shows it now."),
    record.error_code === "AxisFault" && textView("Fault as Apache Axis prints it", record.error_description),
  ];
}

function historySection(detail) {
  if (detail.kind === "exchange") return null;
  const attempts = detail.attempts.map((attempt) => ({
    ...attempt, date: attempt.started_date, event: `Attempt ${attempt.attempt}`,
    words: attempt.error ?? (attempt.sent ? "" : "Nothing was sent."),
    response: attempt.attempt < detail.record.delivery.attempts ? attempt.response : null,
  }));
  const all = [...attempts, ...detail.events.map((event) => ({ ...event, words: event.text ?? "" }))];
  all.sort((a, b) => (a.date < b.date ? -1 : a.date > b.date ? 1 : 0));
  const heading = element("h2", { id: "history" }, "History");
  if (!all.length) return element("section", { "aria-labelledby": "history" }, heading, element("p", {}, "Nothing was tried yet."));
  const rows = all.map((entry) => element("tr", {},
    element("td", {}, spaced(entry.date)), element("td", {}, entry.event),
    element("td", {}, entry.http_status === null ? "" : String(entry.http_status)),
    element("td", {}, entry.duration_ms === null ? "" : String(entry.duration_ms)),
    element("td", {}, visible([entry.user && `by ${entry.user}`, entry.words].filter(Boolean).join(": ")),
      entry.request && textView(`Query of ${entry.event}`, entry.request),
      entry.response && textView(`Answer to ${entry.event}`, entry.response))));
  const headings = ["Time", "What", "HTTP", "ms", "Words"].map((name) => element("th", { scope: "col" }, name));
  return element("section", { "aria-labelledby": "history" }, heading,
    element("div", { className: "table" }, element("table", {}, element("thead", {}, element("tr", {}, headings)), element("tbody", {}, rows))));
}

export function exchangePage(main, id, user) {
  let events = null;
  let isLeft = false;
  let detail = null;

  const copies = () => [
    ["JSON call as curl", jsonCurl(detail)], ["SOAP request as curl", soapCurl(detail)], ["whole exchange", wholeText(detail, summary(detail))],
  ].filter(([, text]) => text);

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
  }

  const back = () => element("p", {}, element("a", { href: "/inspector/" }, "To the list"));

  function draw() {
    forgetViews();
    const title = detail.kind === "exchange" ? `Exchange ${detail.number}: ${detail.operation ?? detail.path}` : `Request ${detail.record.number}: ${detail.record.type}`;
    document.title = `${title} – Inspector`;
    const terms = summary(detail).map(([name, value, href]) => element("div", {}, element("dt", {}, name),
      element("dd", {}, href ? element("a", { href }, visible(String(value))) : visible(String(value)))));
    fill(main, back(), element("h1", {}, visible(title)), element("dl", { className: "summary" }, terms),
      element("div", { className: "bar", role: "group", "aria-label": "Copy and view" },
        copies().map(([name, text]) => element("button", { type: "button", onclick: () => copy(text, name) }, `Copy ${name}`)),
        element("button", { type: "button", onclick: toggleRaw }, "Raw or indented")),
      user.role === "operate" && detail.decisions?.length
        ? element("div", { className: "bar", role: "group", "aria-label": "Decide" }, decisionButtons(detail, decided)) : null,
      element("div", { className: "texts" }, texts(detail)), historySection(detail));
  }

  // After a decision: the same request as it now is, or the new one.
  function decided(record) {
    if (record.id === detail.record.id) return load();
    history.pushState(null, "", `/inspector/exchanges/${record.id}`);
    dispatchEvent(new PopStateEvent("popstate"));
  }

  // What is not at its end may change while somebody looks.
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

  return {
    ready: load(),
    leave() {
      isLeft = true;
      events?.close();
    },
    keys: {
      u: () => history_back(),
      x: toggleRaw,
      c: () => { const found = detail && copies()[0]; if (found) copy(found[1], found[0]); },
      C: () => { if (detail) copy(wholeText(detail, summary(detail)), "whole exchange"); },
    },
  };
}

function history_back() {
  document.querySelector("main a[href='/inspector/']")?.click();
}
