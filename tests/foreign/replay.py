"""The steps of replay-steps.py with zeep, and everything that it saw: replay.py BASE_URL STEPS.json."""

import gzip
import json
import logging
import pathlib
import sys

from lxml import etree
from requests.auth import HTTPBasicAuth
from zeep import Client, Settings, Transport
from zeep.exceptions import Fault
from zeep.helpers import serialize_object
from zeep.wsse.username import UsernameToken

# The headers that a client acts on; whether a body came compressed is between two hops.
HEADERS = ["content-type", "www-authenticate", "retry-after", "location", "set-cookie", "soapaction", "mime-version"]
CHARSETS = {"latin1": "ISO-8859-1", "utf16": "UTF-16"}
base, script = sys.argv[1].rstrip("/"), json.loads(pathlib.Path(sys.argv[2]).read_text(encoding="utf-8"))
user, password = script["user"], script["password"]
logging.disable()


class Recorder(Transport):
    def __init__(self, variant):
        super().__init__(timeout=30, operation_timeout=30)
        self.variant, self.seen = variant, None

    def load(self, url):
        content = super().load(url)
        if self.variant == "soap12":
            content = content.replace(b"http://schemas.xmlsoap.org/wsdl/soap/", b"http://schemas.xmlsoap.org/wsdl/soap12/")
        return content

    def post_xml(self, address, envelope, headers):
        charset = CHARSETS.get(self.variant)
        if not charset:
            return super().post_xml(address, envelope, headers)
        message = etree.tostring(envelope, encoding=charset, xml_declaration=True)
        return self.post(address, message, {**headers, "Content-Type": f"text/xml; charset={charset}"})

    def post(self, address, message, headers):
        if self.variant == "gzip":
            message, headers = gzip.compress(message), {**headers, "Content-Encoding": "gzip"}
        if self.variant.startswith("basic"):
            secret = password if self.variant == "basic" else "wrong-" + password
            self.session.auth = HTTPBasicAuth(user.encode(), secret.encode())
        self.seen = super().post(address, message, headers)
        return self.seen


clients = {}


def client(variant, service):
    if (variant, service) not in clients:
        url = f"{base}/{service}"
        wsse = {"wsse-text": False, "wsse-digest": True}.get(variant)
        token = None if wsse is None else UsernameToken(user, password, use_digest=wsse)
        made = Client(f"{url}?wsdl", transport=Recorder(variant), wsse=token, settings=Settings(strict=True))
        [of] = made.wsdl.services.values()
        [port] = of.ports.values()
        clients[variant, service] = made, made.create_service(port.binding.name, url)
    return clients[variant, service]


def show(name, value):
    print(name, json.dumps(value, ensure_ascii=False, sort_keys=True, default=str))


for step in script["steps"]:
    made, proxy = client(step["variant"], step["service"])
    operation, recorder = step["operation"], made.transport
    recorder.seen = None
    print(f"--- {operation} {step['variant']}")
    try:
        show("result", serialize_object(proxy[operation](**{f"{operation}Request": step["request"]}), dict))
    except Fault as fault:
        detail = etree.tostring(fault.detail).decode() if etree.iselement(fault.detail) else str(fault.detail)
        show("fault", [fault.code, fault.message, fault.actor, detail])
    except Exception as error:
        # The address in a text of the connection is another one in each run.
        show("error", [type(error).__name__, str(error) if recorder.seen is not None else ""])
    if recorder.seen is not None:
        print("status", recorder.seen.status_code)
        for name in HEADERS:
            if name in recorder.seen.headers:
                print(f"header {name}: {recorder.seen.headers[name]}")
        show("body", recorder.seen.content.decode("utf-8", "backslashreplace"))
