// Shows the page that the address names: signing in, the list, or one exchange.

import * as api from "./api.js";
import { comparePage } from "./compare.js";
import { element, fill, go, say } from "./dom.js";
import { exchangePage } from "./exchange.js";
import { listPage } from "./list.js";
import { helpDialog } from "./help.js";
import { showMarked } from "./marked.js";
import { overviewPage } from "./overview.js";

const main = document.getElementById("main");
const who = document.getElementById("who");
let user = null;
let leave = () => {};
let keys = {};

async function show() {
  leave();
  leave = () => {};
  keys = {};
  document.body.classList.toggle("signed-out", !user);
  showMarked(Boolean(user));
  if (!user) return signInPage();
  const [name, ...ids] = location.pathname.replace(/^\/inspector\/?/, "").split("/").map(decodeURIComponent);
  const page = name === "exchanges" ? exchangePage(main, ids[0], user) : name === "compare" ? comparePage(main, ...ids)
    : name === "overview" ? overviewPage(main) : listPage(main, user);
  for (const link of document.querySelectorAll("nav a")) {
    if (link.pathname === location.pathname) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  leave = page.leave;
  keys = { o: () => go("/inspector/overview"), l: () => go("/inspector/"), ...page.keys };
  await page.ready;
  if (name) {
    scrollTo(0, 0);
    main.focus({ preventScroll: true });
  }
}

function signInPage() {
  document.title = "Sign in – Inspector";
  fill(who);
  const username = element("input", { id: "username", name: "username", autocomplete: "username", required: true });
  const password = element("input", { id: "password", name: "password", type: "password", autocomplete: "current-password", required: true });
  const fault = element("p", { className: "fault", role: "alert" });
  const button = element("button", { type: "submit" }, "Sign in");
  const form = element("form", {
    className: "sign-in",
    async onsubmit(event) {
      event.preventDefault();
      button.disabled = true;
      fault.textContent = "";
      try {
        user = await api.signIn(username.value, password.value);
        whoIsIn();
        await show();
      } catch (failure) {
        fault.textContent = failure.message;
        password.select();
      } finally {
        button.disabled = false;
      }
    },
  },
  element("h1", {}, "Sign in"),
  element("p", {}, "With a user of this gateway."),
  element("label", { for: "username" }, "User name"), username,
  element("label", { for: "password" }, "Password"), password,
  fault, button);
  fill(main, form);
  username.focus();
}

function whoIsIn() {
  fill(who,
    element("span", {}, `${user.username} (${user.role})`),
    element("button", { type: "button", onclick: () => helpDialog() }, "Keys"),
    element("button", {
      type: "button",
      async onclick() {
        try {
          await api.signOut();
        } catch (failure) {
          if (failure.code !== "INVALID_TOKEN") return say(failure.message);
        }
        user = null;
        show();
      },
    }, "Sign out"));
}

addEventListener("popstate", show);
addEventListener("signedout", () => {
  if (!user) return;
  user = null;
  show();
  say("The session has ended: sign in again.");
});
// A link within the inspector changes the page without a reload.
addEventListener("click", (event) => {
  const link = event.target.closest("a[href^='/inspector/']");
  if (!link || event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  go(link.getAttribute("href"));
});
addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  if (event.target.closest("input, textarea, select") && event.key !== "Escape") return;
  const act = event.key === "?" ? helpDialog : keys[event.key];
  if (!act) return;
  if (act(event) !== false) event.preventDefault();
});

try {
  user = await api.session();
  whoIsIn();
} catch (failure) {
  if (failure.code !== "INVALID_TOKEN") say(failure.message);
}
show();
