// A list that keeps only the visible rows in the page, so that a hundred thousand rows scroll as smoothly as fifty.
//
// Rule: all rows have the same height, set by the style sheet. If rows are added above the visible rows, the visible rows
// stay in place.

import { element } from "./dom.js";

// The number of rows in the page before and after the visible rows.
const AROUND = 12;
// Further rows are requested at this distance from the end, in heights of the box.
const AHEAD = 3;

export class RowWindow {
  // `make` makes the cells of an item, `more` is called when the end comes near.
  constructor({ head, caption, make, more, onclick }) {
    this.items = [];
    this.make = make;
    this.more = more;
    this.lines = new Map();
    this.current = null;
    // The number of rows by which the visible rows have moved since they were drawn.
    this.shift = 0;
    this.body = element("tbody", { onclick, onfocusin: (event) => { this.current = this.idOf(event.target) ?? this.current; } });
    this.head = element("tr", {}, head);
    this.table = element("table", {}, element("caption", { className: "offscreen" }, caption), element("thead", {}, this.head), this.body);
    this.room = element("div", { className: "rows" }, this.table);
    this.box = element("div", { className: "table list", onscroll: () => this.drawSoon() }, this.room);
    this.observer = new ResizeObserver(() => { this.height = null; this.draw(); });
    this.observer.observe(this.box);
  }

  leave() {
    this.observer.disconnect();
    cancelAnimationFrame(this.frame);
  }

  idOf(target) {
    return target.closest?.("tbody tr")?.dataset.id;
  }

  // Replaces all rows.
  clear() {
    this.items = [];
    this.lines.clear();
    this.body.replaceChildren();
    this.current = null;
    this.shift = 0;
    this.box.scrollTop = 0;
    this.draw();
  }

  // Draws every row anew, with this head.
  redraw(head) {
    this.head.replaceChildren(...head);
    this.lines.clear();
    this.body.replaceChildren();
    this.height = null;
    this.draw();
  }

  // The row of an item is drawn anew when it is next visible.
  changed(id) {
    const line = this.lines.get(id);
    if (line?.contains(document.activeElement)) this.refocus = id;
    line?.remove();
    this.lines.delete(id);
  }

  // A row was added at this index, or removed (by is then -1); a scrolled reader keeps the same visible rows.
  moved(index, by) {
    const { scrollTop } = this.box;
    if (scrollTop > 0 && index <= Math.floor(scrollTop / this.rowHeight()) + this.shift) this.shift += by;
  }

  rowHeight() {
    this.height ||= this.body.firstElementChild?.getBoundingClientRect().height;
    return this.height || 32;
  }

  drawSoon() {
    this.frame ||= requestAnimationFrame(() => { this.frame = 0; this.draw(); });
  }

  draw() {
    const { items, box, body, lines } = this;
    // The height of all rows is that of the first row.
    if (!this.height && items.length && !body.firstElementChild) body.append(this.line(items[0]));
    const height = this.rowHeight();
    this.room.style.height = `${items.length * height + this.head.offsetHeight}px`;
    if (this.shift) box.scrollTop += this.shift * height;
    this.shift = 0;
    const first = Math.max(0, Math.min(items.length - 1, Math.floor(box.scrollTop / height) - AROUND));
    const last = Math.min(items.length, Math.ceil((box.scrollTop + box.clientHeight) / height) + AROUND);
    const wanted = new Set(items.slice(first, last).map(({ id }) => id));
    const focused = this.refocus ?? (body.contains(document.activeElement) && this.idOf(document.activeElement));
    this.refocus = null;
    for (const [id, line] of lines) {
      if (wanted.has(id)) continue;
      line.remove();
      lines.delete(id);
    }
    let next = body.firstElementChild;
    for (let at = first; at < last; at++) {
      const line = this.line(items[at]);
      line.setAttribute("aria-rowindex", String(at + 2));
      if (line === next) next = next.nextElementSibling;
      else body.insertBefore(line, next);
    }
    while (next) {
      const after = next.nextElementSibling;
      next.remove();
      next = after;
    }
    this.table.setAttribute("aria-rowcount", String(items.length + 1));
    this.room.style.paddingTop = `${first * height}px`;
    if (focused && wanted.has(focused)) lines.get(focused).querySelector("a").focus({ preventScroll: true });
    if (box.scrollTop + box.clientHeight * (1 + AHEAD) >= items.length * height) this.more();
  }

  line(item) {
    let line = this.lines.get(item.id);
    if (!line) {
      line = element("tr", { "data-id": item.id }, this.make(item));
      this.lines.set(item.id, line);
    }
    return line;
  }

  // Moves the focus by this number of rows.
  step(by) {
    const at = this.items.findIndex(({ id }) => id === this.current);
    const to = at < 0 ? Math.floor(this.box.scrollTop / this.rowHeight()) : Math.max(0, Math.min(this.items.length - 1, at + by));
    if (this.items[to]) this.focus(to);
  }

  focus(at) {
    const [top, height, room] = [at * this.rowHeight(), this.rowHeight(), this.box.clientHeight - this.head.offsetHeight];
    if (top < this.box.scrollTop) this.box.scrollTop = top;
    else if (top + height > this.box.scrollTop + room) this.box.scrollTop = top + height - room;
    this.draw();
    this.lines.get(this.items[at].id)?.querySelector("a").focus({ preventScroll: true });
  }
}
