// Reads XML and JSON as far as needed to show them: tokens, lines, and the tree of a fault. The rest of malformed XML is
// shown as text; every step moves forward, so that the cost of hostile text is limited by its length.

const SPECIAL = [["<!--", "-->"], ["<![CDATA[", "]]>"], ["<?", "?>"]];

// The end of the tag that begins at `from`; a > in quotation marks does not end it.
function tagEnd(text, from) {
  const mark = /[>"']/g;
  mark.lastIndex = from;
  for (let found; (found = mark.exec(text)); ) {
    if (found[0] === ">") return mark.lastIndex;
    const close = text.indexOf(found[0], mark.lastIndex);
    if (close < 0) break;
    mark.lastIndex = close + 1;
  }
  const end = text.indexOf(">", from);
  return end < 0 ? text.length : end + 1;
}

// The tokens between `from` and `to`: start, end and empty tags, other markup, and text.
export function* tokens(text, from = 0, to = text.length) {
  for (let at = from; at < to; ) {
    let is = "text";
    let end;
    if (text[at] === "<") {
      const special = SPECIAL.find(([opener]) => text.startsWith(opener, at));
      if (special) {
        end = text.indexOf(special[1], at + special[0].length);
        end = end < 0 ? text.length : end + special[1].length;
        is = special[1] === "]]>" ? "cdata" : "other";
      } else {
        end = tagEnd(text, at);
        is = text[at + 1] === "!" ? "other" : text[at + 1] === "/" ? "end" : text[end - 2] === "/" ? "empty" : "start";
      }
    } else {
      end = text.indexOf("<", at);
      if (end < 0) end = text.length;
    }
    end = Math.min(end, to);
    yield { is, from: at, to: end };
    at = end;
  }
}

// The lines of a text: begin and end of each, its depth, and the last line of the block that can be folded behind it.
class Lines {
  from = [];
  to = [];
  depth = [];
  last = [];

  add(from, to, depth) {
    this.last.push(this.from.length);
    this.from.push(from);
    this.to.push(to);
    this.depth.push(depth);
  }

  get length() {
    return this.from.length;
  }
}

const isBlank = (text, from, to) => {
  const mark = /\S/g;
  mark.lastIndex = from;
  const found = mark.exec(text);
  return !found || found.index >= to;
};

// XML with one line per element, or with its text in the same line if it has only text. White space between elements is
// left out, and nothing else. A generator that yields now and then, so that a long text can be read in pieces.
function* xmlLines(text) {
  const lines = new Lines();
  const open = [];
  let before = "";
  let count = 0;
  for (const { is, from, to } of tokens(text)) {
    if (++count % 2000 === 0) yield;
    const isText = is === "text" || is === "cdata";
    if (is === "text" && isBlank(text, from, to)) continue;
    if (lines.length && (isText || before === "text" || (is === "end" && before === "start"))) {
      lines.to[lines.length - 1] = to;
    } else {
      lines.add(from, to, is === "end" ? Math.max(0, open.length - 1) : open.length);
    }
    if (is === "start") open.push(lines.length - 1);
    if (is === "end" && open.length) lines.last[open.pop()] = lines.length - 1;
    before = isText ? "text" : is;
  }
  return lines;
}

function* plainLines(text, isIndented) {
  const lines = new Lines();
  const open = [];
  for (let at = 0; at <= text.length; ) {
    if (lines.length % 2000 === 1999) yield;
    let end = text.indexOf("\n", at);
    if (end < 0) end = text.length;
    const spaces = isIndented ? text.slice(at, Math.min(end, at + 200)).search(/[^ ]|$/) : 0;
    if (isIndented && "}]".includes(text[at + spaces]) && open.length) lines.last[open.pop()] = lines.length;
    lines.add(at + spaces, end, spaces / 2);
    if (isIndented && "{[".includes(text[end - 1])) open.push(lines.length - 1);
    at = end + 1;
  }
  return lines;
}

// The text to show for a text, its kind, and a generator of its lines.
export function layOut(text, isRaw) {
  const first = text.slice(0, 100).trimStart()[0];
  if (!isRaw && first === "<") return { text, is: "xml", lines: xmlLines(text) };
  if (!isRaw && (first === "{" || first === "[")) {
    try {
      const pretty = JSON.stringify(JSON.parse(text), null, 2);
      return { text: pretty, is: "json", lines: plainLines(pretty, true) };
    } catch {
      // Malformed text is shown unchanged.
    }
  }
  return { text, is: first === "<" ? "xml" : "text", lines: plainLines(text, false) };
}

// The coloured pieces of a line: [from, to, class].
export function piecesOf(text, is, from, to) {
  const pieces = [];
  if (is === "json") {
    const part = /("(?:[^"\\]|\\.)*")(\s*:)?|\b(?:true|false|null)\b|-?\d[\d.eE+-]*/g;
    const line = text.slice(from, to);
    for (let found; (found = part.exec(line)); ) {
      const end = found.index + (found[1] ?? found[0]).length;
      pieces.push([from + found.index, from + end, found[2] ? "attribute" : found[1] ? "value" : "other"]);
    }
    return pieces;
  }
  if (is !== "xml") return pieces;
  for (const token of tokens(text, from, to)) {
    if (token.is === "text") continue;
    if (token.is === "other" || token.is === "cdata") {
      pieces.push([token.from, token.to, "other"]);
      continue;
    }
    const tag = text.slice(token.from, token.to);
    const part = /([^\s=<>/"']+)(\s*=\s*)("[^"]*"|'[^']*')/g;
    let at = token.from;
    for (let found; (found = part.exec(tag)); ) {
      const name = token.from + found.index;
      const value = name + found[1].length + found[2].length;
      pieces.push([at, name, "tag"], [name, name + found[1].length, "attribute"], [value, value + found[3].length, "value"]);
      at = value + found[3].length;
    }
    pieces.push([at, token.to, "tag"]);
  }
  return pieces;
}

const ENTITIES = { lt: "<", gt: ">", amp: "&", quot: "\"", apos: "'" };

const decoded = (text) => text.replace(/&(?:#(\d{1,7})|#x([\da-f]{1,6})|(\w{1,5}));/gi, (whole, decimal, hex, name) => {
  if (name) return ENTITIES[name] ?? whole;
  const code = decimal ? Number(decimal) : parseInt(hex, 16);
  return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : whole;
});

const MOST_NODES = 2000;

// The first element with this local name: { name, text, children }; null if there is none.
export function findElement(text, localName) {
  const local = (token) => text.slice(token.from, Math.min(token.to, token.from + 200)).match(/^<\/?([^\s/>]+)/)?.[1] ?? "";
  const open = [];
  let nodes = 0;
  for (const token of tokens(text)) {
    const name = token.is === "start" || token.is === "empty" ? local(token).replace(/^.*:/, "") : "";
    const parent = open.at(-1);
    if (name && (parent || name === localName)) {
      if (++nodes > MOST_NODES) return open[0];
      const node = { name, text: "", children: [] };
      parent?.children.push(node);
      if (token.is === "start") open.push(node);
      else if (!parent) return node;
    } else if (parent && token.is === "end") {
      open.pop();
      if (!open.length) return parent;
    } else if (parent && token.is === "text") {
      parent.text += decoded(text.slice(token.from, token.to));
    } else if (parent && token.is === "cdata") {
      parent.text += text.slice(token.from + 9, token.to - 3);
    }
  }
  return open[0] ?? null;
}
