"""What every client of `replay` does: replay-steps.py write CLIENT FOLDER | check FOLDER OUTPUT.

write: FOLDER/steps.json for clients that read JSON, FOLDER/steps.tsv (variant, service, operation, body element) for Axis, and
FOLDER/originals, one a line: the values that a recording may not keep. check: that OUTPUT shows what each step must see, so
that two equal outputs are not two equal failures. Values are fixed: what differs between runs comes from the libraries.
"""

import json
import pathlib
import re
import sys
from xml.sax.saxutils import escape

VARIANTS = {
    "zeep": "soap12 wsse-text wsse-digest basic basic-wrong gzip latin1 utf16",
    "node": "soap12 wsse-text wsse-digest basic basic-wrong gzip latin1 utf16 mtom attachment",
    "php": "soap12 wsse-text wsse-digest basic basic-wrong gzip utf16 close",
    "axis": "soap12 wsse-text wsse-digest basic basic-wrong chunked latin1 utf16 attachment",
}
PREFIX = {"zeep": "0210", "node": "0220", "php": "0230", "axis": "0240"}
PAIRING, AUTHORIZATION, TEXTS = "caclient/pairing", "client/authorization", "caclient/user-text-messaging"
PIN = "739164"


def write(client, folder):
    card, other = PREFIX[client] + "7654301", PREFIX[client] + "7654302"
    box, second = f"{client}box-7A31/01", f"{client}box-7A31/02"
    user, password = f"{client}-operator", f"geheim&{client}<Ünï>"
    cards = {"CaClientIds": {"CaClientId": [card]}}
    both = {"CaClientIds": {"CaClientId": [card, other]}}
    steps = []

    def step(service, operation, request, expected="OK", variant="plain"):
        steps.append({"variant": variant, "service": service, "operation": operation, "request": request,
                      "expected": expected})

    def status(expected, variant="plain", of=card):
        step(PAIRING, "GetPairingStatusForCard", {"CaClientId": of}, expected, variant)

    def mail(text, expected="OK", variant="plain", **more):
        step(TEXTS, "SendMailMessageToClients", {**both, "Message": text, **more, "SequenceNumber": 11}, expected, variant)

    # The same query with changes of state between.
    status(">NOT_PAIRED<")
    step(PAIRING, "CreatePairing", {**cards, "PairingModuleIds": {"PairingModuleId": [box]}})
    status(f">{box}<")
    step(PAIRING, "AddToExistingPairing", {"CaClientId": card, "PairingModuleIds": {"PairingModuleId": [second]}})
    status(f">{second}<")
    step(PAIRING, "GetPairingStatusForPairingModule", {"PairingModuleId": box}, f">{card}<")
    month = {"ProductId": "00001001", "StartTime": "2030-01-01T00:00:00Z", "EndTime": "2039-12-31T23:59:59Z"}
    step(AUTHORIZATION, "AddSubscriptions", {**both, "Subscriptions": {"Subscription": [month]}})
    step(AUTHORIZATION, "GetActiveSubscriptions", {"CaClientId": card}, ">00001001<")
    month = {**month, "EndTime": "2040-12-31T23:59:59Z"}
    step(AUTHORIZATION, "RenewSubscriptions", {**cards, "Subscriptions": {"Subscription": [month]}})
    step(AUTHORIZATION, "GetActiveSubscriptions", {"CaClientId": card}, ">2040-12-31T23:59:59Z<")
    step(AUTHORIZATION, "CancelSubscriptions", {**cards, "ProductIds": {"ProductId": ["00001001"]}})
    step(AUTHORIZATION, "GetActiveSubscriptions", {"CaClientId": card})
    place = {"PositionX": 0, "PositionY": 120, "Height": 24, "FingerprintSlot": "1"}
    when = {"DisplayTime": "2030-01-01T12:00:00Z", "DisplayDurationInSeconds": 10}
    step("caclient/fingerprinting", "DisplayFingerprint", {**both, **when, **place})
    step("caclient/ca-pin", "UpdateCaPinToDefaultValue", cards)
    step("caclient/ca-pin", "UpdateCaPinToGivenValue", {**cards, "CaPin": PIN})
    # Non-ASCII, markup, line ends, a character beyond U+FFFF, a card number in running text; twice the same.
    mail("Zażółć <gęślą> & \"jaźń\" 'x' ]]>")
    # Axis 1.4 writes the last one as two references to surrogates, which is not XML.
    broken = "Couldn't parse stream." if client == "axis" else "OK"
    mail("жжж 𝄞 €\nsecond line\tand tab", broken, StartIndicationTime="2030-01-01T00:00:00Z")
    for _ in range(2):
        mail(f"Your card {card}: call +385-1-555-0{PREFIX[client]}")
    mail(f"{client} too long " + "x" * 200, "INPUT_VALIDATION_ERROR")
    bark = {**cards, "Message": f"Dobrý den, pane {client.title()}ovský", "DisplayDurationInSeconds": 20,
            "SequenceNumber": 12}
    step(TEXTS, "SendBarkMessageToClients", bark)
    repetition = {"RepetitionCount": 3, "RepetitionIntervalInSeconds": 60}
    step(TEXTS, "SendRepeatingBarkMessageToClients", {**bark, **repetition})
    # Reserved cards of the simulator, and one that it does not know and names in its answer.
    status("Fault in the simulator.", of="99000000001")
    status("Server.userException", of="99000000002")
    status("", of="99000000004")
    status("", of="99000000005")
    status("status 503", of="99000000006")
    status("SYSTEM_ERROR", of="99000000007")
    unknown = f"991{PREFIX[client]}0001"
    status(f"CA client {unknown} not found", of=unknown)
    for variant in VARIANTS[client].split():
        refused = variant == "basic-wrong"
        mail(f"{variant}: Größe <é> & façade", "status 401" if refused else "OK", variant)
        status("status 401" if refused else f">{second}<", variant)
        if not refused:
            status("Fault in the simulator.", variant, "99000000001")

    messages = {each["request"]["Message"] for each in steps if "Message" in each["request"]}
    named = {each["request"].get("CaClientId") for each in steps} - {None}
    pieces = {"second line", f"+385-1-555-0{PREFIX[client]}", "x" * 60}
    originals = messages | pieces | named | {card, other, box, second, PIN, user, password}
    folder = pathlib.Path(folder)
    script = {"user": user, "password": password, "card": card, "steps": steps}
    (folder / "steps.json").write_text(json.dumps(script, ensure_ascii=False, indent=1), encoding="utf-8")
    (folder / "originals").write_text("\n".join(sorted(json.dumps(o) for o in originals)) + "\n", encoding="utf-8")
    rows = ["\t".join([user, password, card])]
    rows += ["\t".join([s["variant"], s["service"], s["operation"], json_free(body(s))]) for s in steps]
    (folder / "steps.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")


def json_free(xml):
    return xml.replace("\n", "&#10;").replace("\t", "&#9;")


def body(step):
    """The body element as a document of its own."""
    name, space = step["operation"], step["service"].rsplit("/", 1)[1]
    inner = elements(f"{name}Request", step["request"])
    return f'<q:{name} xmlns:q="http://www.conax.com/cas/xsd/{space}/v1">{inner}</q:{name}>'


def elements(name, value):
    if isinstance(value, list):
        return "".join(elements(name, each) for each in value)
    inner = "".join(elements(*pair) for pair in value.items()) if isinstance(value, dict) else escape(str(value))
    return f"<q:{name}>{inner}</q:{name}>"


def check(folder, output):
    steps = json.loads(pathlib.Path(folder, "steps.json").read_text(encoding="utf-8"))["steps"]
    seen = re.split(r"^--- ", pathlib.Path(output).read_text(encoding="utf-8"), flags=re.M)[1:]
    bad = [] if len(seen) == len(steps) else [f"{len(steps)} steps, but the client shows {len(seen)}"]
    for step, block in zip(steps, seen):
        # The texts of the body are JSON strings.
        if step["expected"] not in block.replace('\\"', '"').replace("\\/", "/"):
            bad.append(f"{step['variant']} {step['operation']} should have seen {step['expected']}:\n--- {block[:1500]}")
    if bad:
        sys.exit("\n".join(bad))
    print(f"{len(steps)} steps saw what they must")


{"write": write, "check": check}[sys.argv[1]](*sys.argv[2:])
