#!/usr/bin/env python3
"""Measures the whole program beside others in one run: benches/system/measure.py GATEWAY [OTHER_GATEWAY] > FILE.csv

Every row is `experiment,subject,connections,figure,value`; plot.py draws the file, docs/performance.md explains it. The
subjects of an experiment are measured in turn, round after round, so that the machine's noise meets all of them; quote
ratios, never single figures. OTHER_GATEWAY is an earlier build to compare with.

Environment: SECONDS_EACH of one measurement (5), ROUNDS (3), CONNECTIONS ("8 32 256"), ONLY (experiments, all by default).
Needs nginx, wrk and PHP with SOAP and SQLite (Debian: nginx-light wrk php-cli php-soap php-sqlite3).
"""
import contextlib
import csv
import http.client
import http.server
import json
import os
import pathlib
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
SECONDS = int(os.environ.get("SECONDS_EACH", 5))
ROUNDS = int(os.environ.get("ROUNDS", 3))
CONNECTIONS = [int(each) for each in os.environ.get("CONNECTIONS", "8 32 256").split()]
LOAD = {"CONAX_GATEWAY_BOOTSTRAP_USER": "bench", "CONAX_GATEWAY_BOOTSTRAP_PASSWORD": "bench-password"}
METHODS = "/crmapi/rest/v2/conax_web_services/provisioning_requests"
CREATE = METHODS + "/create_pairing"
SERVICE = "/ca-server/webservices/pairing"
ANSWER = (HERE / "../../fixtures/CREATE_PAIRING/success/response.xml").read_text().strip()

GATEWAYS = ("gateway", "other gateway")

rows = csv.writer(sys.stdout)
errors = 0


def note(experiment, subject, connections, figure, value):
    global errors
    errors += value if figure == "errors" and subject in GATEWAYS else 0
    rows.writerow([experiment, subject, connections, figure, f"{value:.4g}"])
    sys.stdout.flush()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def process(arguments, environment=None, **options):
    started = subprocess.Popen(arguments, env={**os.environ, **(environment or {})}, start_new_session=True, **options)
    try:
        yield started
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(started.pid, signal.SIGTERM)
        started.wait()


def wait_for(port):
    for _ in range(1000):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.01)
    raise SystemExit(f"nothing listens on port {port}")


@contextlib.contextmanager
def nginx(folder):
    """A Conax that gives one answer, and a proxy before it that passes everything through."""
    upstream, proxy = free_port(), free_port()
    text = (HERE / "nginx.conf").read_text()
    for name, value in {"FOLDER": folder, "UPSTREAM": upstream, "PROXY": proxy, "ANSWER": ANSWER}.items():
        text = text.replace(f"@{name}@", str(value))
    (folder / "nginx.conf").write_text(text)
    with process(["nginx", "-c", folder / "nginx.conf", "-p", folder], stderr=subprocess.DEVNULL):
        wait_for(upstream), wait_for(proxy)
        yield upstream, proxy


@contextlib.contextmanager
def php(folder, upstream):
    """PHP's SoapClient between JSON and SOAP, with a record in SQLite before and after the call."""
    port = free_port()
    environment = {"PHP_CLI_SERVER_WORKERS": "4", "RECORDS": str(folder / "records.sqlite3"),
                   "LOCATION": f"http://127.0.0.1:{upstream}{SERVICE}", "WSDL": str(HERE / "../../wsdl/pairing.wsdl")}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with process(["php", "-S", f"127.0.0.1:{port}", HERE / "rival.php"], environment, **quiet):
        wait_for(port)
        yield port


class Gateway:
    def __init__(self, binary, folder, upstream, **settings):
        self.binary, self.folder = binary, folder
        self.environment = {**LOAD, "CONAX_GATEWAY_LOG_FILTER": "info",
                            "CONAX_GATEWAY_UPSTREAM_URL": f"http://127.0.0.1:{upstream}/ca-server/webservices", **settings}

    @contextlib.contextmanager
    def running(self):
        arguments = [self.binary, "serve", "--listen", "127.0.0.1:0", "--data-dir", self.folder]
        with open(f"{self.folder}.log", "ab") as log:
            self.began = time.monotonic()
            with process(arguments, self.environment, stdout=subprocess.PIPE, stderr=log, text=True) as started:
                self.pid = started.pid
                self.port = int(started.stdout.readline().rsplit(":", 1)[1])
                yield self

    def call(self, verb, path, body=None, token=None, connection=None):
        connection = connection or http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
        connection.request(verb, path, json.dumps(body) if body is not None else None, headers)
        return json.loads(connection.getresponse().read())

    def token(self):
        body = {"username": "bench", "password": "bench-password", "organisation": "demo"}
        return self.call("POST", "/crmapi/rest/v2/authentication/token", body)["data"]["token"]

    def memory_mb(self):
        status = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024


def wrk(port, connections, path, token="", body="json"):
    environment = {**os.environ, "TOKEN": token, "SEED": str(time.time_ns() % 10_000), "TARGET": path, "BODY": body}
    arguments = ["wrk", "-t1", f"-c{connections}", f"-d{SECONDS}s", "--latency", "--timeout", "10s", "-s", HERE / "load.lua",
                 f"http://127.0.0.1:{port}"]
    out = subprocess.run(arguments, env=environment, capture_output=True, text=True, check=True).stdout
    line = next(line for line in out.splitlines() if line.startswith("RESULT"))
    return dict(zip(("requests/s", "p50 ms", "p99 ms", "errors"), map(float, line.split()[1:])))


def in_turn(experiment, subjects):
    """Measures each (name, port, path, token, body) with each number of connections, in interleaved rounds."""
    for connections in CONNECTIONS:
        seen = {}
        for _ in range(ROUNDS):
            for name, port, *target in subjects:
                seen.setdefault(name, []).append(wrk(port, connections, *target))
        for name, results in seen.items():
            for figure in results[0]:
                gather = sum if figure == "errors" else statistics.median
                note(experiment, name, connections, figure, gather(each[figure] for each in results))


def json_calls(binaries, folder):
    """POST create_pairing, to be sent at once: JSON to SOAP and back, the record on disk before and after the call."""
    with contextlib.ExitStack() as stack:
        upstream, proxy = stack.enter_context(nginx(folder))
        subjects = [("nginx", proxy, CREATE), ("php+record", stack.enter_context(php(folder, upstream)), CREATE)]
        for name, binary in binaries.items():
            gateway = stack.enter_context(Gateway(binary, folder / name, upstream).running())
            subjects.append((name, gateway.port, CREATE, gateway.token()))
        in_turn("json", subjects)


def soap_calls(binaries, folder):
    """A SOAP client's own call, passed through and kept."""
    with contextlib.ExitStack() as stack:
        upstream, proxy = stack.enter_context(nginx(folder))
        subjects = [("nginx", proxy, SERVICE, "", "soap")]
        for name, binary in binaries.items():
            gateway = stack.enter_context(Gateway(binary, folder / name, upstream).running())
            subjects.append((name, gateway.port, SERVICE, "", "soap"))
        in_turn("pass-through", subjects)


def latency(binaries, folder):
    """What the gateway adds to upstream's own time at 500 requests a second, over 20 connections."""
    def ask(port, token, times, first, until):
        connection = http.client.HTTPConnection("127.0.0.1", port)
        connection.connect()
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        due = first
        while due < until:
            time.sleep(max(0, due - time.monotonic()))
            card = f"{time.time_ns() % 10**11:011d}"
            body = {"process_immediately": True, "smartcard_set": [{"smartcard_ca_id": card}], "stb_set": [{"stb_ca_id": card}]}
            headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
            data, began = json.dumps(body), time.perf_counter()
            connection.request("POST", CREATE, data, headers)
            connection.getresponse().read()
            times.append((time.perf_counter() - began) * 1000)
            due += 20 / 500

    with contextlib.ExitStack() as stack:
        upstream, _ = stack.enter_context(nginx(folder))
        subjects = {"upstream": (upstream, "")}
        for name, binary in binaries.items():
            gateway = stack.enter_context(Gateway(binary, folder / name, upstream).running())
            subjects[name] = (gateway.port, gateway.token())
        seen = {name: [] for name in subjects}
        for _ in range(ROUNDS):
            for name, (port, token) in subjects.items():
                began = time.monotonic() + 0.1
                arguments = lambda each: (port, token, seen[name], began + each / 500, began + SECONDS)
                threads = [threading.Thread(target=ask, args=arguments(each)) for each in range(20)]
                [each.start() for each in threads], [each.join() for each in threads]
        quantile = lambda name, share: statistics.quantiles(seen[name], n=1000)[round(share * 1000) - 1]
        for name in binaries:
            for figure, share in (("added p50 ms", 0.5), ("added p99 ms", 0.99)):
                note("latency", name, 20, figure, quantile(name, share) - quantile("upstream", share))


def memory(binaries, folder):
    """Start to first answer; resident memory after a load, and with 5,000 idle connections."""
    for name, binary in binaries.items():
        with nginx(folder) as (upstream, _):
            many = {"CONAX_GATEWAY_SERVER_MAX_CONNECTIONS": "6000", "CONAX_GATEWAY_SERVER_MAX_CONNECTIONS_PER_ADDRESS": "6000",
                    "CONAX_GATEWAY_SERVER_HEADER_TIMEOUT_S": "600"}
            gateway = Gateway(binary, folder / name, upstream, **many)
            starts = []
            for _ in range(5):
                with gateway.running():
                    gateway.call("GET", "/livez")
                    starts.append((time.monotonic() - gateway.began) * 1000)
            note("memory", name, 1, "start to first answer ms", statistics.median(starts))
            with gateway.running():
                note("memory", name, 0, "fresh MB", gateway.memory_mb())
                token, requests = gateway.token(), 0
                while requests < float(os.environ.get("REQUESTS", 100_000)):
                    requests += wrk(gateway.port, 32, CREATE, token)["requests/s"] * SECONDS
                note("memory", name, 32, "requests made", requests)
                note("memory", name, 32, "after these requests MB", gateway.memory_mb())
                idle = []
                for _ in range(5000):
                    idle.append(socket.create_connection(("127.0.0.1", gateway.port)))
                    idle[-1].sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
                    idle[-1].recv(4096)
                # They rest after a second or two.
                time.sleep(3)
                note("memory", name, len(idle), "with idle connections MB", gateway.memory_mb())


def fill(gateway, total, create):
    """Has 16 threads create so many requests: create(number, connection)."""
    def some(first):
        connection = http.client.HTTPConnection("127.0.0.1", gateway.port)
        for number in range(first, total, 16):
            create(number, connection)

    threads = [threading.Thread(target=some, args=(first,)) for first in range(16)]
    [each.start() for each in threads], [each.join() for each in threads]


def wait_until_sent(gateway, token):
    waiting = f"{METHODS}/list?life_cycle_state=PENDING&number_of_results=1"
    while gateway.call("GET", waiting, token=token)["data"]:
        time.sleep(0.02)


def drain(binaries, folder):
    """How fast the processing run sends what is due: requests of 20,000 cards, per-card order kept."""
    total = int(os.environ.get("DUE", 20_000))
    for name, binary in binaries.items():
        with nginx(folder) as (upstream, _):
            gateway = Gateway(binary, folder / name, upstream, CONAX_GATEWAY_UPSTREAM_EFFECTIVE="false")
            with gateway.running():
                token = gateway.token()

                def create(number, connection):
                    card = f"{number % 20_000:011d}"
                    body = {"smartcard_set": [{"smartcard_ca_id": card}], "stb_set": [{"stb_ca_id": card}]}
                    gateway.call("POST", CREATE, body, token, connection)

                fill(gateway, total, create)
            gateway.environment["CONAX_GATEWAY_UPSTREAM_EFFECTIVE"] = "true"
            with gateway.running():
                wait_until_sent(gateway, gateway.token())
                note("drain", name, 0, "requests/s", total / (time.monotonic() - gateway.began))


class SlowConax(http.server.BaseHTTPRequestHandler):
    """Answers every call after 20 ms that the subscription was added, and counts the calls."""
    protocol_version = "HTTP/1.1"
    answer = (HERE / "../../fixtures/ADD_SUBSCRIPTIONS/success/response.xml").read_bytes()

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.calls += 1
        time.sleep(0.02)
        head = f"HTTP/1.1 200 OK\r\nContent-Type: text/xml; charset=utf-8\r\nContent-Length: {len(self.answer)}\r\n\r\n"
        self.wfile.write(head.encode() + self.answer)

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def slow_conax():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), SlowConax)
    server.calls, server.daemon_threads = 0, True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()


def joint(binaries, folder):
    """Due requests of one content, alone and in calls of 500 cards each (`coalesce`), with an upstream that takes 20 ms."""
    total = int(os.environ.get("DUE", 5_000))
    for kind, lines in (("alone", ""), ("together", "batch = 500\ncoalesce = true\n")):
        contract = folder / f"contract-{kind}"
        shutil.copytree(HERE / "../../wsdl", contract)
        bindings = (contract / "bindings.toml").read_text()
        section = "[request.ADD_SUBSCRIPTIONS]\n"
        (contract / "bindings.toml").write_text(bindings.replace(section, section + lines))
        with slow_conax() as conax:
            gateway = Gateway(binaries["gateway"], folder / kind, conax.server_port,
                              CONAX_GATEWAY_UPSTREAM_EFFECTIVE="false", CONAX_GATEWAY_CONTRACT_DIR=str(contract))
            with gateway.running():
                token = gateway.token()

                def create(number, connection):
                    body = {"smartcard_set": [{"smartcard_ca_id": f"{number:011d}"}], "service_ca_id": "1"}
                    gateway.call("POST", METHODS + "/add_subscriptions", body, token, connection)

                fill(gateway, total, create)
            gateway.environment["CONAX_GATEWAY_UPSTREAM_EFFECTIVE"] = "true"
            with gateway.running():
                token = gateway.token()
                wait_until_sent(gateway, token)
                took = time.monotonic() - gateway.began
                cpu = pathlib.Path(f"/proc/{gateway.pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]
                done = f"{METHODS}/list?life_cycle_state=COMPLETED&number_of_results=1&after={total - 1}"
                assert gateway.call("GET", done, token=token)["data"], "not all are COMPLETED"
                note("joint", kind, 32, "calls", conax.calls)
                note("joint", kind, 32, "seconds", took)
                note("joint", kind, 32, "processor seconds", sum(map(int, cpu)) / os.sysconf("SC_CLK_TCK"))


EXPERIMENTS = {"json": json_calls, "pass-through": soap_calls, "latency": latency, "memory": memory, "drain": drain, "joint": joint}


def main():
    binaries = dict(zip(GATEWAYS, map(os.path.abspath, sys.argv[1:])))
    rows.writerow(["experiment", "subject", "connections", "figure", "value"])
    for name in os.environ.get("ONLY", " ".join(EXPERIMENTS)).split():
        with tempfile.TemporaryDirectory() as folder:
            EXPERIMENTS[name](binaries, pathlib.Path(folder))
    return f"{errors:.0f} calls of a gateway failed" if errors else 0


sys.exit(main())
