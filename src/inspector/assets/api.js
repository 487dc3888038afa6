// Calls the gateway. If the session has ended, the listener of "signedout" shows the sign-in page.

const OWN_HEADER = { "X-Conax-Gateway-Inspector": "1" };

export class Failure extends Error {
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

async function ask(method, path, body) {
  const options = { method, headers: {}, credentials: "same-origin" };
  if (method !== "GET") {
    options.headers = { ...OWN_HEADER, "Content-Type": "application/json" };
    options.body = JSON.stringify(body ?? {});
  }
  let answer;
  try {
    answer = await fetch(`/inspector/api/${path}`, options);
  } catch {
    throw new Failure(0, "UNREACHABLE", "The gateway does not answer.");
  }
  const envelope = await answer.json();
  if (envelope.status.code === "OK") return envelope.data;
  if (envelope.status.code === "INVALID_TOKEN") dispatchEvent(new Event("signedout"));
  throw new Failure(answer.status, envelope.status.code, envelope.status.message);
}

// A file that the gateway makes from an exchange: { blob, name }.
export async function file(id, form) {
  const answer = await fetch(`/inspector/api/exchanges/${encodeURIComponent(id)}/${form}`, { credentials: "same-origin" });
  if (answer.ok) return { blob: await answer.blob(), name: answer.headers.get("Content-Disposition").match(/filename="([^"]+)"/)[1] };
  const { status } = await answer.json();
  throw new Failure(answer.status, status.code, status.message);
}

function query(values) {
  const given = Object.entries(values).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  return given.length ? `?${new URLSearchParams(given)}` : "";
}

export const session = () => ask("GET", "session");
export const signIn = (username, password) => ask("POST", "session", { username, password });
export const signOut = () => ask("DELETE", "session");
export const exchanges = (values) => ask("GET", `exchanges${query(values)}`);
export const exchange = (id) => ask("GET", `exchanges/${encodeURIComponent(id)}`);
export const decide = (id, decision, body) => ask("POST", `exchanges/${encodeURIComponent(id)}/${decision}`, body);
export const near = (values) => ask("GET", `near${query(values)}`);
export const matches = (values) => ask("GET", `matches${query(values)}`);
export const decideAll = (decision, { numbers, reason }) => ask("POST", `matches/${decision}`, { numbers: numbers.join(","), reason });
export const compare = (first, second) => ask("GET", `compare/${encodeURIComponent(first)}/${encodeURIComponent(second)}`);
export const overview = (values) => ask("GET", `overview${query(values)}`);
export const stream = (values) => new EventSource(`/inspector/api/stream${query(values)}`);
