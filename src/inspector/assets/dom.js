// Builds pages from elements. Texts are set as text only, so that data from the wire can never become markup.

// An element with properties, attributes (names with a dash, and role), listeners (onX) and children.
export function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (key.includes("-") || key === "role" || key === "for" || key === "list") made.setAttribute(key, value);
    else made[key] = value;
  }
  append(made, children);
  return made;
}

function append(parent, children) {
  for (const child of children.flat(Infinity)) {
    if (child !== undefined && child !== null && child !== false) parent.append(child);
  }
}

// Replaces the content of an element.
export function fill(parent, ...children) {
  parent.replaceChildren();
  append(parent, children);
}

// Shows a message to all readers, and to screen readers.
export function say(text) {
  const place = document.getElementById("said");
  place.textContent = text;
  clearTimeout(say.timer);
  say.timer = setTimeout(() => (place.textContent = ""), 6000);
}

// Goes to another page of the inspector.
export function go(path) {
  history.pushState(null, "", path);
  dispatchEvent(new PopStateEvent("popstate"));
}

export const spaced = (time) => time?.replace("T", " ") ?? "";

// Offers a file for saving.
export function save(blob, name) {
  const href = URL.createObjectURL(blob);
  element("a", { href, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(href), 10_000);
  say(`Saved: ${name}.`);
}

export async function copy(text, name) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Without HTTPS the browser gives pages no access to the clipboard.
    const area = element("textarea", { value: text, className: "offscreen" });
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  say(`Copied: ${name}.`);
}

// A part of a text, with misleading characters made visible: control characters, and characters that change the text's
// direction.
export function visible(text) {
  return text.replace(/[\u0000-\u0008\u000B\u000C\u000E-\u001F\u007F-\u009F\u061C\u200B-\u200F\u202A-\u202E\u2066-\u2069\uFEFF]/g,
    (c) => c.codePointAt(0) < 0x20 ? String.fromCodePoint(0x2400 + c.codePointAt(0))
      : `\u27E8U+${c.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}\u27E9`);
}
