// Copies: a call as a curl command, and a whole exchange as text, unchanged or with pseudonyms.

const quote = (text) => `'${text.replaceAll("'", "'\\''")}'`;

function curl(path, headers, body) {
  const lines = [`curl -sS ${quote(location.origin + path)}`, ...headers.map((header) => `-H ${quote(header)}`)];
  lines.push(`--data-binary ${quote(body)}`);
  return lines.join(" \\\n  ");
}

// The JSON call; the reader fills in the token.
export function jsonCurl(detail) {
  if (!detail.call) return null;
  const headers = ["Content-Type: application/json"];
  return curl(`/crmapi/rest/v2/${detail.method_path}`, headers, JSON.stringify(detail.call))
    .replace(" \\\n", " \\\n  -H \"Authorization: Bearer $TOKEN\" \\\n");
}

// The SOAP request, sent through the gateway.
export function soapCurl(detail) {
  if (detail.kind === "exchange") {
    const names = ["content-type", "soapaction"];
    const headers = detail.request.headers.filter(([name]) => names.includes(name));
    return detail.request.body ? curl(detail.path, headers.map(([name, value]) => `${name}: ${value}`), detail.request.body) : null;
  }
  const { soap, record } = detail;
  if (!soap || !record.request) return null;
  const action = soap.content_type.startsWith("text/xml") ? [`SOAPAction: "${soap.action}"`] : [];
  return curl(soap.path, [`Content-Type: ${soap.content_type}`, ...action], record.request);
}

export const headersText = (headers) => headers.map(([name, value]) => `${name}: ${value}`).join("\n");

const titled = (parts) => parts.filter(([, text]) => text).map(([name, text]) => (name ? `--- ${name}\n${text}` : text)).join("\n\n");

// All texts, for a ticket. Each text begins with a line that names it.
export function wholeText(detail, summary) {
  const parts = [["", summary.map(([name, value]) => `${name}: ${value}`).join("\n")]];
  if (detail.kind === "exchange") {
    parts.push(["request", `POST ${detail.path}\n${headersText(detail.request.headers)}\n\n${detail.request.body}`]);
    const { answer } = detail;
    if (answer) parts.push(["answer", `HTTP ${answer.http_status} ${answer.reason}\n${headersText(answer.headers)}\n\n${answer.body}`]);
    parts.push(["fault", detail.axis]);
  } else {
    const { record } = detail;
    parts.push(["JSON call", detail.call && JSON.stringify(detail.call, null, 2)]);
    parts.push(["SOAP request", record.request], ["SOAP response", record.response], ["fault", record.error_description]);
  }
  return titled(parts);
}

// The same texts with pseudonyms, from the HTTP archive that the gateway makes.
export function redactedText(archive) {
  const fields = (headers) => headers.map(({ name, value }) => `${name}: ${value}`).join("\n");
  return titled(archive.log.entries.flatMap(({ request, response, time, _conax_gateway: ours }) => [
    ["", `Type: ${ours.type}\nPath: ${new URL(request.url).pathname}\nHTTP status: ${response.status || "no answer"}\nDuration: ${time} ms`],
    ["JSON call", ours.call && JSON.stringify(ours.call, null, 2)],
    ["request", `${fields(request.headers)}\n\n${request.postData?.text ?? ""}`],
    ["answer", response.status ? `${response.status} ${response.statusText}\n${fields(response.headers)}\n\n${response.content.text ?? ""}` : null],
    ["reply", ours.reply && JSON.stringify(ours.reply, null, 2)],
  ]));
}
