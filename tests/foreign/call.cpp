// Calls four operations with the stubs that gSOAP generates from our WSDLs, request bodies chunked: call BASE_URL.
#include <cstdlib>
#include <iostream>
#include <set>
#include <string>

#include "PairingWebServiceSoapBinding.nsmap"
#include "soapAuthorizationWebServiceSoapBindingProxy.h"
#include "soapPairingWebServiceSoapBindingProxy.h"
#include "soapUserTextMessagingWebServiceSoapBindingProxy.h"

static const std::string CARD = "01400000001", BOX = "gsoap-box-0001";
// gSOAP checks cardinalities, order and lengths of answers only when told to.
static const soap_mode IN = SOAP_XML_STRICT | SOAP_IO_KEEPALIVE, OUT = SOAP_IO_CHUNK | SOAP_IO_KEEPALIVE;

static std::set<std::string> transactions;

static void check(bool holds, const std::string &what) {
  if (holds) return;
  std::cerr << "gsoap " << what << std::endl;
  std::exit(1);
}

/// Makes the call named and checks what all answers have in common.
template <class Proxy, class Call, class Answer>
static void call(Proxy &proxy, int (Proxy::*operation)(Call *, Answer &), const char *name, Call &request,
                 Answer &answer) {
  if ((proxy.*operation)(&request, answer) != SOAP_OK) {
    proxy.soap_stream_fault(std::cerr);
    check(false, std::string(name) + ": no answer");
  }
  const common__TransactionStatusType &status = *answer.TransactionStatus;
  std::cout << "gsoap " << name << ": " << status.StatusCode << " " << status.TransactionId << std::endl;
  check(status.StatusCode == "OK", std::string(name) + ": expected OK");
  check(transactions.insert(status.TransactionId).second, std::string(name) + ": the TransactionId is not fresh");
}

static void check_pairing(const std::string &base) {
  const std::string url = base + "/caclient/pairing";
  PairingWebServiceSoapBindingProxy proxy(IN, OUT);
  proxy.soap_endpoint = url.c_str();

  pairing__CaClientIdsType cards;
  cards.CaClientId = {CARD};
  pairing__PairingModuleIdsType boxes;
  boxes.PairingModuleId = {BOX};
  pairing__CreatePairingRequestType create;
  create.CaClientIds = &cards;
  create.PairingModuleIds = &boxes;
  _pairing__CreatePairing creation;
  creation.CreatePairingRequest = &create;
  pairing__CreatePairingResponseType created;
  call(proxy, &PairingWebServiceSoapBindingProxy::CreatePairing, "CreatePairing", creation, created);

  pairing__GetPairingStatusForCardRequestType get;
  get.CaClientId = CARD;
  _pairing__GetPairingStatusForCard query;
  query.GetPairingStatusForCardRequest = &get;
  pairing__GetPairingStatusForCardResponseType found;
  call(proxy, &PairingWebServiceSoapBindingProxy::GetPairingStatusForCard, "GetPairingStatusForCard", query, found);
  check(found.PairingStatus == pairing__PairingStatusType__PAIRED, "the card is not paired");
  bool listed = false;
  if (found.PairingModuleIds)
    for (const std::string &box : found.PairingModuleIds->PairingModuleId) listed = listed || box == BOX;
  check(listed, "the box is not listed");
}

static void check_authorization(const std::string &base) {
  const std::string url = base + "/client/authorization";
  AuthorizationWebServiceSoapBindingProxy proxy(IN, OUT);
  proxy.soap_endpoint = url.c_str();

  authorization__CaClientIdsType cards;
  cards.CaClientId = {CARD};
  time_t start = time(nullptr);
  authorization__SubscriptionType subscription;
  subscription.ProductId = "1001";
  subscription.StartTime = &start;
  authorization__SubscriptionsType subscriptions;
  subscriptions.Subscription = {&subscription};
  authorization__AddSubscriptionsRequestType add;
  add.CaClientIds = &cards;
  add.Subscriptions = &subscriptions;
  _authorization__AddSubscriptions addition;
  addition.AddSubscriptionsRequest = &add;
  authorization__AddSubscriptionsResponseType added;
  call(proxy, &AuthorizationWebServiceSoapBindingProxy::AddSubscriptions, "AddSubscriptions", addition, added);
}

static void check_messaging(const std::string &base) {
  const std::string url = base + "/caclient/user-text-messaging";
  UserTextMessagingWebServiceSoapBindingProxy proxy(IN, OUT);
  proxy.soap_endpoint = url.c_str();

  messaging__CaClientIdsType cards;
  cards.CaClientId = {CARD};
  messaging__SendBarkMessageToClientsRequestType send;
  send.CaClientIds = &cards;
  send.Message = "Hello";
  send.DisplayDurationInSeconds = 20;
  send.SequenceNumber = 11;
  _messaging__SendBarkMessageToClients bark;
  bark.SendBarkMessageToClientsRequest = &send;
  messaging__SendBarkMessageToClientsResponseType sent;
  call(proxy, &UserTextMessagingWebServiceSoapBindingProxy::SendBarkMessageToClients, "SendBarkMessageToClients", bark,
       sent);
}

int main(int count, char **arguments) {
  check(count == 2, "usage: call BASE_URL");
  check_pairing(arguments[1]);
  check_authorization(arguments[1]);
  check_messaging(arguments[1]);
}
