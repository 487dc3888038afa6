// A stateful Conax made of node-soap's server and our WSDLs, its state in memory: serve.js PORT.
//
// node-soap writes all of an answer in the namespace of its root, StatusCode and TransactionId too: a foreign server's
// slip that the gateway must cope with.
'use strict';
const { randomUUID } = require('crypto');
const { createServer } = require('http');
const { readFileSync } = require('fs');
const path = require('path');
const soap = require('soap');

const pairs = new Set(); // "card box": no blanks in either here
const subscriptions = new Map(); // card → product → subscription
const list = value => [].concat(value ?? []);
const answer = payload => ({ TransactionStatus: { StatusCode: 'OK', TransactionId: randomUUID() }, ...payload });

function partners(side, id) {
  const split = [...pairs].map(pair => pair.split(' '));
  return split.filter(pair => pair[side] === id).map(pair => pair[1 - side]);
}

function pair(cards, boxes) {
  for (const card of list(cards)) for (const box of list(boxes.PairingModuleId)) pairs.add(`${card} ${box}`);
  return answer();
}

function subscribe({ CaClientIds, Subscriptions }) {
  for (const card of list(CaClientIds.CaClientId)) {
    const held = subscriptions.get(card) ?? new Map();
    for (const subscription of list(Subscriptions.Subscription)) held.set(subscription.ProductId, subscription);
    subscriptions.set(card, held);
  }
  return answer();
}

const authorization = {
  AddSubscriptions: ({ AddSubscriptionsRequest }) => subscribe(AddSubscriptionsRequest),
  RenewSubscriptions: ({ RenewSubscriptionsRequest }) => subscribe(RenewSubscriptionsRequest),
  CancelSubscriptions({ CancelSubscriptionsRequest: { CaClientIds, ProductIds } }) {
    for (const card of list(CaClientIds.CaClientId)) {
      for (const product of list(ProductIds.ProductId)) subscriptions.get(card)?.delete(product);
    }
    return answer();
  },
  GetActiveSubscriptions({ GetActiveSubscriptionsRequest: { CaClientId } }) {
    return answer({ Subscriptions: { Subscription: [...(subscriptions.get(CaClientId)?.values() ?? [])] } });
  },
};

const pairing = {
  CreatePairing: ({ CreatePairingRequest: { CaClientIds, PairingModuleIds } }) =>
    pair(CaClientIds.CaClientId, PairingModuleIds),
  AddToExistingPairing: ({ AddToExistingPairingRequest: { CaClientId, PairingModuleIds } }) =>
    pair(CaClientId, PairingModuleIds),
  GetPairingStatusForCard({ GetPairingStatusForCardRequest: { CaClientId } }) {
    const PairingModuleId = partners(0, CaClientId);
    if (!PairingModuleId.length) return answer({ PairingStatus: 'NOT_PAIRED' });
    return answer({ PairingStatus: 'PAIRED', PairingModuleIds: { PairingModuleId } });
  },
  GetPairingStatusForPairingModule({ GetPairingStatusForPairingModuleRequest: { PairingModuleId } }) {
    const CaClientId = partners(1, PairingModuleId);
    if (!CaClientId.length) return answer({ PairingStatus: 'NOT_PAIRED' });
    return answer({ PairingStatus: 'PAIRED', CaClientIds: { CaClientId } });
  },
};

function host(server, url, name, service, operations) {
  const uri = path.join(__dirname, '../../wsdl', `${name}.wsdl`);
  const services = { [service]: { [`${service}Port`]: operations } };
  return new Promise((resolve, reject) => soap.listen(server, {
    path: `/ca-server/webservices/${url}`, uri, xml: readFileSync(uri, 'utf8'), services,
    callback: error => (error ? reject(error) : resolve()),
  }));
}

(async () => {
  const server = createServer((request, response) => { response.statusCode = 404; response.end(); });
  await host(server, 'client/authorization', 'authorization', 'AuthorizationWebService', authorization);
  await host(server, 'caclient/pairing', 'pairing', 'PairingWebService', pairing);
  server.listen(Number(process.argv[2]), '127.0.0.1');
})().catch(error => { console.error(error); process.exit(1); });
