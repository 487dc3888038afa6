"""What stands before an operator's Conax, for `replay`: replay-front.py SIMULATOR_URL STEPS.json; prints "listening on URL".

HTTP Basic (a wrong password is 401), gzip both ways, SOAP 1.2 answers to SOAP 1.2 requests, attachments taken off requests
and multipart answers to them: what the simulator leaves out and recordings must cope with. A connection that the simulator
cuts is cut here.
"""

import base64
import email
import gzip
import http.client
import json
import pathlib
import re
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

upstream = urlsplit(sys.argv[1])
script = json.loads(pathlib.Path(sys.argv[2]).read_text(encoding="utf-8"))
ENVELOPE_11, ENVELOPE_12 = "http://schemas.xmlsoap.org/soap/envelope/", "http://www.w3.org/2003/05/soap-envelope"
BOUNDARY = "uuid:7d1f3c9e-front"


class Front(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "ConaxFront/1", ""

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.answer(*self.ask())

    def do_POST(self):
        body = self.body()
        if not self.is_allowed():
            challenge = {"Content-Type": "text/html; charset=iso-8859-1", "WWW-Authenticate": 'Basic realm="Conax"'}
            return self.answer(401, challenge, "<html><body>Zugriff verweigert: é</body></html>".encode("latin-1"))
        if self.headers.get("Content-Encoding", "") == "gzip":
            body = gzip.decompress(body)
        content_type = self.headers["Content-Type"]
        is_multipart = content_type.startswith("multipart/")
        if is_multipart:
            content_type, body = root_part(content_type, body)
        is_12 = ENVELOPE_12.encode() in body
        try:
            status, headers, answer = self.ask(body, content_type)
        except http.client.RemoteDisconnected:
            self.close_connection = True
            return None
        if is_12 and answer.startswith(b"<soap"):
            answer, headers = to_12(answer), {"Content-Type": "application/soap+xml; charset=utf-8"}
        if is_multipart:
            answer, headers = to_multipart(answer, headers["Content-Type"])
        self.answer(status, headers, answer)

    def body(self):
        if self.headers.get("Transfer-Encoding", "") != "chunked":
            return self.rfile.read(int(self.headers["Content-Length"]))
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return body

    def is_allowed(self):
        given = self.headers.get("Authorization")
        if given is None:
            return True
        # Clients differ in the charset of user and password.
        text = base64.b64decode(given.removeprefix("Basic "))
        return any(text == f"{script['user']}:{script['password']}".encode(c) for c in ("utf-8", "latin-1"))

    def ask(self, body=b"", content_type="text/plain"):
        connection = http.client.HTTPConnection(upstream.hostname, upstream.port, timeout=30)
        headers = {"Host": self.headers["Host"], "Content-Type": content_type}
        connection.request(self.command, self.path, body, headers)
        answer = connection.getresponse()
        read = answer.status, {"Content-Type": answer.headers["Content-Type"]}, answer.read()
        connection.close()
        return read

    def answer(self, status, headers, body):
        if "gzip" in self.headers.get("Accept-Encoding", ""):
            body, headers = gzip.compress(body, mtime=0), {**headers, "Content-Encoding": "gzip"}
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        if self.close_connection:
            # PHP would use the connection again.
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)


def root_part(content_type, body):
    """The first part; an XOP root (MTOM) counts as XML."""
    whole = email.message_from_bytes(f"Content-Type: {content_type}\r\n\r\n".encode() + body)
    first = whole.get_payload(0)
    return first["Content-Type"].replace("application/xop+xml", "text/xml"), first.get_payload(decode=True)


def to_12(answer):
    """Names only; a fault becomes one of SOAP 1.2 with the same text."""
    text = answer.decode().replace(ENVELOPE_11, ENVELOPE_12)
    fault = re.search(r"<(soap\w*):Fault>.*<faultstring>(.*)</faultstring>.*</\1:Fault>", text, re.S)
    if fault:
        p, reason = fault.groups()
        text = text.replace(fault.group(), (
            f"<{p}:Fault><{p}:Code><{p}:Value>{p}:Receiver</{p}:Value></{p}:Code>"
            f'<{p}:Reason><{p}:Text xml:lang="en">{reason}</{p}:Text></{p}:Reason></{p}:Fault>'))
    return text.encode()


def to_multipart(answer, content_type):
    root = f"--{BOUNDARY}\r\nContent-Type: {content_type}\r\nContent-ID: <root@front>\r\n\r\n".encode()
    kind = f'multipart/related; type="text/xml"; boundary="{BOUNDARY}"; start="<root@front>"'
    return root + answer + f"\r\n--{BOUNDARY}--\r\n".encode(), {"Content-Type": kind}


server = ThreadingHTTPServer(("127.0.0.1", 0), Front)
server.daemon_threads = True
print(f"listening on http://127.0.0.1:{server.server_port}{upstream.path}", flush=True)
server.serve_forever()
