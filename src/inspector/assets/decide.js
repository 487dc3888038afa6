// Asks once for the reason, and then decides about a request.

import * as api from "./api.js";
import { element, say } from "./dom.js";

const DECISIONS = {
  retry: ["Send it again", "It is sent once more, as it stands, whatever its resend rule."],
  cancel: ["Cancel it", "It was not sent yet, and never will be."],
  again: ["Once more", "A new request with the same call, linked with this one in both histories."],
  edit: ["Edit and send", "A new request with the call as you edit it, linked with this one in both histories."],
  note: ["Write a note", "It is kept with your name, and found by note:…; nothing else changes."],
  settle_completed: ["Settle: it was done", "Somebody looked in Conax: it was done. Nothing is sent."],
  settle_rejected: ["Settle: it was not done", "Somebody looked in Conax: it was not done. Nothing is sent."],
};

// The buttons of the allowed decisions; `done` is called after a decision.
export function decisionButtons(detail, done) {
  return detail.decisions.map((name) => element("button", { type: "button", onclick: () => decide(detail, name, done) }, DECISIONS[name][0]));
}

// The call to be edited, without credentials.
function editor(detail) {
  const { token, ...call } = detail.call;
  return element("textarea", { id: "call", rows: 14, spellcheck: false, required: true, value: JSON.stringify(call, null, 2) });
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`The call is no JSON: ${error.message}`);
  }
}

export function decide(detail, name, done) {
  const [id, shown] = detail.record ? [detail.record.id, `Request ${detail.record.number}`] : [detail.id, `SOAP ${detail.number}`];
  const [title, meaning] = DECISIONS[name];
  const reason = element("input", { id: "reason", required: true, maxLength: 500, autocomplete: "off" });
  const reference = name.startsWith("settle") && element("input", { id: "reference", autocomplete: "off" });
  const call = name === "edit" && editor(detail);
  const fault = element("p", { className: "fault", role: "alert" });
  const order = element("button", { type: "submit" }, title);
  const dialog = element("dialog", { "aria-labelledby": "decide-title", onclose: () => dialog.remove() },
    element("form", {
      async onsubmit(event) {
        event.preventDefault();
        order.disabled = true;
        try {
          const more = { ...(reference && { reference: reference.value.trim() }), ...(call && { call: parsed(call.value) }) };
          const record = await api.decide(id, name, { reason: reason.value, ...more });
          dialog.close();
          say(`${shown}: done.`);
          done(record);
        } catch (failure) {
          fault.textContent = failure.message;
          order.disabled = false;
        }
      },
    },
    element("h2", { id: "decide-title" }, `${shown}: ${title.toLowerCase()}`),
    element("p", {}, meaning),
    call && [element("label", { for: "call" }, "Call"), call],
    element("label", { for: "reason" }, name === "note" ? "Note" : "Reason (kept in the history)"), reason,
    reference && [element("label", { for: "reference" }, "Conax's reference number, if known"), reference],
    fault,
    element("div", { className: "bar" }, order,
      element("button", { type: "button", onclick: () => dialog.close() }, "Back"))));
  document.body.append(dialog);
  dialog.showModal();
  (call || reason).focus();
}
