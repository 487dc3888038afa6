"""A receiver of OTLP over HTTP, and a Conax that notes its traceparent, around a gateway: see README.md."""

import http.server
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PAIRING = {"smartcard_set": [{"smartcard_ca_id": "01450253313"}], "stb_set": [{"stb_ca_id": "1"}]}
ANSWER = """<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>
<p:CreatePairingResponse xmlns:p="http://www.conax.com/cas/xsd/pairing/v1"
 xmlns:c="http://www.conax.com/cas/xsd/common-types/v1"><p:TransactionStatus><c:StatusCode>OK</c:StatusCode>
<c:TransactionId>1</c:TransactionId></p:TransactionStatus></p:CreatePairingResponse></s:Body></s:Envelope>"""
spans, resources, calls = [], [], []
status = 200


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        assert self.path == "/v1/traces" and self.headers["content-type"] == "application/x-protobuf", self.path
        assert self.headers["authorization"] == "Bearer of-spans"
        message = ExportTraceServiceRequest.FromString(body)
        assert message.SerializeToString() == body, "bytes that the protocol's own classes write otherwise"
        if status == 200:
            for of_resource in message.resource_spans:
                resources.append({a.key: a.value.string_value for a in of_resource.resource.attributes})
                spans.extend(span for scope in of_resource.scope_spans for span in scope.spans)
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


class Conax(Receiver):
    def do_POST(self):
        calls.append(self.headers["traceparent"])
        self.rfile.read(int(self.headers["content-length"]))
        body = ANSWER.encode()
        self.send_response(200)
        self.send_header("content-type", "text/xml")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def serve(handler):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"


def wait(what, condition):
    until = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < until, f"{what}: {[span.name for span in spans]}"
        time.sleep(0.05)


class Gateway:
    def __init__(self, binary, folder, receiver, conax):
        settings = {
            "CONFIG": "", "BOOTSTRAP_USER": "demo", "BOOTSTRAP_PASSWORD": "demo-password", "OTLP_URL": receiver,
            "OTLP_AUTHORIZATION": "Bearer of-spans", "UPSTREAM_URL": conax, "PROCESSOR_BACKOFF_INITIAL_S": "0.2",
        }
        environment = os.environ | {f"CONAX_GATEWAY_{name}": value for name, value in settings.items()}
        self.log = open(folder / "log", "a")
        command = [binary, "--listen", "127.0.0.1:0", "--data-dir", folder / "data"]
        self.process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=self.log, text=True)
        self.url = self.process.stdout.readline().removeprefix("listening on ").strip()
        login = {"username": "demo", "password": "demo-password", "organisation": "demo"}
        self.token = self.post("authentication/token", login)["token"]

    def post(self, path, body, **headers):
        token = {"Authorization": f"Bearer {self.token}"} if hasattr(self, "token") else {}
        headers = {"Content-Type": "application/json", **token, **headers}
        url = f"{self.url}/crmapi/rest/v2/{path}"
        with urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode(), headers)) as answer:
            return json.load(answer)["data"]

    def pair(self, more, **headers):
        return self.post("conax_web_services/provisioning_requests/create_pairing", PAIRING | more, **headers)


def of(trace):
    return [span for span in spans if span.trace_id.hex() == trace]


def attributes(span):
    return {a.key: a.value.string_value or a.value.int_value for a in span.attributes}


def main(binary):
    global status
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        receiver, conax = serve(Receiver), serve(Conax)
        gateway = Gateway(binary, folder, receiver, conax)
        try:
            began = time.time_ns()
            traceparent = {"traceparent": f"00-{TRACE}-{PARENT}-01", "tracestate": "a=1", "X-Request-Id": "crm-1"}
            number = gateway.pair({"process_immediately": True}, **traceparent)["number"]
            names = lambda trace: sorted(span.name.split("/")[-1] for span in of(trace))
            wait("five spans", lambda: len(of(TRACE)) >= 5)
            pairing = ["attempt CREATE_PAIRING", "commit CREATE_PAIRING", "commit CREATE_PAIRING", "create_pairing", "queue CREATE_PAIRING"]
            assert names(TRACE) == pairing, names(TRACE)
            [call] = [span for span in of(TRACE) if span.name.endswith("/create_pairing")]
            assert call.parent_span_id.hex() == PARENT and call.kind == call.SPAN_KIND_SERVER
            assert attributes(call)["conax_gateway.request_id"] == "crm-1"
            for span in of(TRACE):
                assert span is call or span.parent_span_id == call.span_id, span.name
                assert began < span.start_time_unix_nano + 5_000_000 <= span.end_time_unix_nano + 5_000_000, span
                assert span.end_time_unix_nano <= time.time_ns() and span.trace_state == "a=1"
                assert str(attributes(span)["conax_gateway.request.number"]) == number
                assert call.start_time_unix_nano <= span.start_time_unix_nano + 5_000_000, span.name
            assert len({span.span_id for span in of(TRACE)}) == 5
            [attempt] = [span for span in of(TRACE) if span.name.startswith("attempt")]
            assert attempt.kind == attempt.SPAN_KIND_CLIENT and attributes(attempt)["conax_gateway.attempt"] == 1
            assert calls == [f"00-{TRACE}-{attempt.span_id.hex()}-01"], "what Conax does stands below the attempt"
            assert {r["service.name"] for r in resources} == {"conax-gateway"}
            text = str([str(span) for span in spans])
            assert "01450253313" not in text and gateway.token not in text, "no card and no token"

            # Whoever began the trace keeps none of it: Conax is told so, and the receiver gets nothing.
            unsampled = "a" * 32
            gateway.pair({"process_immediately": True}, traceparent=f"00-{unsampled}-{PARENT}-00")
            assert calls[-1].startswith(f"00-{unsampled}-") and calls[-1].endswith("-00"), calls[-1]

            # A trace of the gateway's own where the client has none, which a later life of the gateway goes on with.
            due = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 2))
            gateway.pair({"scheduled_date": due}, **{"X-Request-Id": "later"})
            named = lambda: [span for span in spans if attributes(span).get("conax_gateway.request_id") == "later"]
            wait("the scheduled call", named)
            [scheduled] = named()
            assert not scheduled.parent_span_id
            gateway.process.kill()
            gateway.process.wait()
            gateway = Gateway(binary, folder, receiver, conax)
            own = scheduled.trace_id.hex()
            wait("its attempt", lambda: "attempt CREATE_PAIRING" in names(own))
            assert all(span.parent_span_id == scheduled.span_id for span in of(own) if span is not scheduled)
            assert not of(unsampled)

            # A receiver that fails costs spans, and no call.
            status = 503
            gateway.pair({"process_immediately": True}, **{"X-Request-Id": "lost"})
            log = lambda: (folder / "log").read_text()
            wait("a line in the log", lambda: "does not take them" in log())
            assert "of-spans" not in log()
            status = 200
            gateway.pair({"process_immediately": True}, **{"X-Request-Id": "kept"})
            wait("the next span", lambda: any(attributes(span).get("conax_gateway.request_id") == "kept" for span in spans))
            wait("how many were lost", lambda: "spans were dropped" in log())

            # What is not sent yet goes out at the end.
            gateway.pair({}, **{"X-Request-Id": "last"})
            gateway.process.terminate()
            assert gateway.process.wait(20) == 0
            assert any(attributes(span).get("conax_gateway.request_id") == "last" for span in spans)
            print(f"{len(spans)} spans are as OpenTelemetry reads them")
        finally:
            gateway.process.kill()


main(sys.argv[1])
