// The help: the keys of the pages, and the language of the filter.

import { element } from "./dom.js";

const KEYS = [
  ["/", "to the filter"],
  ["f", "filter off, or on again"],
  ["s", "save the filter in this browser"],
  ["j, k", "to the next, the previous row"],
  ["Enter", "open the row"],
  ["p", "pause, or go on"],
  ["n", "back to now"],
  ["m", "mark the row or what is open, or take the mark off"],
  ["d", "compare it with the marked one"],
  ["c", "copy it as curl"],
  ["a", "again: send it once more, with a reason"],
  ["l, o", "to the list, to the overview"],
  ["?", "this"],
];
const KEYS_OF_ONE = [
  ["C", "copy everything"],
  ["x", "raw, or indented"],
  ["e", "edit and send, with a reason"],
  ["w", "write a note into the history"],
  ["s", "comparing: swap the two"],
  ["u", "back to the list"],
];
export const FILTERS = [
  ["type:create_*", "a request type, or the SOAP operation"],
  ["card:0145*", "a smartcard; its whole number alone is enough"],
  ["stb:9000*", "a set-top box"],
  ["state:rejected,in_doubt", "pending, completed, rejected, in_doubt, needs_operator; passed through: passed, broken"],
  ["fault:CLIENT_*", "a code, or words of the reason"],
  ["status:500", "HTTP status of the last answer"],
  ["reference:123", "Conax's reference number"],
  ["number:42", "the number"],
  ["note:ticket*", "words of a note"],
  ["dur:>500ms", "took longer, or <2s: less"],
  ["since:2h", "15m, 3d, 2026-03-31, 2026-03-31T18:00; until: likewise"],
  ["some words", "in any text of a request; \"two words\" together"],
  ["-state:completed", "a minus: not"],
];

export function helpDialog() {
  const rows = (all) => all.map(([word, meaning]) => [element("dt", {}, element("kbd", {}, word)), element("dd", {}, meaning)]);
  const dialog = element("dialog", { "aria-labelledby": "help-title", onclose: () => dialog.remove() },
    element("h2", { id: "help-title", tabIndex: -1, autofocus: true }, "Keys"), element("dl", {}, rows(KEYS)),
    element("h2", {}, "Keys on the page of one"), element("dl", {}, rows(KEYS_OF_ONE)),
    element("h2", {}, "Filter"), element("dl", {}, rows(FILTERS)),
    element("form", { method: "dialog" }, element("button", { type: "submit" }, "Close")));
  document.body.append(dialog);
  dialog.showModal();
}
