// Shows long texts in parts, raw or indented and coloured. Only what is shown is worked on, so that a text of megabytes
// costs no more than its first part.

import { copy, element, fill, visible } from "./dom.js";

// Characters that are shown at a time, and of a piece at most.
const PART = 32768;
const PIECE = 4096;

let isRaw = false;
const views = new Set();

// Shows all texts raw, or indented.
export function toggleRaw() {
  isRaw = !isRaw;
  for (const view of views) view();
}

export function forgetViews() {
  views.clear();
}

function* slices(text, className) {
  for (let at = 0; at < text.length; at += PIECE) yield [className, text.slice(at, at + PIECE)];
}

const CLOSERS = [["<!--", "-->"], ["<![CDATA[", "]]>"], ["<?", "?>"], ["<", ">"]];

// The tokens of XML; what is no XML any more comes as text.
function* tokens(text) {
  let at = 0;
  while (at < text.length) {
    let end;
    if (text[at] === "<") {
      const [opener, closer] = CLOSERS.find(([opener]) => text.startsWith(opener, at));
      end = text.indexOf(closer, at + opener.length);
      end = end < 0 ? text.length : end + closer.length;
      yield { is: opener === "<" ? (text[at + 1] === "/" ? "end" : text[end - 2] === "/" ? "empty" : "start") : "other", text: text.slice(at, end) };
    } else {
      end = text.indexOf("<", at);
      if (end < 0) end = text.length;
      yield { is: "text", text: text.slice(at, end) };
    }
    at = end;
  }
}

// XML with each element in a line of its own; an element with nothing but text stays in one line. White space between
// elements is left out, and nothing else.
function* indentedXml(text) {
  let depth = 0;
  let before = "";
  let lines = 0;
  const line = () => ["", lines++ ? "\n" + "  ".repeat(Math.min(depth, 60)) : ""];
  for (const token of tokens(text)) {
    if (token.is === "text") {
      if (!token.text.trim()) continue;
      yield* slices(token.text, "");
    } else {
      if (token.is === "end") depth = Math.max(0, depth - 1);
      const staysInLine = before === "text" || (token.is === "end" && before === "start");
      if (!staysInLine) yield line();
      yield* slices(token.text, token.is === "other" ? "other" : "tag");
      if (token.is === "start") depth++;
    }
    before = token.is;
  }
}

function pieces(text) {
  const begin = text.slice(0, 100).trimStart();
  if (isRaw || !begin) return slices(text, "");
  if (begin[0] === "<") return indentedXml(text);
  if ("{[".includes(begin[0]) && text.length < 4 * PART) {
    try {
      return slices(JSON.stringify(JSON.parse(text), null, 2), "");
    } catch {
      return slices(text, "");
    }
  }
  return slices(text, "");
}

function size(characters) {
  if (characters < 10000) return `${characters} characters`;
  return characters < 1e6 ? `${Math.round(characters / 1000)} thousand characters` : `${(characters / 1e6).toFixed(1)} million characters`;
}

// A text with its title; `note` says what is to be known of it.
export function textView(title, text, note) {
  const id = `text-${Math.random().toString(36).slice(2)}`;
  const heading = element("h2", { id }, title);
  if (!text) return element("section", { className: "text" }, heading, element("p", {}, note ?? "There is none."));
  const shown = element("pre", { tabIndex: 0, role: "region", "aria-labelledby": id });
  const more = element("button", { type: "button", onclick: part });
  let rest;

  function part() {
    let length = 0;
    let step = { done: false };
    while (length < PART && !(step = rest.next()).done) {
      const [className, piece] = step.value;
      length += piece.length;
      const seen = visible(piece);
      shown.append(className ? element("span", { className }, seen) : seen);
    }
    more.hidden = Boolean(step.done);
    more.textContent = `Show more of ${size(text.length)}`;
  }

  function draw() {
    rest = pieces(text);
    fill(shown);
    part();
  }

  views.add(draw);
  draw();
  return element("section", { className: "text" },
    element("div", { className: "bar" }, heading, element("button", { type: "button", "aria-label": `Copy: ${title}`, onclick: () => copy(text, title) }, "Copy")),
    note && element("p", { className: "note" }, note), shown, more);
}
