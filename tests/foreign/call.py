"""Calls every operation with zeep, on WSDLs read from the server itself: call.py BASE_URL."""

import sys
from datetime import datetime, timedelta, timezone

from zeep import Client

BASE = sys.argv[1].rstrip("/")
CARD, OTHER_CARD = "01100000001", "01100000002"
BOX, OTHER_BOX = "zeep-box-0001", "zeep-box-0002"
PRODUCT, OTHER_PRODUCT = "00001001", "1002"
transactions = set()


class Service:
    def __init__(self, path):
        url = f"{BASE}/{path}"
        client = Client(f"{url}?wsdl")
        [service] = client.wsdl.services.values()
        [port] = service.ports.values()
        served = port.binding_options["address"]
        assert served == url, f"the WSDL at {url} has the address {served}"
        self.proxy = client.create_service(port.binding.name, url)

    def call(self, operation, expected="OK", **request):
        answer = self.proxy[operation](**{f"{operation}Request": request})
        # zeep unwraps an answer that has one element only.
        status = answer.TransactionStatus if "TransactionStatus" in answer else answer
        print(f"zeep  {operation}: {status.StatusCode} {status.TransactionId} {status.Message or ''}")
        assert status.StatusCode == expected, f"{operation}: expected {expected}"
        assert status.TransactionId not in transactions, f"{operation}: the TransactionId is not fresh"
        transactions.add(status.TransactionId)
        return answer


def cards(*ids):
    return {"CaClientId": list(ids)}


def check_pairing():
    pairing = Service("caclient/pairing")
    pairing.call("CreatePairing", CaClientIds=cards(CARD), PairingModuleIds={"PairingModuleId": [BOX]})
    pairing.call("AddToExistingPairing", CaClientId=CARD, PairingModuleIds={"PairingModuleId": [OTHER_BOX]})
    answer = pairing.call("GetPairingStatusForCard", CaClientId=CARD)
    assert answer.PairingStatus == "PAIRED"
    assert {BOX, OTHER_BOX} <= set(answer.PairingModuleIds.PairingModuleId)
    answer = pairing.call("GetPairingStatusForPairingModule", PairingModuleId=BOX)
    assert answer.PairingStatus == "PAIRED"
    assert CARD in answer.CaClientIds.CaClientId


def check_authorization():
    authorization = Service("client/authorization")

    def active():
        answer = authorization.call("GetActiveSubscriptions", CaClientId=CARD)
        return {each.ProductId for each in (answer.Subscriptions or {"Subscription": []})["Subscription"]}

    now = datetime.now(timezone.utc)
    month = {"ProductId": PRODUCT, "StartTime": now, "EndTime": now + timedelta(days=30)}
    subscriptions = {"Subscription": [month, {"ProductId": OTHER_PRODUCT}]}
    authorization.call("AddSubscriptions", CaClientIds=cards(CARD, OTHER_CARD), Subscriptions=subscriptions)
    assert {PRODUCT, OTHER_PRODUCT} <= active()
    month["EndTime"] += timedelta(days=30)
    authorization.call("RenewSubscriptions", CaClientIds=cards(CARD), Subscriptions={"Subscription": [month]})
    assert {PRODUCT, OTHER_PRODUCT} <= active()
    authorization.call("CancelSubscriptions", CaClientIds=cards(CARD), ProductIds={"ProductId": [PRODUCT]})
    assert PRODUCT not in active()
    authorization.call("CancelSubscriptions", CaClientIds=cards(CARD), ProductIds={"ProductId": [OTHER_PRODUCT]})
    assert OTHER_PRODUCT not in active()


def check_the_rest():
    fingerprinting = Service("caclient/fingerprinting")
    fingerprinting.call("DisplayFingerprint", CaClientIds=cards(CARD))
    place = {"PositionX": 0, "PositionY": 120, "Height": 24, "FingerprintSlot": "1"}
    when = {"DisplayTime": datetime(2030, 1, 1, 12), "DisplayDurationInSeconds": 10}
    fingerprinting.call("DisplayFingerprint", CaClientIds=cards(CARD, OTHER_CARD), **when, **place)

    pin = Service("caclient/ca-pin")
    pin.call("UpdateCaPinToDefaultValue", CaClientIds=cards(CARD))
    pin.call("UpdateCaPinToGivenValue", CaClientIds=cards(CARD), CaPin="0042")

    messaging = Service("caclient/user-text-messaging")
    mail = {"CaClientIds": cards(CARD), "SequenceNumber": 11}
    messaging.call("SendMailMessageToClients", **mail, Message="Zażółć <gęślą> & jaźń")
    messaging.call("SendMailMessageToClients", **mail, Message="ж" * 141, StartIndicationTime=datetime(2030, 1, 1))
    messaging.call("SendMailMessageToClients", "INPUT_VALIDATION_ERROR", **mail, Message="x" * 200)
    bark = {**mail, "Message": "Hello", "DisplayDurationInSeconds": 20}
    messaging.call("SendBarkMessageToClients", **bark)
    repetition = {"RepetitionCount": 3, "RepetitionIntervalInSeconds": 60}
    messaging.call("SendRepeatingBarkMessageToClients", **bark, **repetition)


check_pairing()
check_authorization()
check_the_rest()
