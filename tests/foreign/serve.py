"""A stateful Conax made of Python's spyne, which never sees our WSDLs, its state in memory: serve.py PORT."""

import sys
import uuid
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIServer, make_server

from spyne import Application, ComplexModel, DateTime, Service, Unicode, rpc
from spyne.protocol.soap import Soap11
from spyne.server.wsgi import WsgiApplication

COMMON = "http://www.conax.com/cas/xsd/common-types/v1"
AUTHORIZATION = "http://www.conax.com/cas/xsd/authorization/v1"
PAIRING = "http://www.conax.com/cas/xsd/pairing/v1"

pairs = set()  # (card, box)
subscriptions = {}  # card → product → Subscription


def struct(namespace, name, **fields):
    return type(name, (ComplexModel,), {"__namespace__": namespace, "_type_info": list(fields.items())})


def many(kind):
    return kind.customize(min_occurs=0, max_occurs="unbounded")


def operation(request, **payload):
    """The shape of all operations: one parameter OperationRequest; TransactionStatus and the payload as the answer."""
    names, types = ["TransactionStatus", *payload], [TransactionStatus, *payload.values()]
    return rpc(request, _returns=types, _out_variable_names=names)


def ok():
    return TransactionStatus(StatusCode="OK", TransactionId=str(uuid.uuid4()))


TransactionStatus = struct(COMMON, "TransactionStatusType", StatusCode=Unicode, TransactionId=Unicode, Message=Unicode)

Subscription = struct(AUTHORIZATION, "SubscriptionType", ProductId=Unicode, StartTime=DateTime, EndTime=DateTime)
Subscriptions = struct(AUTHORIZATION, "SubscriptionsType", Subscription=many(Subscription))
Products = struct(AUTHORIZATION, "ProductIdsType", ProductId=many(Unicode))
Subscribers = struct(AUTHORIZATION, "CaClientIdsType", CaClientId=many(Unicode))
Subscriber = struct(AUTHORIZATION, "GetActiveSubscriptionsRequestType", CaClientId=Unicode)
Subscribe = struct(AUTHORIZATION, "AddSubscriptionsRequestType", CaClientIds=Subscribers, Subscriptions=Subscriptions)
Cancel = struct(AUTHORIZATION, "CancelSubscriptionsRequestType", CaClientIds=Subscribers, ProductIds=Products)


class Authorization(Service):
    @operation(Subscribe)
    def AddSubscriptions(context, AddSubscriptionsRequest):
        return subscribe(AddSubscriptionsRequest)

    @operation(Subscribe)
    def RenewSubscriptions(context, RenewSubscriptionsRequest):
        return subscribe(RenewSubscriptionsRequest)

    @operation(Cancel)
    def CancelSubscriptions(context, CancelSubscriptionsRequest):
        for card in CancelSubscriptionsRequest.CaClientIds.CaClientId:
            for product in CancelSubscriptionsRequest.ProductIds.ProductId:
                subscriptions.get(card, {}).pop(product, None)
        return ok()

    @operation(Subscriber, Subscriptions=Subscriptions)
    def GetActiveSubscriptions(context, GetActiveSubscriptionsRequest):
        held = subscriptions.get(GetActiveSubscriptionsRequest.CaClientId, {})
        return ok(), Subscriptions(Subscription=list(held.values()))


def subscribe(request):
    for card in request.CaClientIds.CaClientId:
        for subscription in request.Subscriptions.Subscription:
            subscriptions.setdefault(card, {})[subscription.ProductId] = subscription
    return ok()


Cards = struct(PAIRING, "CaClientIdsType", CaClientId=many(Unicode))
Boxes = struct(PAIRING, "PairingModuleIdsType", PairingModuleId=many(Unicode))
Create = struct(PAIRING, "CreatePairingRequestType", CaClientIds=Cards, PairingModuleIds=Boxes)
Extend = struct(PAIRING, "AddToExistingPairingRequestType", CaClientId=Unicode, PairingModuleIds=Boxes)
Card = struct(PAIRING, "GetPairingStatusForCardRequestType", CaClientId=Unicode)
Box = struct(PAIRING, "GetPairingStatusForPairingModuleRequestType", PairingModuleId=Unicode)


class Pairing(Service):
    @operation(Create)
    def CreatePairing(context, CreatePairingRequest):
        return pair(CreatePairingRequest.CaClientIds.CaClientId, CreatePairingRequest)

    @operation(Extend)
    def AddToExistingPairing(context, AddToExistingPairingRequest):
        return pair([AddToExistingPairingRequest.CaClientId], AddToExistingPairingRequest)

    @operation(Card, PairingStatus=Unicode, PairingModuleIds=Boxes)
    def GetPairingStatusForCard(context, GetPairingStatusForCardRequest):
        boxes = [box for card, box in pairs if card == GetPairingStatusForCardRequest.CaClientId]
        return ok(), status(boxes), Boxes(PairingModuleId=boxes) if boxes else None

    @operation(Box, PairingStatus=Unicode, CaClientIds=Cards)
    def GetPairingStatusForPairingModule(context, GetPairingStatusForPairingModuleRequest):
        cards = [card for card, box in pairs if box == GetPairingStatusForPairingModuleRequest.PairingModuleId]
        return ok(), status(cards), Cards(CaClientId=cards) if cards else None


def pair(cards, request):
    pairs.update((card, box) for card in cards for box in request.PairingModuleIds.PairingModuleId)
    return ok()


def status(partners):
    return "PAIRED" if partners else "NOT_PAIRED"


def host(service, namespace):
    return WsgiApplication(Application([service], tns=namespace, in_protocol=Soap11(), out_protocol=Soap11()))


services = {
    "/ca-server/webservices/client/authorization": host(Authorization, AUTHORIZATION),
    "/ca-server/webservices/caclient/pairing": host(Pairing, PAIRING),
}


def dispatch(environ, start_response):
    service = services.get(environ["PATH_INFO"])
    if service:
        return service(environ, start_response)
    start_response("404 Not Found", [("Content-Length", "0")])
    return []


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


with make_server("127.0.0.1", int(sys.argv[1]), dispatch, Server) as server:
    server.serve_forever()
