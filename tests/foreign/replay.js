// The steps of replay-steps.py with node-soap, and everything that it saw: replay.js BASE_URL STEPS.json.
'use strict';
const fs = require('fs');
const soap = require('soap');

// The headers that a client acts on; whether a body came compressed is between two hops.
const HEADERS = ['content-type', 'www-authenticate', 'retry-after', 'location', 'set-cookie', 'soapaction', 'mime-version'];
const base = process.argv[2].replace(/\/$/, '');
const { user, password, card, steps } = JSON.parse(fs.readFileSync(process.argv[3], 'utf8'));

// Keeps the last answer as it came, and sends in other charsets than UTF-8.
class Recorder extends soap.HttpClient {
  constructor(variant) {
    super();
    this.variant = variant;
  }
  buildRequest(url, data, headers, options) {
    const request = super.buildRequest(url, data, headers, options);
    this.seen = undefined;
    const charset = { latin1: 'ISO-8859-1', utf16: 'UTF-16' }[this.variant];
    if (charset && typeof data === 'string') {
      const text = data.replace(/encoding="utf-8"/i, `encoding="${charset}"`);
      request.data = charset === 'UTF-16' ? Buffer.from('\uFEFF' + text, 'utf16le') : Buffer.from(text, 'latin1');
      Object.assign(request.headers, { 'Content-Type': `text/xml; charset=${charset}`, 'Content-Length': request.data.length });
    }
    // node-soap leaves the length of the text that it has compressed.
    if (options?.forceGzip) request.headers['Content-Length'] = request.data.length;
    return request;
  }
  handleResponse(request, response, body) {
    this.seen = { status: response.status, headers: response.headers, body: String(body) };
    return super.handleResponse(request, response, body);
  }
}

const SECURITY = {
  'wsse-text': () => new soap.WSSecurity(user, password, { passwordType: 'PasswordText', hasNonce: true }),
  'wsse-digest': () => new soap.WSSecurity(user, password, { passwordType: 'PasswordDigest', mustUnderstand: true }),
  basic: () => new soap.BasicAuthSecurity(user, password),
  'basic-wrong': () => new soap.BasicAuthSecurity(user, `wrong-${password}`),
};
const OPTIONS = {
  gzip: { forceGzip: true },
  mtom: { forceMTOM: true },
  attachment: {
    attachments: [{ mimetype: 'text/plain', contentId: 'note', name: 'note.txt', body: Buffer.from(`card ${card}`) }],
  },
};

const clients = new Map();
async function client(variant, service) {
  const key = `${variant} ${service}`;
  if (!clients.has(key)) {
    const url = `${base}/${service}`;
    const made = await soap.createClientAsync(`${url}?wsdl`, {
      endpoint: url, httpClient: new Recorder(variant), forceSoap12Headers: variant === 'soap12',
    });
    if (SECURITY[variant]) made.setSecurity(SECURITY[variant]());
    clients.set(key, made);
  }
  return clients.get(key);
}

const show = (name, value) => console.log(name, JSON.stringify(value ?? null));

(async () => {
  for (const { variant, service, operation, request } of steps) {
    const made = await client(variant, service);
    console.log(`--- ${operation} ${variant}`);
    try {
      const options = { timeout: 30000, ...OPTIONS[variant] };
      const [answer] = await made[`${operation}Async`]({ [`${operation}Request`]: request }, options);
      show('result', answer);
    } catch (error) {
      const fault = error.root?.Envelope?.Body?.Fault;
      // The address in a text of the connection is another one in each run.
      if (fault) show('fault', fault);
      else show('error', [error.name, made.httpClient.seen ? error.message : '']);
    }
    const { seen } = made.httpClient;
    if (!seen) continue;
    console.log('status', seen.status);
    for (const name of HEADERS) if (seen.headers[name]) console.log(`header ${name}: ${seen.headers[name]}`);
    show('body', seen.body);
  }
})().catch(error => { console.error(error); process.exit(1); });
