// One decision about all requests that a filter finds: confirmed once, with their number and a reason that all histories
// keep.

import * as api from "./api.js";
import { element, fill, say, visible } from "./dom.js";

const DECISIONS = {
  retry: ["Send again", "are sent once more now, as they stand, whatever their resend rule"],
  cancel: ["Cancel", "were not sent yet, and never will be"],
  again: ["Once more", "have ended, and are called once more: a new request for each, linked in both histories"],
};
// The largest number of refusals that are shown.
const SHOWN = 10;

export function decideAllDialog(q, done) {
  const reason = element("input", { id: "reason", required: true, maxLength: 500, autocomplete: "off" });
  const fault = element("p", { className: "fault", role: "alert" });
  const told = element("p", { role: "status" }, "Choose what is to be done.");
  const order = element("button", { type: "submit", disabled: true }, "Do it");
  const back = element("button", { type: "button", onclick: () => dialog.close() }, "Back");
  let chosen = null;

  async function choose(name) {
    chosen = null;
    order.disabled = true;
    order.textContent = DECISIONS[name][0];
    told.textContent = "Counting …";
    try {
      const found = await api.matches({ q, decision: name });
      const count = found.numbers.length;
      const more = found.is_cut ? " There are more: these are the newest, and the same can be done again." : "";
      told.textContent = count ? `${count} ${count === 1 ? "request" : "requests"} ${DECISIONS[name][1]}.${more}` : "None of what matches allows that.";
      order.textContent = count ? `${DECISIONS[name][0]}: ${count}` : DECISIONS[name][0];
      order.disabled = !count;
      chosen = { name, numbers: found.numbers };
    } catch (failure) {
      told.textContent = "";
      fault.textContent = failure.message;
    }
  }

  const choices = Object.entries(DECISIONS).map(([name, [title]]) => element("label", {},
    element("input", { type: "radio", name: "decision", value: name, required: true, onchange: () => choose(name) }), ` ${title}`));
  const dialog = element("dialog", { "aria-labelledby": "all-title", onclose: () => dialog.remove() },
    element("form", {
      async onsubmit(event) {
        event.preventDefault();
        if (!chosen) return;
        order.disabled = true;
        fault.textContent = "";
        told.textContent = "At work …";
        try {
          const result = await api.decideAll(chosen.name, { numbers: chosen.numbers, reason: reason.value });
          say(`${result.done} done${result.refused.length ? `, ${result.refused.length} not` : ""}.`);
          done();
          if (!result.refused.length) return dialog.close();
          told.textContent = `${result.done} done; ${result.refused.length} not:`;
          fill(fault, result.refused.slice(0, SHOWN).map(({ message }) => element("span", { className: "line" }, visible(message))));
          back.textContent = "Close";
        } catch (failure) {
          told.textContent = "";
          fault.textContent = failure.message;
          order.disabled = false;
        }
      },
    },
    element("h2", { id: "all-title" }, "All requests that match"),
    element("p", {}, "Filter: ", q ? element("code", {}, visible(q)) : "none, so that every request matches"),
    element("fieldset", {}, element("legend", {}, "What is to be done"), choices), told,
    element("label", { for: "reason" }, "Reason (kept in each history)"), reason, fault,
    element("div", { className: "bar" }, order, back)));
  document.body.append(dialog);
  dialog.showModal();
}
