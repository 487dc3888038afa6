// The timings of a request or an exchange: bars beside their names, and each call split into its stretches.

import { element } from "./dom.js";

const MEANINGS = {
  blocked: "before this URL was tried", name: "looking up the host's name", connect: "connecting", TLS: "the handshake",
  send: "handing the request over", wait: "until the answer began", read: "until the answer ended",
};

export const milliseconds = (ms) => (ms < 10_000 ? `${ms} ms` : ms < 600_000 ? `${(ms / 1000).toFixed(1)} s` : `${Math.round(ms / 60_000)} min`);
const microseconds = (us) => (us < 10_000 ? `${(us / 1000).toFixed(1)} ms` : milliseconds(Math.round(us / 1000)));

// The stretches of a call on a separate scale, each with its name; stretches below 0.05 ms are left out.
function stretches(parts) {
  const told = parts.filter(({ name, duration_us }) => duration_us >= 50 || name === "wait" || name === "read");
  const bar = element("span", { className: "stretches", "aria-hidden": "true" }, told.map(({ name, duration_us }) => {
    const piece = element("span", { className: `stretch ${name.toLowerCase()}` });
    piece.style.flexGrow = String(Math.max(1, duration_us));
    return piece;
  }));
  const words = element("ul", { className: "legend" }, told.map(({ name, duration_us }) => element("li", { title: MEANINGS[name] },
    element("span", { className: `key stretch ${name.toLowerCase()}` }), `${name} ${microseconds(duration_us)}`)));
  return element("tr", { className: "of-call" }, element("td", { colSpan: 3 }, bar, words));
}

export function timingsSection({ timings }) {
  if (!timings?.length) return null;
  const all = Math.max(1, ...timings.map(({ from_ms, duration_ms }) => from_ms + duration_ms));
  const rows = timings.map(({ step, from_ms, duration_ms, parts }) => {
    const bar = element("span", { className: step.startsWith("waited") ? "bar-part quiet" : "bar-part" });
    bar.style.marginInlineStart = `${(100 * from_ms) / all}%`;
    bar.style.width = `max(2px, ${(100 * duration_ms) / all}%)`;
    return [element("tr", {}, element("th", { scope: "row" }, step), element("td", { className: "duration" }, milliseconds(duration_ms)),
      element("td", { className: "track", "aria-hidden": "true" }, timings.length > 1 && bar)), parts && stretches(parts)];
  });
  return element("section", { "aria-labelledby": "timings" }, element("h2", { id: "timings" }, "Timings"),
    element("table", { className: "timings" }, element("tbody", {}, rows)));
}
