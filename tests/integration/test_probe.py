"""The source probe against real servers that are well, ill, slow, endless, or lie."""
import json
import os
import shutil
import socket
import ssl
import subprocess
import threading
import time

import pytest

from harness import BIN, free_port, wait_for
from machine import Records, Server, certificate

CONFIG = """
    sources:
      watch:
        type: probe
        every: 200ms
        timeout: {timeout}
        concurrency: {concurrency}
        checks:
{checks}
    routes: [{{{{to: out}}}}]
    sinks:
      out: {{{{type: file, path: '{{{{dir}}}}/out.jsonl', format: json, flush: 50ms}}}}
"""

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")


def config(*checks, timeout="30s", concurrency=16):
    lines = "\n".join(f"          - {json.dumps(check)}" for check in checks)
    return CONFIG.format(timeout=timeout, concurrency=concurrency, checks=lines.replace("{", "{{").replace("}", "}}")) \
        .replace("{{", "{").replace("}}", "}")


def start(logboom, *checks, **options):
    daemon = logboom(config(*checks, **options)).start().ready()
    return daemon, Records(daemon.dir / "out.jsonl")


def first(out, **wanted):
    return wait_for(lambda: out.last(**wanted), what=f"a record of {wanted}")


@pytest.fixture
def server():
    made = Server()
    yield made
    made.close()


def test_a_server_that_is_well_falls_ill_and_recovers(logboom, server):
    server.answers["/health"] = Server.say(200, b"all is well")
    _, out = start(logboom, {"name": "shop", "http": server.url + "/health?token=secret", "match": "^all is \\w+$",
                             "headers": {"X-Token": "t1"}})
    well = first(out, check="shop")
    assert well["level"] == "info" and well["status"] == "ok" and well["http_status"] == 200 and well["event"] == "health"
    assert well["service"] == "shop" and well["failures"] == 0 and well["duration_ms"] >= 0 and "reason" not in well
    assert server.requests[0][2]["X-Token"] == "t1" and server.requests[0][2]["User-Agent"] == "logboom"
    server.answers["/health"] = Server.say(503)
    ill = wait_for(lambda: out.last(status="fail", failures=2), what="two failures in a row")
    assert ill["level"] == "error" and ill["reason"] == "the answer has status 503" and ill["http_status"] == 503
    assert ill["message"] == "shop fails: the answer has status 503; 2 times in a row"
    server.answers["/health"] = Server.say(200, b"all is lost?")
    wait_for(lambda: out.all(reason="the body (12 bytes) does not match ^all is \\w+$"), what="another body")
    server.answers["/health"] = Server.say(200, b"all is well")
    wait_for(lambda: out.all()[-1]["status"] == "ok" and out.all()[-1]["failures"] == 0, what="its recovery")
    assert "secret" not in out.path.read_text() and "t1" not in out.path.read_text()


def test_statuses_methods_and_redirects(logboom, server):
    server.answers["/to"] = Server.say(302, b"", Location="/there")
    server.answers["/there"] = Server.say(204, b"")
    _, out = start(logboom,
                   {"name": "plain", "http": server.url + "/to"},
                   {"name": "redirect", "http": server.url + "/to", "expect": ["301", "302"]},
                   {"name": "follow", "http": server.url + "/to", "follow": True, "expect": 204},
                   {"name": "head", "http": server.url + "/there", "method": "HEAD"},
                   {"name": "post", "http": server.url + "/there", "method": "POST", "expect": ["2xx", "404"]},
                   {"http": f"http://user:word@127.0.0.1:{server.port}/missing?x=1", "service": "named"})
    assert first(out, check="plain")["reason"] == "the answer has status 302"
    for name in ("redirect", "follow", "head", "post"):
        assert first(out, check=name)["status"] == "ok", name
    unnamed = first(out, service="named")
    assert unnamed["check"] == f"127.0.0.1:{server.port}/missing" and unnamed["http_status"] == 404
    assert {"HEAD", "POST", "GET"} <= {request[0] for request in server.requests}


def test_fields_of_a_body(logboom, server):
    server.answers["/json"] = Server.say(200, b' {"queue": {"depth": 17, "list": [1, {"ok": true}]}, "text": "a\\"b", "n": 1e400}')
    server.answers["/metrics"] = Server.say(200, b'# HELP lag x\n# TYPE lag gauge\nlag{topic="a",part="0"} 3\n'
                                                 b'lag{part="1",topic="a"} 4.5 1700000000\nlag{topic="b} \\"x"} 9\n'
                                                 b'lagging 100\nup 1\nnone NaN\nhuge +Inf\nbad\nlag{topic="a" 5\n')
    _, out = start(logboom,
                   {"name": "json", "http": server.url + "/json",
                    "json": {"depth": "queue.depth", "ok": "queue.list.1.ok", "text": "text", "not": "queue.x.y",
                             "far": "queue.list.99", "whole": "queue.list"}},
                   {"name": "prometheus", "http": server.url + "/metrics",
                    "prometheus": {"lag_a": 'lag{topic="a"}', "lag": "lag", "up": "up", "none": "none", "huge": "huge",
                                   "missing": "missing"}})
    fields = first(out, check="json")
    assert (fields["depth"], fields["ok"], fields["text"]) == (17, True, 'a"b')
    assert fields["whole"] == [1, {"ok": True}] and "not" not in fields and "far" not in fields
    fields = first(out, check="prometheus")
    assert (fields["lag_a"], fields["lag"], fields["up"]) == (7.5, 16.5, 1)
    assert "none" not in fields and "huge" not in fields and "missing" not in fields


def test_bodies_of_garbage_and_without_an_end(logboom, server):
    def endless(handler):
        handler.send_response(200)
        handler.end_headers()
        while True:
            handler.wfile.write(b"x" * 65536)

    def headers(handler):
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            handler.wfile.write(b"X-More: " + b"y" * 1000 + b"\r\n")

    def long_header(handler):
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
        while True:
            handler.wfile.write(b"y" * 65536)

    server.answers.update({"/endless": endless, "/headers": headers, "/long": long_header,
                           "/garbage": Server.say(200, os.urandom(3000)),
                           "/nested": Server.say(200, b"[" * 100000),
                           "/slow": Server.say(200, b"a" * 40 + b"!")})
    daemon, out = start(logboom,
                        {"name": "unread", "http": server.url + "/endless"},
                        {"name": "read", "http": server.url + "/endless", "match": "z$"},
                        {"name": "as json", "http": server.url + "/endless", "json": {"a": "b"}},
                        {"name": "headers", "http": server.url + "/headers"},
                        {"name": "long", "http": server.url + "/long"},
                        {"name": "garbage", "http": server.url + "/garbage", "json": {"a": "b"}},
                        {"name": "garbage metrics", "http": server.url + "/garbage", "prometheus": {"a": "b"}},
                        {"name": "nested", "http": server.url + "/nested", "json": {"a": "b"}},
                        {"name": "slow pattern", "http": server.url + "/slow", "match": "^(a+)+$"})
    assert first(out, check="unread")["status"] == "ok"
    assert "does not match z$" in first(out, check="read")["reason"]
    assert "and more that is not read) is no JSON" in first(out, check="as json")["reason"]
    assert first(out, check="headers")["status"] == "fail"
    assert first(out, check="long")["status"] == "fail"
    assert "is no JSON" in first(out, check="garbage")["reason"]
    assert first(out, check="garbage metrics")["status"] == "ok"
    assert "is no JSON" in first(out, check="nested")["reason"]
    assert first(out, check="slow pattern")["status"] == "fail"
    for name in ("headers", "long"):
        assert first(out, check=name)["duration_ms"] < 30000, "it was cut by its size, not by the timeout"
    # What was read at once is bounded: 1 MiB for each of nine checks.
    with open(f"/proc/{daemon.process.pid}/status") as status:
        peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
    assert peak < 150 * 1024, f"{peak} kB"


def test_those_that_hang_end_by_their_timeout_and_hold_up_nobody(logboom, server):
    never = threading.Event()
    server.answers["/hang"] = lambda handler: never.wait(60)
    server.answers["/well"] = Server.say(200)
    silent = socket.socket()  # accepts nobody: the kernel does, and nothing comes
    silent.bind(("127.0.0.1", 0))
    silent.listen(64)
    checks = [{"name": f"hang {i}", "http": server.url + "/hang", "timeout": "300ms"} for i in range(6)]
    checks.append({"name": "silent", "http": f"http://127.0.0.1:{silent.getsockname()[1]}/", "timeout": "300ms"})
    checks.append({"name": "tls", "http": f"https://127.0.0.1:{silent.getsockname()[1]}/", "timeout": "300ms"})
    checks.append({"name": "well", "http": server.url + "/well"})
    checks.append({"name": "sleep", "command": ["sleep", "60"], "timeout": "300ms"})
    daemon, out = start(logboom, *checks, concurrency=3)
    for check in checks:
        record = first(out, check=check["name"])
        assert record["status"] == ("ok" if check["name"] == "well" else "fail"), record
    assert first(out, check="hang 0")["reason"] == "no answer within 0.3 s"
    assert first(out, check="silent")["reason"] == "no answer within 0.3 s"
    assert first(out, check="sleep")["reason"] == "it did not end within 0.3 s and was killed"
    wait_for(lambda: len(out.all(check="well")) >= 3, what="others have their turn again and again")
    never.set()
    began = time.monotonic()
    assert daemon.stop() == 0
    assert time.monotonic() - began < 40, "what hangs must not hold up the end"


def test_ports(logboom, server):
    closed = free_port()
    _, out = start(logboom, {"tcp": f"127.0.0.1:{server.port}"}, {"name": "closed", "tcp": f"127.0.0.1:{closed}"},
                   {"name": "nobody", "tcp": "no-such-host.invalid:80"})
    well = first(out, check=f"127.0.0.1:{server.port}")
    assert well["status"] == "ok" and well["kind"] == "tcp" and "http_status" not in well
    assert first(out, check="closed")["reason"] == "no connection: Connection refused"
    assert "no-such-host.invalid" in first(out, check="nobody")["reason"]


def test_commands(logboom, tmp_path):
    script = tmp_path / "check.sh"
    script.write_text('#!/bin/sh\necho "$0 $1 $LOGBOOM_CHECK ${SECRET:-none}"\nexit "$2"\n')
    script.chmod(0o755)
    daemon = logboom(config({"name": "script", "command": [str(script), "a b; echo $HOME", "0"]},
                            {"name": "two", "command": [str(script), "x", "2"]},
                            {"name": "signal", "command": ["sh", "-c", "kill -TERM $$$$"]},
                            {"name": "missing", "command": ["no-such-program-here"]},
                            {"name": "endless", "command": ["yes"], "timeout": "200ms"},
                            {"name": "orphan", "command": ["sh", "-c", "sleep 61 & echo begun"]},
                            {"name": "files", "command": ["sh", "-c", "echo $(ls /proc/self/fd)"]}))
    daemon.environment = {"SECRET": "hidden"}
    daemon.start().ready()
    out = Records(daemon.dir / "out.jsonl")
    assert first(out, check="script")["output"] == f"{script} a b; echo $HOME script none"
    assert first(out, check="script")["exit_status"] == 0 and first(out, check="script")["kind"] == "command"
    two = first(out, check="two")
    assert two["exit_status"] == 2 and two["reason"] == "it exited with status 2" and two["level"] == "error"
    assert first(out, check="signal")["reason"] == "it was ended by signal 15 (Terminated)"
    assert first(out, check="missing")["reason"] == "no-such-program-here cannot be started: No such file or directory"
    first(out, check="endless", output="y")  # not in each round: it may end before it has said anything
    assert first(out, check="files")["output"] == "0 1 2 3", "but for that of ls nothing is open"
    # A process that it left behind holds the output open; the check has ended all the same.
    orphan = first(out, check="orphan")
    assert orphan["status"] == "ok" and orphan["output"] == "begun" and orphan["duration_ms"] < 60000
    assert daemon.stop() == 0
    zombies = subprocess.run(["ps", "--ppid", str(daemon.process.pid)], capture_output=True, text=True).stdout
    assert "defunct" not in zombies


@needs_openssl
def test_certificates(logboom, tmp_path):
    servers, checks = [], []
    try:
        for name, begins, ends in (("good", -1, 30), ("soon", -1, 5), ("expired", -30, -3), ("future", 2, 9)):
            cert, key = certificate(tmp_path / name, begins, ends)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(cert, key)
            servers.append(Server(context))
            servers[-1].answers["/"] = Server.say(200)
            checks.append({"name": name, "http": servers[-1].url + "/", "ca": str(cert)})
        checks.append({"name": "unknown", "http": servers[0].url + "/"})
        checks.append({"name": "unverified", "http": servers[2].url + "/", "verify": False})
        checks.append({"name": "no tls", "http": servers[0].url.replace("https", "http") + "/"})
        plain = Server()
        servers.append(plain)
        plain.answers.update({"/mute": lambda handler: None, "/raw": lambda handler: handler.wfile.write(b"SSH-2.0-x\r\n")})
        checks += [{"name": "name", "http": servers[0].url.replace("127.0.0.1", "localhost") + "/", "ca": checks[0]["ca"]},
                   {"name": "tls to plain", "http": plain.url.replace("http:", "https:") + "/"},
                   {"name": "no http", "http": plain.url + "/raw"}, {"name": "mute", "http": plain.url + "/mute"}]
        _, out = start(logboom, *checks)
        good = first(out, check="good")
        assert good["status"] == "ok" and 29.9 < good["tls_days_left"] <= 30
        assert 4.9 < first(out, check="soon")["tls_days_left"] <= 5
        expired = first(out, check="expired")
        assert expired["status"] == "fail" and expired["reason"] == "the certificate has expired, 3.0 days ago"
        assert -3.1 < expired["tls_days_left"] < -2.9
        future = first(out, check="future")
        assert "not yet valid" in future["reason"] and future["status"] == "fail"
        unknown = first(out, check="unknown")
        assert "self-signed certificate" in unknown["reason"] and unknown["tls_days_left"] > 29
        assert first(out, check="unverified")["status"] == "ok" and first(out, check="unverified")["tls_days_left"] < -2.9
        assert first(out, check="no tls")["status"] == "fail"
        name = first(out, check="name")
        assert name["reason"] == "the certificate is not accepted: it is for another name"
        assert first(out, check="tls to plain")["reason"].startswith("it does not speak TLS; is it http://")
        assert first(out, check="no http")["reason"].startswith("it does not answer in HTTP")
        assert first(out, check="mute")["reason"] == "it closed the connection without an answer"
    finally:
        for server in servers:
            server.close()


def test_a_reload_keeps_the_count_and_gives_up_what_hangs(logboom, server):
    never = threading.Event()
    server.answers["/hang"] = lambda handler: never.wait(60)
    server.answers["/ill"] = Server.say(500)
    checks = [{"name": "hang", "http": server.url + "/hang", "timeout": "60s"}, {"name": "ill", "http": server.url + "/ill"},
              {"name": "sleep", "command": ["sleep", "62"], "timeout": "60s"}]
    daemon, out = start(logboom, *checks)
    wait_for(lambda: out.last(check="ill", failures=2), what="two failures")
    wait_for(lambda: any(request[1] == "/hang" for request in server.requests), what="the request that hangs")
    daemon.write_config(config(*checks, {"name": "new", "http": server.url + "/ill"}))
    assert daemon.get("/api/v1/reload", "POST", b"")[0] == 200
    before = len(out.all(check="ill"))
    first(out, check="new")
    wait_for(lambda: len(out.all(check="ill")) > before + 1, what="another round")
    counts = [record["failures"] for record in out.all(check="ill")]
    assert counts == list(range(1, len(counts) + 1)), "the count goes on"
    daemon.write_config(config({"name": "bad", "http": "ftp://x/"}))
    assert daemon.get("/api/v1/reload", "POST", b"")[0] != 200
    before = len(out.all(check="ill"))
    wait_for(lambda: len(out.all(check="ill")) > before, what="the old one goes on")
    never.set()
    assert daemon.stop() == 0


def test_two_hundred_checks_at_sixteen_at_once(logboom, server):
    inside, most, lock = [0], [0], threading.Lock()

    def answer(handler):
        with lock:
            inside[0] += 1
            most[0] = max(most[0], inside[0])
        time.sleep(0.01)
        with lock:
            inside[0] -= 1
        Server.say(200)(handler)

    server.answers["/"] = answer
    _, out = start(logboom, *({"name": f"c{i}", "http": server.url + "/"} for i in range(200)))
    wait_for(lambda: len({r["check"] for r in out.all()}) == 200, what="an answer of each")
    assert {r["status"] for r in out.all()} == {"ok"} and most[0] <= 16


def faults_of(tmp_path, checks):
    file = tmp_path / "bad.yaml"
    file.write_text(f"data_dir: {tmp_path}/data\nsources:\n  watch:\n    type: probe\n    checks:\n{checks}"
                    "routes: [{to: out}]\nsinks: {out: {type: stdout}}\n")
    done = subprocess.run([BIN, "check", "-c", str(file)], capture_output=True, text=True)
    assert done.returncode == 1
    return done.stderr


def test_faults_of_checks_are_told_where_they_stand(tmp_path):
    said = faults_of(tmp_path, """      - {http: 'http://x/', timout: 5s}
      - text
      - {http: 'http://x/', every: 1ms}
""")
    for fault in (':6:29: error: source "watch": unknown key "checks.1.timout"; did you mean "checks.1.timeout"?',
                  'expected a map for item 2, got text', '"checks.3.every": expected at least 100ms'):
        assert fault in said, f"{fault}\n{said}"
    said = faults_of(tmp_path, """      - {name: a}
      - {http: 'http://x/', tcp: 'x:1'}
      - {http: 'shop.example.org/health'}
      - {tcp: 'db.example.org'}
      - {command: 'curl -s http://x/'}
      - {command: [/no/such/program]}
      - {http: 'http://x/', expect: [200, ok]}
      - {http: 'http://x/', match: '(unclosed'}
      - {http: 'http://x/', json: {status: state}}
      - {http: 'http://x/', headers: {'X-A': "a\\nX-B: b"}}
      - {http: 'http://x/', ca: missing.pem}
""")
    for fault in (":6:9: ", "it asks nobody: expected one of http, tcp or command", "expected only one of",
                  "expected an address such as https://", 'expected HOST:PORT such as db.example.org:5432, got "db.example.org"',
                  "no shell reads it", "expected a program that can be run (No such file or directory)", 'such as 200 or 2xx, got "ok"',
                  "the pattern does not compile: missing closing parenthesis", "a check writes this field itself",
                  "values of one line", ":16:33: error", "checks.11.ca", "missing.pem"):
        assert fault in said, f"{fault}\n{said}"
