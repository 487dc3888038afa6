// Shows a text raw, or indented, coloured, folded and searched. Only the visible rows are in the page, so that a text of
// megabytes is cheap; a huge text is shown completely only on demand.

import { copy, element, fill, visible } from "./dom.js";
import { layOut, piecesOf } from "./xml.js";

// The size from which a text is huge, and the size of the beginning that is shown, in characters.
const HUGE = 1_000_000;
const BEGINNING = 4096;
// The longest coloured line in characters; the number of rows up to which all are in the page; the rows around the
// visible rows.
const COLOURED = 20_000;
const FEW_ROWS = 300;
const AROUND = 40;
// The longest time for which reading a text may block the page, in milliseconds.
const SLICE = 15;
const MOST_MATCHES = 10_000;
const DEEPEST = 40;

let isRaw = false;
const views = new Set();

// Shows all texts raw, or indented.
export function toggleRaw() {
  isRaw = !isRaw;
  for (const view of views) view.show();
  return isRaw;
}

export function forgetViews() {
  for (const view of views) view.leave();
  views.clear();
}

export function size(characters) {
  if (characters < 10000) return `${characters} characters`;
  return characters < 1e6 ? `${Math.round(characters / 1000)} thousand characters` : `${(characters / 1e6).toFixed(1)} million characters`;
}

const pause = () => new Promise((resolve) => setTimeout(resolve));

// Runs a generator to its end without blocking the page; null if the result is not wanted any more.
async function runInSlices(generator, isWanted) {
  for (;;) {
    const end = performance.now() + SLICE;
    while (performance.now() < end) {
      const step = generator.next();
      if (step.done) return step.value;
    }
    await pause();
    if (!isWanted()) return null;
  }
}

// A text with its title; `note` is shown beside the title.
export function textView(title, text, note) {
  const id = `text-${crypto.randomUUID?.() ?? Math.random().toString(36).slice(2)}`;
  const heading = element("h2", { id }, title);
  if (!text) return element("section", { className: "text" }, heading, element("p", { className: "note" }, note ?? "There is none."));
  const view = new View(id, title, text);
  views.add(view);
  view.show();
  return element("section", { className: "text" },
    element("div", { className: "bar" }, heading, element("div", { className: "bar tools" }, view.tools(),
      element("button", { type: "button", "aria-label": `Copy: ${title}`, onclick: () => copy(text, title) }, "Copy"))),
    note && element("p", { className: "note" }, note), view.huge, view.box);
}

class View {
  constructor(id, title, text) {
    this.title = title;
    this.whole = text;
    this.isWhole = text.length < HUGE;
    this.asked = 0;
    this.folded = new Set();
    this.matches = [];
    this.match = -1;
    this.block = element("div", { className: "block" });
    this.room = element("div", { className: "room" }, this.block);
    this.box = element("div", { className: "code", tabIndex: 0, role: "region", "aria-labelledby": id, onscroll: () => this.drawSoon() }, this.room);
    this.huge = this.isWhole ? null : element("p", { className: "note" }, `${size(text.length)}: only the beginning is shown. `,
      element("button", { type: "button", onclick: () => this.showWhole() }, `Show all ${size(text.length)}`));
    this.observer = new ResizeObserver(() => this.resized());
    this.observer.observe(this.box);
  }

  leave() {
    this.asked++;
    this.observer.disconnect();
  }

  tools() {
    this.found = element("span", { className: "found", role: "status" });
    this.input = element("input", {
      type: "search", className: "find", placeholder: "Find", "aria-label": `Find in ${this.title}`, autocomplete: "off", spellcheck: false,
      oninput: () => this.search(), onkeydown: (event) => { if (event.key === "Enter") { event.preventDefault(); this.step(event.shiftKey ? -1 : 1); } },
    });
    this.foldButton = element("button", { type: "button", "aria-label": `Fold: ${this.title}`, onclick: () => this.foldAll() }, "Fold");
    return [this.found, this.input, this.foldButton];
  }

  showWhole() {
    this.isWhole = true;
    this.huge.remove();
    this.show();
    this.box.focus();
  }

  // Lays the text out anew for its present state.
  async show() {
    const asked = ++this.asked;
    const { text, is, lines } = layOut(this.isWhole ? this.whole : this.whole.slice(0, BEGINNING), isRaw);
    const read = await runInSlices(lines, () => asked === this.asked);
    if (!read) return;
    Object.assign(this, { text, is, lines: read });
    this.folded.clear();
    if (this.foldButton) this.foldButton.hidden = !read.last.some((last, line) => last > line + 1);
    this.breakRows();
    this.search();
  }

  // The rows: lines of the text, broken at the width of the box, without folded lines.
  breakRows() {
    if (!this.lines) return;
    const { text, lines } = this;
    const rows = { line: [], from: [], to: [] };
    const columns = this.columns();
    let newline = -1;
    for (let line = 0; line < lines.length; line++) {
      const end = lines.to[line];
      const room = Math.max(16, columns - 2 * Math.min(lines.depth[line], this.deepest));
      let at = lines.from[line];
      do {
        if (newline < at) newline = text.indexOf("\n", at);
        if (newline < 0) newline = Infinity;
        const stop = Math.min(end, newline);
        do {
          const to = Math.min(stop, at + room);
          rows.line.push(line);
          rows.from.push(at);
          rows.to.push(to);
          at = to;
        } while (at < stop);
        if (at === newline) at++;
      } while (at < end);
      if (this.folded.has(line)) line = lines.last[line];
    }
    this.rows = rows;
    const count = rows.line.length;
    this.isWindowed = count > FEW_ROWS;
    this.room.style.height = this.isWindowed ? `${count * this.rowHeight}px` : "";
    this.drawn = null;
    this.draw();
  }

  columns() {
    if (!this.charWidth) {
      const probe = element("div", { className: "row probe" }, "0".repeat(50));
      this.block.append(probe);
      const { width, height } = probe.getBoundingClientRect();
      probe.remove();
      // Not yet in the page: the observer calls again.
      if (!width) {
        this.rowHeight = 20;
        this.deepest = 20;
        return 80;
      }
      [this.charWidth, this.rowHeight] = [width / 50, height];
    }
    this.width = this.room.clientWidth;
    const columns = Math.max(20, Math.floor((this.width - 24) / this.charWidth));
    this.deepest = Math.min(DEEPEST, Math.floor(columns / 4));
    return columns;
  }

  resized() {
    if (this.rows && (!this.charWidth || Math.abs(this.room.clientWidth - this.width) > this.charWidth)) this.breakRows();
    else this.drawSoon();
  }

  drawSoon() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      this.draw();
    });
  }

  draw() {
    if (!this.rows) return;
    const count = this.rows.line.length;
    let [first, last] = [0, count];
    if (this.isWindowed) {
      first = Math.max(0, Math.floor(this.box.scrollTop / this.rowHeight) - AROUND);
      last = Math.min(count, Math.ceil((this.box.scrollTop + this.box.clientHeight) / this.rowHeight) + AROUND);
    }
    if (this.drawn && this.drawn[0] <= first + AROUND / 2 && this.drawn[1] >= last - AROUND / 2) return;
    this.drawn = [first, last];
    this.block.style.transform = this.isWindowed ? `translateY(${first * this.rowHeight}px)` : "";
    const rows = [];
    let [line, pieces] = [-1, []];
    for (let row = first; row < last; row++) {
      if (this.rows.line[row] !== line) {
        line = this.rows.line[row];
        const [from, to] = [this.lines.from[line], this.lines.to[line]];
        pieces = to - from > COLOURED ? [] : piecesOf(this.text, this.is, from, to);
      }
      rows.push(this.row(row, line, pieces));
    }
    fill(this.block, rows);
  }

  row(row, line, pieces) {
    const { from, to } = { from: this.rows.from[row], to: this.rows.to[row] };
    const isFirst = from === this.lines.from[line];
    const isFoldable = isFirst && this.lines.last[line] > line + 1;
    const isFolded = this.folded.has(line);
    const made = element("div", { className: "row" });
    if (isFoldable) {
      made.append(element("button", {
        type: "button", className: "fold", tabIndex: -1, "aria-expanded": String(!isFolded), "aria-label": isFolded ? "Unfold" : "Fold",
        onclick: () => this.fold(line),
      }, isFolded ? "▸" : "▾"));
    }
    made.append("  ".repeat(Math.min(this.lines.depth[line], this.deepest)));
    let at = from;
    for (const [start, end, className] of pieces) {
      if (end <= from || start >= to) continue;
      this.mark(made, at, Math.max(start, from));
      this.mark(made, Math.max(start, from), Math.min(end, to), className);
      at = Math.min(end, to);
    }
    this.mark(made, at, to);
    if (isFolded && (row + 1 === this.rows.line.length || this.rows.line[row + 1] !== line)) {
      made.append(element("span", { className: "folded" }, ` … ${this.lines.last[line] - line} lines`));
    }
    return made;
  }

  // A piece of the text, with matches of the search marked.
  mark(row, from, to, className) {
    let at = from;
    const put = (start, end, isMatch) => {
      if (start >= end) return;
      const seen = visible(this.text.slice(start, end));
      const inside = isMatch ? element("mark", { className: isMatch === "now" ? "now" : "" }, seen) : seen;
      row.append(className ? element("span", { className }, inside) : inside);
    };
    for (let match = this.firstMatch(from); match < this.matches.length && this.matches[match][0] < to; match++) {
      const [start, end] = this.matches[match];
      put(at, Math.max(at, start));
      put(Math.max(at, start), Math.min(end, to), match === this.match ? "now" : "match");
      at = Math.max(at, Math.min(end, to));
    }
    put(at, to);
  }

  // The first match that ends behind a position.
  firstMatch(place) {
    let [low, high] = [0, this.matches.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.matches[middle][1] <= place) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  fold(line) {
    if (!this.folded.delete(line)) this.folded.add(line);
    this.breakRows();
  }

  // Folds all but the outermost two levels, or unfolds all.
  foldAll() {
    const isFolded = this.folded.size > 0;
    this.folded.clear();
    if (!isFolded) {
      this.lines.last.forEach((last, line) => { if (last > line + 1 && this.lines.depth[line] >= 2) this.folded.add(line); });
    }
    this.foldButton.textContent = isFolded ? "Fold" : "Unfold";
    this.breakRows();
  }

  search() {
    const words = this.input?.value ?? "";
    this.matches = [];
    this.match = -1;
    if (words && this.text) {
      const pattern = new RegExp(words.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&"), "gi");
      for (let found; this.matches.length < MOST_MATCHES && (found = pattern.exec(this.text)); ) this.matches.push([found.index, pattern.lastIndex]);
    }
    this.step(1);
  }

  step(by) {
    const count = this.matches.length;
    if (count) {
      this.match = (this.match + by + count) % count;
      this.reveal(this.matches[this.match][0]);
    }
    if (this.found) this.found.textContent = count ? `${this.match + 1} of ${count === MOST_MATCHES ? `${count} or more` : count}` : this.input?.value ? "none" : "";
    this.drawn = null;
    this.draw();
  }

  // Unfolds the lines around a position, and scrolls there.
  reveal(place) {
    const line = lastUpTo(this.lines.from, place);
    const hiding = [...this.folded].filter((folded) => folded < line && this.lines.last[folded] >= line);
    hiding.forEach((folded) => this.folded.delete(folded));
    if (hiding.length) this.breakRows();
    const top = lastUpTo(this.rows.from, place) * (this.rowHeight ?? 20);
    if (top < this.box.scrollTop || top > this.box.scrollTop + this.box.clientHeight - 40) this.box.scrollTop = Math.max(0, top - this.box.clientHeight / 3);
  }
}

function lastUpTo(ascending, value) {
  let [low, high] = [0, ascending.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ascending[middle] <= value) low = middle + 1;
    else high = middle;
  }
  return Math.max(0, low - 1);
}
