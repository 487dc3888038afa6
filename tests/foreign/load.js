// Loads one WSDL with node-soap and prints how many operations it found: load.js WSDL.
'use strict';
const assert = require('assert');
const soap = require('soap');

(async () => {
  const client = await soap.createClientAsync(process.argv[2]);
  const ports = Object.values(client.describe()).flatMap(service => Object.values(service));
  const operations = ports.flatMap(port => Object.entries(port));
  for (const [name, { input, output }] of operations) {
    assert(Object.keys(input[`${name}Request`]).length, `${name}: the request is not understood`);
    assert(output.TransactionStatus.StatusCode, `${name}: the answer is not understood`);
  }
  console.log(operations.length);
})().catch(error => { console.error(`node-soap: ${error.stack}`); process.exit(1); });
