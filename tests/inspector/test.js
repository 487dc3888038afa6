// Tests of the inspector in a real browser: node test.js GATEWAY [SCREENSHOTS]. Ends with 1 and says what is wrong.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { promisify } from "node:util";
import puppeteer from "puppeteer-core";
import { Gateway, PASSWORD, USER, startConax } from "./gateway.js";

const [binary, screenshots = "target/inspector"] = process.argv.slice(2);
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const WIDE = { width: 1280, height: 900 };
const NARROW = { width: 390, height: 844 };
const SERVICE = "/ca-server/webservices/caclient/pairing";

const envelope = (content) => `<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>${content}</s:Body></s:Envelope>`;
const pairing = (card) => envelope(`<p:CreatePairing xmlns:p="http://www.conax.com/cas/xsd/pairing/v1"><p:CreatePairingRequest><p:CaClientIds><p:CaClientId>${card}</p:CaClientId></p:CaClientIds></p:CreatePairingRequest></p:CreatePairing>`);
const answer = (code, message) => envelope(`<p:CreatePairingResponse xmlns:p="http://www.conax.com/cas/xsd/pairing/v1" xmlns="http://www.conax.com/cas/xsd/common-types/v1"><p:TransactionStatus><StatusCode>${code}</StatusCode>${message ? `<Message>${message}</Message>` : ""}<TransactionId>R-1</TransactionId></p:TransactionStatus></p:CreatePairingResponse>`);
// What a hostile client or Conax might say to whoever looks.
const MARKUP = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>";
const escaped = (text) => text.replace(/[&<>"]/g, (c) => `&#${c.codePointAt(0)};`);
const HOSTILE = `${MARKUP} \u202Eright\u2066to\u2069left \u200B`;

const RULES = [
  ["00000000001", { body: answer("OK") }],
  ["00000000002", { body: answer("CLIENT_NOT_FOUND", "The client is not known.") }],
  ["00000000003", { status: 500, body: envelope("<s:Fault><faultcode>s:Server</faultcode><faultstring>The database is down</faultstring><detail><e>ORA-03113</e></detail></s:Fault>") }],
  ["00000000004", { status: 500, body: envelope(`<s:Fault><faultcode>s:Server</faultcode><faultstring>${escaped(HOSTILE)}</faultstring></s:Fault>`) }],
  ["00000000005", { body: envelope(`<big xmlns="urn:big">${`<a b="c">${"x".repeat(90)}</a>`.repeat(50000)}</big>`) }],
  ["CreatePairing", { body: answer("OK") }],
  ["", null],
];

let page;
let gateway;
let conax;
const complaints = [];

const text = (selector) => page.$eval(selector, (found) => found.innerText);
const count = (selector) => page.$$eval(selector, (found) => found.length);
const until = (check, ...args) => page.waitForFunction(check, { timeout: 20000, polling: 50 }, ...args);
const untilText = (selector, words) => until((selector, words) => document.querySelector(selector)?.innerText.includes(words), selector, words);
const untilCount = (selector, n) => until((selector, n) => document.querySelectorAll(selector).length === n, selector, n);
const press = (key) => page.keyboard.press(key);

async function filter(words) {
  await page.$eval("#filter", (input, words) => { input.value = words; }, words);
  await page.click(".filter button[type=submit]");
}

async function openRow(card) {
  await page.goto(`${gateway.url}/inspector/?q=card:${card}`);
  await untilCount("tbody tr", 1);
  await page.click("tbody tr a");
  await page.waitForSelector(".summary");
}

// The page in both themes and both widths: no violation of accessibility, and nothing wider than the window.
async function look(name) {
  for (const theme of ["light", "dark"]) {
    await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: theme }]);
    for (const size of [WIDE, NARROW]) {
      await page.setViewport(size);
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(overflow <= 0, `${name}, ${size.width} px: ${overflow} px too wide`);
      // In a world of its own the checker is not under the policy of the page.
      const found = await page.evaluate(async () => (await axe.run(document)).violations.map((v) => `${v.id}: ${v.help}: ${v.nodes.map((n) => n.html).slice(0, 3).join(" ")}`));
      assert.deepEqual(found, [], `${name}, ${theme}, ${size.width} px`);
      await page.screenshot({ path: `${screenshots}/${name}-${theme}-${size.width}.png` });
    }
  }
  await page.emulateMediaFeatures([]);
  await page.setViewport(WIDE);
}

const tests = {
  async "a page shows nothing before somebody signs in, and says why one cannot"() {
    await page.goto(`${gateway.url}/inspector/`);
    await page.waitForSelector("#username");
    await look("sign-in");
    await page.type("#username", USER);
    await page.type("#password", "wrong");
    await press("Enter");
    await untilText(".fault", "wrong");
    await page.type("#password", PASSWORD);
    await press("Enter");
    await page.waitForSelector("#filter");
    const cookies = await page.cookies();
    assert.deepEqual(cookies.map((c) => [c.httpOnly, c.sameSite, c.path]), [[true, "Strict", "/inspector/"]]);
    assert.equal(await page.evaluate(() => document.cookie), "");
  },

  async "requests and what was passed through stand in one list, and new ones come by themselves"() {
    await untilText(".counts", "Live");
    for (const card of ["00000000001", "00000000002", "00000000003", "00000000004"]) await gateway.pair(card);
    await gateway.passThrough(SERVICE, pairing("00000000003"));
    await untilCount("tbody tr", 5);
    await untilText("tbody tr:first-child", "The database is down");
    assert.match(await text("tbody tr:first-child"), /CreatePairing[\s\S]*00000000003[\s\S]*PASSED[\s\S]*500/);
    const waiting = await gateway.pair("00000000001", { scheduled_date: "9000-01-01T00:00:00" });
    await untilText("tbody tr:first-child", "PENDING");
    assert.match(await text("tbody tr:first-child .number"), new RegExp(waiting.number));
    await look("list");
  },

  async "the filter stands in the address, narrows the live list, and says what it does not understand"() {
    await filter("state:rejected card:00000000002");
    await untilCount("tbody tr", 1);
    assert.match(await text("tbody tr"), /The client is not known/);
    assert.match(page.url(), /q=state%3Arejected\+card%3A00000000002/);
    await gateway.pair("00000000001");
    await gateway.pair("00000000002");
    await untilCount("tbody tr", 2);
    await page.reload();
    await untilCount("tbody tr", 2);
    await filter("stat:x");
    await untilText(".fault", "Did you mean state?");
    await page.goBack();
    await untilCount("tbody tr", 2);
  },

  async "a paused list stands still, and catches up"() {
    await page.goto(`${gateway.url}/inspector/?q=card:0000000000*`);
    await page.waitForSelector("tbody tr");
    await untilText(".counts", "Live");
    const before = await count("tbody tr");
    await press("p");
    await untilText(".counts", "Paused");
    await gateway.pair("00000000001");
    await untilText(".counts", "1 changed");
    assert.equal(await count("tbody tr"), before);
    await press("p");
    await untilCount("tbody tr", before + 1);
  },

  async "keys go through the rows, open one, come back, and tell what they do"() {
    await press("j");
    await press("j");
    assert.equal(await page.evaluate(() => [...document.querySelectorAll("tbody a")].indexOf(document.activeElement)), 1);
    await press("k");
    await press("/");
    assert.equal(await page.evaluate(() => document.activeElement.id), "filter");
    await press("Escape");
    await press("?");
    await page.waitForSelector("dialog[open]");
    await look("help");
    await press("Escape");
    await until(() => !document.querySelector("dialog"));
    await press("j");
    await press("Enter");
    await page.waitForSelector(".summary");
    await press("u");
    await page.waitForSelector("#filter");
  },

  async "an exchange shows its four texts, its fault as Axis prints it, and its history"() {
    await openRow("00000000003%20number:3");
    const titles = await page.$$eval(".text h2", (found) => found.map((h2) => h2.innerText));
    assert.deepEqual(titles, ["JSON call", "SOAP request", "SOAP response", "JSON reply", "Fault as Apache Axis prints it"]);
    const [call, request, response, reply, axis] = await page.$$eval(".text pre", (found) => found.map((pre) => pre.innerText));
    assert.match(call, /"smartcard_ca_id": "00000000003"/);
    assert.match(request, /\n {10}<[^>]*CaClientId>00000000003<\/[^>]*CaClientId>\n/);
    assert.match(response, /\n {6}<faultstring>The database is down<\/faultstring>\n/);
    assert.match(reply, /"life_cycle_state": "REJECTED"/);
    assert.match(axis, /^AxisFault\n faultCode: /);
    assert.match(await text("main > section"), /Attempt 1\s+500/);
    await look("request");
    await press("x");
    await until(() => document.querySelectorAll(".text pre")[1].innerText.split("\n").length < 3);
    await press("x");
    await page.click(".summary a");
    await page.waitForSelector("#filter");
    await untilCount("tbody tr", 2);
    assert.match(page.url(), /card%3A00000000003/);
  },

  async "a call is copied as curl that makes it again, and all of it for a ticket"() {
    await openRow("00000000003%20number:3");
    await press("c");
    await untilText("#said", "JSON call as curl");
    const copied = () => page.evaluate(() => navigator.clipboard.readText());
    const curl = await copied();
    assert.match(curl, /^curl -sS 'http:.*\/create_pairing' \\\n {2}-H "Authorization: Bearer \$TOKEN"/);
    const { stdout } = await promisify(execFile)("bash", ["-c", curl], { env: { ...process.env, TOKEN: gateway.token, NO_PROXY: "127.0.0.1" } });
    const made = JSON.parse(stdout);
    assert.equal(made.data.parameters_set.length > 0 && made.status.code, "OK");
    await press("C");
    await untilText("#said", "whole exchange");
    const whole = await copied();
    for (const part of ["--- JSON call", "--- SOAP request", "--- SOAP response", "--- fault\nAxisFault", "00000000003"]) assert.ok(whole.includes(part), part);
  },

  async "what came over the wire is text, whatever it is"() {
    await openRow("00000000004");
    for (const words of ["<img src=x onerror=", "⟨U+202E⟩right⟨U+2066⟩to"]) {
      assert.ok((await text("main")).includes(words), words);
    }
    await gateway.passThrough(`${SERVICE}?${encodeURIComponent(MARKUP)}`, pairing(escaped(MARKUP)));
    await page.goto(`${gateway.url}/inspector/`);
    await untilText("tbody tr:first-child", "<img src=x");
    await page.click("tbody tr a");
    await page.waitForSelector(".summary");
    assert.equal(await count("main img, main script"), 0);
    assert.doesNotMatch(await page.title(), /owned/);
    await look("exchange");
    // Even where a script of ours went wrong, the browser would not make markup of a text.
    await assert.rejects(page.evaluate(() => { document.createElement("p").innerHTML = "<b>x</b>"; }), /TrustedHTML/);
  },

  async "a text of five megabytes does not freeze the page"() {
    await gateway.passThrough(SERVICE, pairing("00000000005"));
    await page.goto(`${gateway.url}/inspector/?q=card:00000000005`);
    await untilCount("tbody tr", 1);
    await page.evaluate(() => {
      let last = performance.now();
      window.longest = 0;
      setInterval(() => {
        window.longest = Math.max(window.longest, performance.now() - last);
        last = performance.now();
      }, 5);
    });
    await page.click("tbody tr a");
    await page.waitForSelector(".summary");
    await untilText(".texts", "Show more of 5");
    const longest = await page.evaluate(() => window.longest);
    assert.ok(longest < 1000, `it stood still for ${longest} ms`);
    const before = await page.$$eval(".text pre", (all) => all.at(-1).innerText.length);
    await page.$$eval(".text > button:not([hidden])", (all) => all.at(-1).click());
    assert.ok(await page.$$eval(".text pre", (all) => all.at(-1).innerText.length) > before + 30000);
  },

  async "an operator decides on the page, with a reason that is kept"() {
    const waiting = await gateway.pair("00000000001", { scheduled_date: "9000-01-01T00:00:00" });
    await page.goto(`${gateway.url}/inspector/exchanges/${waiting.id}`);
    await page.waitForSelector("[aria-label=Decide] button");
    assert.deepEqual(await page.$$eval("[aria-label=Decide] button", (all) => all.map((b) => b.innerText)), ["Cancel it"]);
    await page.click("[aria-label=Decide] button");
    await page.waitForSelector("dialog[open] #reason");
    await look("decide");
    await page.type("#reason", "the subscriber has moved");
    await press("Enter");
    await untilText(".summary", "CANCELLED");
    assert.match(await text("main > section"), /CANCELLED[\s\S]*by tester: the subscriber has moved/);
    assert.deepEqual(await page.$$eval("[aria-label=Decide] button", (all) => all.map((b) => b.innerText)), ["Once more"]);
    await page.click("[aria-label=Decide] button");
    await page.type("dialog[open] #reason", "and back again");
    await press("Enter");
    await until((old) => !location.pathname.endsWith(old) && document.querySelector("main > section")?.innerText.includes("and back again"), waiting.id);
    const unknown = await gateway.message("00000000009", "hello");
    await page.goto(`${gateway.url}/inspector/exchanges/${unknown.id}`);
    await page.waitForSelector("[aria-label=Decide] button");
    await page.$$eval("[aria-label=Decide] button", (all) => all.find((b) => b.innerText === "Settle: it was done").click());
    await page.type("dialog[open] #reason", "seen in Conax");
    await page.type("dialog[open] #reference", "R-77");
    await press("Enter");
    await untilText(".summary", "R-77");
    assert.match(await text(".summary"), /COMPLETED/);
  },

  async "a request that is not at its end is shown as it goes on"() {
    const waiting = await gateway.pair("00000000001", { scheduled_date: "9000-01-01T00:00:00" });
    await page.goto(`${gateway.url}/inspector/exchanges/${waiting.number}`);
    await untilText(".summary", "PENDING");
    await gateway.post(`/inspector/api/exchanges/${waiting.number}/cancel`, { reason: "elsewhere" });
    await untilText(".summary", "REJECTED");
  },

  async "who signs out sees nothing any more"() {
    await page.goto(`${gateway.url}/inspector/`);
    await page.waitForSelector("tbody tr");
    await page.$$eval("#who button", (all) => all.at(-1).click());
    await page.waitForSelector("#username");
    assert.equal(await count("tbody tr"), 0);
    await page.goBack();
    await page.waitForSelector("#username");
  },
};

mkdirSync(screenshots, { recursive: true });
conax = await startConax(RULES);
gateway = await Gateway.start(binary, { "upstream.url": conax.url });
const browser = await puppeteer.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--no-proxy-server"],
});
let failed = 0;
try {
  await browser.defaultBrowserContext().overridePermissions(gateway.url, ["clipboard-read", "clipboard-write"]);
  page = await browser.newPage();
  await page.setViewport(WIDE);
  await page.evaluateOnNewDocument(AXE);
  page.on("console", (message) => { if (message.type() === "error") complaints.push(`${message.text()} ${message.location().url ?? ""}`); });
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("request", (request) => { if (!request.url().startsWith(gateway.url)) complaints.push(`a request to ${request.url()}`); });
  for (const [name, test] of Object.entries(tests)) {
    try {
      await test();
      console.log(`ok: ${name}`);
    } catch (error) {
      failed++;
      await page.screenshot({ path: `${screenshots}/failed-${failed}.png` });
      console.log(`FAILED: ${name}\n${error.stack}`);
    }
  }
  // What the browser itself says of an answer that is meant to be an error.
  const unexpected = complaints.filter((words) => !/status of (400|401|404)|TrustedHTML|trusted-types/i.test(words));
  if (unexpected.length) {
    failed++;
    console.log(`FAILED: the browser complains\n${unexpected.join("\n")}`);
  }
} finally {
  await browser.close();
  await gateway.stop();
  conax.stop();
}
process.exit(failed ? 1 : 0);
