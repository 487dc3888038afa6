// Small plots as SVG: stacked bars, and lines. A table repeats the figures for screen readers.

const SVG = "http://www.w3.org/2000/svg";
const [HEIGHT, LEFT, BOTTOM] = [150, 58, 18];
// The width in units: about as many as pixels, so that the texts have the usual size.
const across = () => (matchMedia("(max-width: 700px)").matches ? 330 : 600);

function svg(name, attributes, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

// The smallest 1, 2 or 5 times a power of ten that is not below a value.
function round(value) {
  const power = 10 ** Math.floor(Math.log10(Math.max(value, 1)));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= value);
}

function frame(label, top, from, to, unit) {
  const width = across();
  const y = (value) => HEIGHT - BOTTOM - (value / top) * (HEIGHT - BOTTOM - 8);
  const lines = [0, top / 2, top].flatMap((value) => [
    svg("line", { x1: LEFT, x2: width, y1: y(value), y2: y(value), class: "grid" }),
    svg("text", { x: LEFT - 6, y: y(value) + 4, "text-anchor": "end" }, `${value}${unit}`),
  ]);
  const ends = [svg("text", { x: LEFT, y: HEIGHT - 3 }, from), svg("text", { x: width, y: HEIGHT - 3, "text-anchor": "end" }, to)];
  return { y, room: width - LEFT, plot: svg("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, class: "plot", role: "img", "aria-label": label }, ...lines, ...ends) };
}

// One bar per step, made of named parts: steps are { title, parts: [[class, value], …] }.
export function bars(label, steps, [from, to]) {
  const top = round(Math.max(1, ...steps.map(({ parts }) => parts.reduce((sum, [, value]) => sum + value, 0))));
  const { y, room, plot } = frame(label, Math.max(2, top), from, to, "");
  const width = room / steps.length;
  steps.forEach(({ title, parts }, index) => {
    let sum = 0;
    const group = svg("g", {}, svg("title", {}, title));
    for (const [name, value] of parts) {
      if (!value) continue;
      group.append(svg("rect", { x: LEFT + index * width + 0.5, width: Math.max(1, width - 1), y: y(sum + value), height: Math.max(0.5, y(sum) - y(sum + value)), class: `fill ${name}` }));
      sum += value;
    }
    plot.append(group);
  });
  return plot;
}

// Lines with one point per step that has a value: lines are { name, values }.
export function curves(label, lines, [from, to], unit) {
  const top = round(Math.max(1, ...lines.flatMap(({ values }) => values.filter((value) => value !== null))));
  const { y, room, plot } = frame(label, Math.max(2, top), from, to, unit);
  for (const { name, values } of lines) {
    const width = room / values.length;
    const points = values.map((value, index) => value === null ? null : [LEFT + (index + 0.5) * width, y(value)]);
    let path = "";
    points.forEach((point, index) => { if (point) path += `${points[index - 1] ? "L" : "M"}${point[0].toFixed(1)} ${point[1].toFixed(1)}`; });
    plot.append(svg("path", { d: path, class: `line ${name}` }), ...points.filter(Boolean).map(([cx, cy]) => svg("circle", { cx, cy, r: 2, class: `fill ${name}` })));
  }
  return plot;
}
