// Tests of the inspector in a real browser: node test.js GATEWAY [SCREENSHOTS]. Ends with 1 and says what is wrong.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
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
const saved = [];

const text = (selector) => page.$eval(selector, (found) => found.innerText);
const count = (selector) => page.$$eval(selector, (found) => found.length);
const until = (check, ...args) => page.waitForFunction(check, { timeout: 20000, polling: 50 }, ...args);
const untilText = (selector, words) => until((selector, words) => document.querySelector(selector)?.innerText.includes(words), selector, words);
const untilCount = (selector, n) => until((selector, n) => document.querySelectorAll(selector).length === n, selector, n);
const press = (key) => page.keyboard.press(key);

// What is shown of a text.
const shown = (title) => page.evaluate((title) => {
  const text = [...document.querySelectorAll(".text")].find((each) => each.querySelector("h2").innerText === title);
  return [...text.querySelectorAll(".row")].map((row) => [...row.childNodes].filter((node) => node.className !== "fold").map((node) => node.textContent).join("")).join("\n");
}, title);
const untilShown = (title, words) => until((title, words) => [...document.querySelectorAll(".text")].find((each) => each.querySelector("h2").innerText === title)?.innerText.includes(words), title, words);
const untilRows = (title, least, most = Infinity) => until((title, least, most) => {
  const count = [...document.querySelectorAll(".text")].find((each) => each.querySelector("h2").innerText === title)?.querySelectorAll(".row").length;
  return count >= least && count <= (most ?? Infinity);
}, title, least, most === Infinity ? null : most);
const clickButton = (words) => page.evaluate((words) => [...document.querySelectorAll("button")].find((b) => b.innerText.startsWith(words)).click(), words);
const decisions = () => page.$$eval("[aria-label=Decide] button", (all) => all.map((b) => b.innerText));
const type = async (selector, words) => { await page.focus(selector); await page.keyboard.type(words); };

// A folder that the browser saves files in.
async function downloads() {
  const downloadPath = mkdtempSync(join(tmpdir(), "inspector-saved-"));
  saved.push(downloadPath);
  const session = await page.createCDPSession();
  await session.send("Browser.setDownloadBehavior", { behavior: "allow", downloadPath });
  return downloadPath;
}

async function untilFile(file) {
  const end = Date.now() + 20000;
  while (!existsSync(file)) {
    assert.ok(Date.now() < end, `no ${file}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function filter(words) {
  await page.$eval("#filter", (input, words) => { input.value = words; }, words);
  await page.click(".filter button[type=submit]");
}

async function openRow(card) {
  await page.goto(`${gateway.url}/inspector/?q=card:${card}`);
  await untilCount("tbody tr", 1);
  await page.$eval("tbody tr a", (link) => link.click());
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
      await page.screenshot({ path: `${screenshots}/${name}-${theme}-${size.width}.png`, fullPage: true });
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
    assert.deepEqual(titles, ["Fault", "As Apache Axis prints it", "JSON call", "SOAP request", "SOAP response", "JSON reply"]);
    await untilShown("JSON reply", "REJECTED");
    assert.match(await shown("JSON call"), /"smartcard_ca_id": "00000000003"/);
    assert.match(await shown("SOAP request"), /\n {10}<[^>]*CaClientId>00000000003<\/[^>]*CaClientId>\n/);
    assert.match(await shown("SOAP response"), /\n {6}<faultstring>The database is down<\/faultstring>\n/);
    assert.match(await shown("As Apache Axis prints it"), /^AxisFault\n faultCode: /);
    assert.match(await text(".tree"), /faultcode\s+s:Server[\s\S]*faultstring\s+The database is down[\s\S]*detail[\s\S]*e\s+ORA-03113/);
    assert.match(await text("[aria-labelledby=history]"), /Attempt 1\s+500/);
    assert.match(await text(".timings"), /waited for its turn\s+\d+ ms\s+attempt 1\s+\d+ ms/);
    await until(() => document.querySelectorAll(".related li").length);
    assert.match(await text(".related"), /Same card: 00000000003\s+SOAP 1 /);
    await look("request");
    await press("x");
    await untilRows("SOAP request", 1, 12);
    await press("x");
    await untilRows("SOAP request", 13);
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
    await untilText("#said", "everything");
    const whole = await copied();
    for (const part of ["--- JSON call", "--- SOAP request", "--- SOAP response", "--- fault\nAxisFault", "00000000003"]) assert.ok(whole.includes(part), part);
    await clickButton("Everything, redacted");
    await untilText("#said", "with pseudonyms");
    const redacted = await copied();
    for (const part of ["--- JSON call", "--- request", "--- answer", "The database is down", "CaClientId>"]) assert.ok(redacted.includes(part), part);
    assert.doesNotMatch(redacted, />00000000003<|"00000000003"/, "the card has a pseudonym");
  },

  async "what came over the wire is text, whatever it is"() {
    await openRow("00000000004");
    for (const words of ["<img src=x onerror=", "⟨U+202E⟩right⟨U+2066⟩to"]) {
      assert.ok((await text("main")).includes(words), words);
    }
    await gateway.passThrough(`${SERVICE}?${encodeURIComponent(MARKUP)}`, pairing(escaped(MARKUP)));
    await page.goto(`${gateway.url}/inspector/`);
    await untilText("tbody tr:first-child", "<img src=x");
    await page.$eval("tbody tr a", (link) => link.click());
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
    await untilText(".texts", "only the beginning is shown");
    assert.ok((await shown("SOAP response")).length < 10000);
    await clickButton("Show all 5.");
    await untilRows("SOAP response", 60);
    await type("[aria-label='Find in SOAP response']", "</big>");
    await until(() => [...document.querySelectorAll(".found")].some((found) => found.innerText === "1 of 1"));
    assert.equal(await page.$eval(".code mark.now", (mark) => mark.innerText), "</big>");
    assert.ok(await page.$$eval(".code .row", (rows) => rows.length) < 1500, "only what is in sight is on the page");
    await page.focus(".code");
    await press("x");
    await untilRows("SOAP response", 60);
    await press("x");
    const longest = await page.evaluate(() => window.longest);
    assert.ok(longest < 1000, `it stood still for ${longest} ms`);
    console.log(`   5 MB of XML: the page stood still for ${Math.round(longest)} ms at most`);
  },

  async "an operator decides on the page, with a reason that is kept"() {
    const waiting = await gateway.pair("00000000001", { scheduled_date: "9000-01-01T00:00:00" });
    await page.goto(`${gateway.url}/inspector/exchanges/${waiting.id}`);
    await page.waitForSelector("[aria-label=Decide] button");
    assert.deepEqual(await decisions(), ["Cancel it", "Write a note"]);
    await clickButton("Cancel it");
    await page.waitForSelector("dialog[open] #reason");
    await look("decide");
    await page.type("#reason", "the subscriber has moved");
    await press("Enter");
    await untilText(".summary", "CANCELLED");
    assert.match(await text("[aria-labelledby=history]"), /CANCELLED[\s\S]*by tester: the subscriber has moved/);
    assert.deepEqual(await decisions(), ["Once more", "Edit and send", "Write a note"]);
    await press("a");
    await page.type("dialog[open] #reason", "and back again");
    await press("Enter");
    await until((old) => !location.pathname.endsWith(old) && document.querySelector("[aria-labelledby=history]")?.innerText.includes("and back again"), waiting.id);
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

  async "a call is edited and sent as a new request, and a note is kept, both in the history"() {
    await openRow("00000000002%20number:2");
    await press("e");
    await page.waitForSelector("dialog[open] #call");
    await look("edit");
    const call = await page.$eval("#call", (area) => area.value);
    const put = (words) => page.$eval("#call", (area, words) => { area.value = words; }, words);
    await page.type("#reason", "the digit was wrong");
    await put(`${call}}`);
    await page.$eval("dialog form", (form) => form.requestSubmit());
    await untilText("dialog .fault", "no JSON");
    await put(call.replace("stb_set", "stb_sett"));
    await page.$eval("dialog form", (form) => form.requestSubmit());
    await untilText("dialog .fault", "stb_set");
    await put(call.replace("00000000002", "00000000001"));
    await page.$eval("dialog form", (form) => form.requestSubmit());
    await untilText("[aria-labelledby=history]", "RESUBMISSION");
    assert.match(await text("[aria-labelledby=history]"), /by tester: of request 2: edited: the digit was wrong/);
    assert.match(await text(".summary"), /00000000001/);
    await press("w");
    await page.type("dialog[open] #reason", `called back ${MARKUP}`);
    await press("Enter");
    await untilText("[aria-labelledby=history]", "NOTED");
    assert.ok((await text("[aria-labelledby=history]")).includes("called back <img src=x"));
    await page.goto(`${gateway.url}/inspector/exchanges/2`);
    await untilText("[aria-labelledby=history]", "edited: the digit was wrong");
  },

  async "two are compared node by node, the marked one first"() {
    await page.goto(`${gateway.url}/inspector/?q=number:1,2%20type:create_pairing`);
    await untilText(".fault", "whole number");
    await page.goto(`${gateway.url}/inspector/exchanges/1`);
    await page.waitForSelector(".summary");
    await press("d");
    await untilText("#said", "Mark one first");
    await press("m");
    await untilText("#marked", "Request 1");
    await page.goto(`${gateway.url}/inspector/?q=number:4`);
    await untilCount("tbody tr", 1);
    await press("j");
    await press("d");
    await page.waitForSelector(".differences");
    assert.match(await text("main"), /CaClientId\/text\(\)\s+00000000001\s+00000000004/);
    assert.match(await text("main"), /state\s+COMPLETED\s+REJECTED/);
    assert.ok((await text("main")).includes("⟨U+202E⟩right") && await count("main img, main script") === 0);
    await look("compare");
    await page.goBack();
    await untilCount("tbody tr", 1);
    await press("j");
    await press("a");
    await page.waitForSelector("dialog[open] #reason");
    assert.equal(await page.evaluate(() => location.hash), "");
    await press("Escape");
    await page.goto(`${gateway.url}/inspector/compare/1/4`);
    await page.waitForSelector(".differences");
    await press("s");
    await untilText(".differences td", "00000000004");
    await page.goto(`${gateway.url}/inspector/compare/1/1`);
    await untilText("main", "No difference.");
    await page.click("#marked button");
    await until(() => !document.querySelector("#marked").innerText);
  },

  async "what is saved has pseudonyms, and is what the terminal reads"() {
    await openRow("00000000003%20number:3");
    const folder = await downloads();
    await clickButton("HAR");
    await clickButton("Fixture");
    const [har, tar] = [join(folder, "request-3.har"), join(folder, "request-3.fixtures.tar")];
    await untilFile(har);
    await untilFile(tar);
    const archive = readFileSync(har, "utf8");
    assert.ok(archive.includes("The database is down") && !/>00000000003<|"00000000003"/.test(archive));
    const sh = (command) => promisify(execFile)("bash", ["-ec", command], { cwd: folder, env: { ...process.env, CONAX_GATEWAY_STORE_DATA_DIR: join(folder, "data") } });
    await sh(`tar xf ${tar} && test -e fixtures/CREATE_PAIRING/*/request.xml && ! grep -rE '[>"]00000000003[<"]' fixtures`);
    await sh(`${binary} fixtures import ${har} imported`);
    await sh(`test -e imported/CREATE_PAIRING/*/request.xml && ${binary} fixtures check fixtures`);
  },

  async "the overview shows what happened and what is waiting, and leads to it"() {
    await page.goto(`${gateway.url}/inspector/overview`);
    await page.waitForSelector(".plot");
    assert.equal(await count(".plot"), 2);
    assert.match(await text(".ranked"), /The database is down/);
    assert.match(await text("main"), /Need an operator\s+\d+/);
    assert.match(await text("main"), /in order http:\/\/127/);
    assert.equal(await count("main img, main script"), 0);
    await look("overview");
    const bars = await page.$$eval(".plot rect", (all) => all.map((rect) => Number(rect.getAttribute("height"))));
    assert.ok(bars.length >= 2 && bars.every((height) => height > 0));
    await page.evaluate(() => [...document.querySelectorAll(".ranked a")].find((a) => a.innerText.includes("database")).click());
    await page.waitForSelector("tbody tr");
    await untilText(".counts", "Live");
    const reasons = await page.$$eval("tbody td.reason", (all) => all.map((td) => td.innerText));
    assert.ok(reasons.length && reasons.every((words) => words.includes("The database is down")), reasons.join());
  },

  async "a filter is saved, forgotten, and off for a moment"() {
    await page.goto(`${gateway.url}/inspector/?q=state:rejected`);
    await page.waitForSelector("tbody tr");
    await untilText(".counts", "Live");
    const some = await count("tbody tr");
    await press("s");
    await untilCount(".saved li", 1);
    await press("f");
    await untilText(".counts", "the filter is off");
    await until((some) => document.querySelectorAll("tbody tr").length > some, some);
    await press("f");
    await untilCount("tbody tr", some);
    await page.goto(`${gateway.url}/inspector/`);
    await page.waitForSelector(".saved button");
    await look("saved");
    await page.click(".saved button");
    await untilCount("tbody tr", some);
    await page.click(".saved li button:last-child");
    await untilCount(".saved li", 0);
  },

  async "a card's number is found as it is read out, and one with a wrong digit leads to those near it"() {
    await page.goto(`${gateway.url}/inspector/`);
    await page.waitForSelector("tbody tr");
    await filter("000 0000-0002");
    await untilText(".counts", "Live");
    assert.equal(await page.$eval("#filter", (input) => input.value), "card:00000000002");
    const cards = await page.$$eval("tbody td.card", (all) => all.map((td) => td.innerText));
    assert.ok(cards.length && cards.every((card) => card === "00000000002"), cards.join());
    await filter("00000010002");
    await untilText(".near", "Nothing has this card. Near it: 00000000002");
    await look("near");
    await page.click(".near a");
    await page.waitForSelector("tbody tr");
    assert.match(page.url(), /card%3A00000000002/);
    assert.equal(await page.$eval(".near", (near) => near.innerText), "");
  },

  async "columns are chosen and ordered, and stay so in this browser"() {
    await page.goto(`${gateway.url}/inspector/`);
    await page.waitForSelector("tbody tr");
    const headings = () => page.$$eval("thead th", (all) => all.map((th) => th.innerText));
    assert.deepEqual((await headings()).slice(0, 3), ["Number", "Time", "Type"]);
    await clickButton("Columns");
    await page.waitForSelector("dialog[open] .choices");
    await look("columns");
    await page.click("#column-status");
    await page.click("#column-id");
    await page.click("[data-key=operation] button[aria-label$=front]");
    assert.equal(await page.evaluate(() => document.activeElement.ariaLabel), "Type: further to the front");
    await press("Escape");
    const chosen = await headings();
    assert.deepEqual([chosen[1], chosen.at(-1), chosen.includes("HTTP")], ["Type", "Id", false]);
    await page.reload();
    await page.waitForSelector("tbody tr");
    assert.deepEqual(await headings(), chosen);
    assert.match(await text("tbody tr td.id"), /^[0-9A-F]{32}$/i);
    await clickButton("Columns");
    await clickButton("As usual");
    await press("Escape");
    assert.equal((await headings()).length, 9);
  },

  async "a note stands by what was passed through, and how its time went by"() {
    await page.goto(`${gateway.url}/inspector/?q=state:passed`);
    await page.waitForSelector("tbody tr a");
    await page.$eval("tbody tr a", (link) => link.click());
    await page.waitForSelector(".timings .stretches");
    assert.match(await text(".timings"), /wait \d+(\.\d)? m?s\s+read/);
    await press("w");
    await page.type("dialog[open] #reason", `ticket 815 ${MARKUP}`);
    await press("Enter");
    await untilText("[aria-labelledby=history]", "by tester: ticket 815 <img");
    await look("noted");
    await page.goto(`${gateway.url}/inspector/?q=note:815`);
    await untilCount("tbody tr", 1);
  },

  async "one decision is about all that match, and about no others"() {
    const later = { scheduled_date: "9000-01-01T00:00:00" };
    const waiting = [await gateway.pair("00000000071", later), await gateway.pair("00000000072", later), await gateway.pair("00000000073", later)];
    await page.goto(`${gateway.url}/inspector/?q=card:00000000071,00000000072`);
    await untilCount("tbody tr", 2);
    await clickButton("All that match");
    await page.waitForSelector("dialog[open] fieldset");
    await page.click("input[value=again]");
    await untilText("dialog [role=status]", "None of what matches");
    await page.click("input[value=cancel]");
    await untilText("dialog [role=status]", "2 requests were not sent yet");
    await look("all");
    await page.type("#reason", "the order was withdrawn");
    await press("Enter");
    await untilText("#said", "2 done");
    await until(() => [...document.querySelectorAll("tbody tr td.state")].every((td) => td.innerText === "REJECTED"));
    await page.goto(`${gateway.url}/inspector/exchanges/${waiting[0].number}`);
    await untilText("[aria-labelledby=history]", "by tester: the order was withdrawn");
    await page.goto(`${gateway.url}/inspector/exchanges/${waiting[2].number}`);
    await untilText(".summary", "PENDING");
  },

  async "thousands of rows scroll with few of them on the page, and stay in sight while others come"() {
    await page.goto(`${gateway.url}/inspector/`);
    await untilText(".counts", "Live");
    const bodies = Array.from({ length: 1500 }, (_, n) => String(n).padStart(11, "7"));
    for (let from = 0; from < bodies.length; from += 50) {
      await Promise.all(bodies.slice(from, from + 50).map((card) => gateway.passThrough(SERVICE, pairing(card))));
    }
    await page.reload();
    await untilText(".counts", "Live");
    // Down to the end, as fast as one can.
    await until(() => {
      const box = document.querySelector(".list");
      box.scrollTop = box.scrollHeight;
      return !document.querySelector(".counts").innerText.includes("older ones") && box.scrollTop + box.clientHeight >= box.scrollHeight - 1
        // The rows follow in the next frame.
        && document.querySelector("tbody tr:last-child td.number")?.innerText === "1";
    });
    assert.match(await text(".counts"), /Live\. 15\d\d rows\./);
    assert.ok(await count("tbody tr") < 80, `${await count("tbody tr")} rows on the page`);
    // In the middle, what is in sight stays where it is.
    const top = () => page.evaluate(() => { const box = document.querySelector(".list").getBoundingClientRect(); const line = document.elementFromPoint(box.left + 20, box.top + 200).closest("tr"); return [line.innerText, Math.round(line.getBoundingClientRect().top)]; });
    await page.evaluate(() => { document.querySelector(".list").scrollTop = 16000; });
    await until(() => document.querySelector(".list tbody tr").getBoundingClientRect().top < 400);
    const before = await top();
    await gateway.passThrough(SERVICE, pairing("00000000001"));
    await untilText(".counts", /\d+ rows/.exec(await text(".counts"))[0].replace(/\d+/, (n) => Number(n) + 1));
    assert.deepEqual(await top(), before);
    await press("j");
    await press("j");
    assert.ok(await page.evaluate(() => document.activeElement.closest("tbody tr") !== null));
    const frames = await page.evaluate(async () => {
      const box = document.querySelector(".list");
      const took = [];
      box.scrollTop = 0;
      for (let last = performance.now(), n = 0; n < 120; n++) {
        box.scrollTop += 400;
        await new Promise(requestAnimationFrame);
        took.push(performance.now() - last);
        last = performance.now();
      }
      return took.sort((a, b) => a - b);
    });
    console.log(`   scrolling 1,500 rows: a frame took ${Math.round(frames[60])} ms, the slowest ${Math.round(frames.at(-1))} ms`);
    await press("n");
    await untilText("tbody tr:first-child", "00000000001");
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
  const only = process.env.ONLY?.split("|");
  for (const [name, test] of Object.entries(tests)) {
    if (only && !only.some((words) => name.includes(words))) continue;
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
  saved.forEach((folder) => rmSync(folder, { recursive: true, force: true }));
}
process.exit(failed ? 1 : 0);
