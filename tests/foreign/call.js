// Calls every operation with node-soap, on WSDLs read from the server itself: call.js BASE_URL.
'use strict';
const assert = require('assert');
const soap = require('soap');

const base = process.argv[2].replace(/\/$/, '');
const [card, otherCard] = ['01200000001', '01200000002'];
const [box, otherBox] = ['node-box-0001', 'node-box-0002'];
const [product, otherProduct] = ['00001001', '1002'];
const transactions = new Set();

// Dates go as text: node-soap writes a Date as an empty element.
const days = count => new Date(Date.now() + count * 86400e3).toISOString();
const cards = (...ids) => ({ CaClientId: ids });
const list = value => [].concat(value ?? []); // node-soap gives one element as such, several as an array

async function service(path) {
  const client = await soap.createClientAsync(`${base}/${path}?wsdl`, { endpoint: `${base}/${path}` });
  return async (operation, request, expected = 'OK') => {
    const [answer] = await client[`${operation}Async`]({ [`${operation}Request`]: request });
    const { StatusCode: code, TransactionId: id, Message: message = '' } = answer.TransactionStatus;
    console.log(`node  ${operation}: ${code} ${id} ${message}`);
    assert.equal(code, expected, operation);
    assert(id && !transactions.has(id), `${operation}: the TransactionId is not fresh`);
    transactions.add(id);
    return answer;
  };
}

async function checkPairing() {
  const call = await service('caclient/pairing');
  await call('CreatePairing', { CaClientIds: cards(card), PairingModuleIds: { PairingModuleId: [box] } });
  await call('AddToExistingPairing', { CaClientId: card, PairingModuleIds: { PairingModuleId: [otherBox] } });
  const ofCard = await call('GetPairingStatusForCard', { CaClientId: card });
  assert.equal(ofCard.PairingStatus, 'PAIRED');
  for (const id of [box, otherBox]) assert(list(ofCard.PairingModuleIds.PairingModuleId).includes(id), id);
  const ofBox = await call('GetPairingStatusForPairingModule', { PairingModuleId: box });
  assert.equal(ofBox.PairingStatus, 'PAIRED');
  assert(list(ofBox.CaClientIds.CaClientId).includes(card));
}

async function checkAuthorization() {
  const call = await service('client/authorization');
  const active = async () => {
    const { Subscriptions } = await call('GetActiveSubscriptions', { CaClientId: card });
    return list(Subscriptions?.Subscription).map(each => each.ProductId);
  };
  const month = { ProductId: product, StartTime: days(0), EndTime: days(30) };
  const subscriptions = { Subscription: [month, { ProductId: otherProduct }] };
  await call('AddSubscriptions', { CaClientIds: cards(card, otherCard), Subscriptions: subscriptions });
  let now = await active();
  assert(now.includes(product) && now.includes(otherProduct));
  month.EndTime = days(60);
  await call('RenewSubscriptions', { CaClientIds: cards(card), Subscriptions: { Subscription: [month] } });
  assert((await active()).includes(product));
  await call('CancelSubscriptions', { CaClientIds: cards(card), ProductIds: { ProductId: [product] } });
  now = await active();
  assert(!now.includes(product) && now.includes(otherProduct));
  await call('CancelSubscriptions', { CaClientIds: cards(card), ProductIds: { ProductId: [otherProduct] } });
  assert(!(await active()).includes(otherProduct));
}

async function checkTheRest() {
  const fingerprinting = await service('caclient/fingerprinting');
  await fingerprinting('DisplayFingerprint', { CaClientIds: cards(card) });
  await fingerprinting('DisplayFingerprint', {
    CaClientIds: cards(card, otherCard), DisplayTime: '2030-01-01T12:00:00Z', DisplayDurationInSeconds: 10,
    PositionX: 0, PositionY: 120, Height: 24, FingerprintSlot: '1',
  });

  const pin = await service('caclient/ca-pin');
  await pin('UpdateCaPinToDefaultValue', { CaClientIds: cards(card) });
  await pin('UpdateCaPinToGivenValue', { CaClientIds: cards(card), CaPin: '0042' });

  const messaging = await service('caclient/user-text-messaging');
  const mail = Message => ({ CaClientIds: cards(card), Message, SequenceNumber: 11 });
  await messaging('SendMailMessageToClients', mail('Zażółć <gęślą> & jaźń'));
  await messaging('SendMailMessageToClients', mail('ж'.repeat(141)));
  await messaging('SendMailMessageToClients', mail('x'.repeat(200)), 'INPUT_VALIDATION_ERROR');
  const bark = {
    CaClientIds: cards(card), Message: 'Hello', DisplayDurationInSeconds: 20,
    StartIndicationTime: '2030-01-01T00:00:00Z', SequenceNumber: 11,
  };
  await messaging('SendBarkMessageToClients', bark);
  await messaging('SendRepeatingBarkMessageToClients',
    { ...bark, RepetitionCount: 3, RepetitionIntervalInSeconds: 60 });
}

(async () => {
  await checkPairing();
  await checkAuthorization();
  await checkTheRest();
})().catch(error => { console.error(error); process.exit(1); });
