// Decides which page is shown: signing in, the list, or one exchange. The address says which.

import * as api from "./api.js";
import { element, fill, say } from "./dom.js";
import { exchangePage } from "./exchange.js";
import { listPage } from "./list.js";
import { helpDialog } from "./help.js";

const main = document.getElementById("main");
const who = document.getElementById("who");
let user = null;
let leave = () => {};
let keys = {};

// Goes to another page of the inspector.
function go(path) {
  history.pushState(null, "", path);
  show();
}

async function show() {
  leave();
  leave = () => {};
  keys = {};
  if (!user) return signInPage();
  const [, id] = location.pathname.match(/^\/inspector\/exchanges\/([^/]+)$/) ?? [];
  const page = id ? exchangePage(main, decodeURIComponent(id), user) : listPage(main);
  leave = page.leave;
  keys = page.keys;
  await page.ready;
  if (id) {
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
// A link of ours changes the page without loading it anew.
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
