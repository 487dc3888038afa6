// A gateway with its simulator, and traffic for the inspector to show.

import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

export const USER = "tester";
export const PASSWORD = "tester-password";
const METHODS = "/crmapi/rest/v2/conax_web_services/provisioning_requests";

export class Gateway {
  // Starts the binary with these settings.
  static async start(binary, settings = {}) {
    const folder = mkdtempSync(join(tmpdir(), "inspector-"));
    const environment = { ...process.env, CONAX_GATEWAY_BOOTSTRAP_USER: USER, CONAX_GATEWAY_BOOTSTRAP_PASSWORD: PASSWORD };
    for (const [key, value] of Object.entries({ "log.filter": "warn", ...settings })) {
      environment[`CONAX_GATEWAY_${key.replace(".", "_").toUpperCase()}`] = value;
    }
    const child = spawn(binary, ["serve", "--listen", "127.0.0.1:0", "--data-dir", join(folder, "data")],
      { env: environment, stdio: ["ignore", "pipe", "inherit"] });
    const [line] = await Promise.race([
      createInterface({ input: child.stdout })[Symbol.asyncIterator]().next().then(({ value }) => [value]),
      new Promise((resolve) => child.once("exit", (code) => resolve([`it ended with ${code}`]))),
    ]);
    const url = line?.match(/^listening on (.*)$/)?.[1];
    if (!url) throw new Error(`the gateway did not start: ${line}`);
    const gateway = new Gateway();
    Object.assign(gateway, { binary, child, folder, url });
    gateway.token = (await gateway.post("/crmapi/rest/v2/authentication/token", { username: USER, password: PASSWORD, organisation: "demo" })).data.token;
    return gateway;
  }

  async post(path, body) {
    const headers = { "Content-Type": "application/json", ...(this.token && { Authorization: `Bearer ${this.token}` }) };
    const answer = await fetch(this.url + path, { method: "POST", headers, body: JSON.stringify(body) });
    return answer.json();
  }

  // A pairing of one card.
  async pair(card, more = { process_immediately: true }) {
    const body = { smartcard_set: [{ smartcard_ca_id: card }], stb_set: [{ stb_ca_id: "9000000001" }], ...more };
    const { status, data } = await this.post(`${METHODS}/create_pairing`, body);
    if (status.code !== "OK") throw new Error(JSON.stringify(status));
    return data;
  }

  // A message to one card.
  async message(card, message) {
    const body = { smartcard_set: [{ smartcard_ca_id: card }], message, process_immediately: true };
    const { status, data } = await this.post(`${METHODS}/send_mail_message_to_client`, body);
    if (status.code !== "OK") throw new Error(JSON.stringify(status));
    return data;
  }

  // A client's own SOAP request.
  async passThrough(path, body) {
    const answer = await fetch(this.url + path, { method: "POST", headers: { "Content-Type": "text/xml", SOAPAction: '""' }, body });
    return answer.text();
  }

  stop() {
    this.child.kill("SIGTERM");
    return new Promise((resolve) => this.child.once("exit", () => { rmSync(this.folder, { recursive: true, force: true }); resolve(); }));
  }
}

// A Conax that answers by what stands in the request; the last rule is for everything else.
export async function startConax(rules) {
  const server = createServer((request, response) => {
    let body = "";
    request.on("data", (piece) => (body += piece));
    request.on("end", () => {
      const [, answer] = rules.find(([words]) => body.includes(words));
      if (!answer) return request.socket.destroy();
      response.writeHead(answer.status ?? 200, { "Content-Type": "text/xml; charset=utf-8" });
      response.end(answer.body);
    });
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { url: `http://127.0.0.1:${server.address().port}`, stop: () => server.close() };
}
