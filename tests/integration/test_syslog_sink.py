"""The syslog sink: a real rsyslog over every way, and a strict reader of RFC 5424 over TLS that goes away."""
import contextlib
import datetime
import json
import os
import re
import socket
import ssl
import subprocess
import threading

import pytest

from alerts_in import config, letters, problem, raise_alert, rows, started
from harness import BIN, ROOT, free_port, wait_for

MESSAGE = re.compile(
    r"<(\d{1,3})>1 (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z) ([!-~]{1,255}) ([!-~]{1,48}) ([!-~]{1,128}) "
    r"([!-~]{1,32}) (-|(?:\[[!-~]+(?: [!-~]+=\"(?:[^\"\\\]]|\\.)*\")*\])+) ([^\x00-\x1f\x7f]*)", re.S)
NASTY = 'say "hi]\\ <13>1 forged\r\n<13>1 \u0000\u202eü😀'


def rsyslogd():
    run = subprocess.run([str(ROOT / "tests/peers.sh")], capture_output=True, text=True)
    if run.returncode != 0:
        pytest.skip(f"no rsyslog from Debian's archive: {run.stderr.strip()}")
    return os.path.join(run.stdout.strip(), "bin/rsyslogd")


class Rsyslog:
    """A real one that writes what it understood, as JSON lines."""

    def __init__(self, directory, source):
        self.directory, self.out = directory, directory / "received"
        directory.mkdir(parents=True, exist_ok=True)
        conf = directory / "rsyslog.conf"
        conf.write_text(f"""global(workDirectory="{directory}" maxMessageSize="64k"
  parser.escapeControlCharactersOnReceive="off")
template(name="json" type="list" option.jsonf="on") {{
  property(outname="severity" name="syslogseverity-text" format="jsonf")
  property(outname="facility" name="syslogfacility-text" format="jsonf")
  property(outname="time" name="timereported" dateFormat="rfc3339" format="jsonf")
  property(outname="app" name="app-name" format="jsonf")
  property(outname="host" name="hostname" format="jsonf")
  property(outname="msgid" name="msgid" format="jsonf")
  property(outname="data" name="structured-data" format="jsonf")
  property(outname="text" name="msg" format="jsonf")
}}
{source}
action(type="omfile" file="{self.out}" template="json" asyncWriting="off" flushInterval="1")
""")
        self.command = [rsyslogd(), "-n", "-f", str(conf), "-i", str(directory / "pid")]
        self.start()

    def start(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def stop(self):
        self.process.terminate()
        self.process.wait()

    def received(self):
        return rows(self.out)


def listens(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


def is_bound(port):
    """By UDP, at 127.0.0.1."""
    with open("/proc/net/udp") as table:
        return f" 0100007F:{port:04X} " in table.read()


WAYS = {"tcp": ('module(load="imtcp") input(type="imtcp" port="{port}" address="127.0.0.1")', "tcp://127.0.0.1:{port}"),
        "udp": ('module(load="imudp") input(type="imudp" port="{port}" address="127.0.0.1")', "udp://127.0.0.1:{port}"),
        "unix": ('module(load="imuxsock" SysSock.Use="off") input(type="imuxsock" Socket="{dir}/log" '
                 'useSpecialParser="off" ParseHostname="on" IgnoreTimestamp="off" RateLimit.Interval="0")',
                 "unix://{dir}/log")}


@pytest.mark.parametrize("way", WAYS)
def test_rsyslog_understands_it(logboom, tmp_path, way):
    port = free_port(socket.SOCK_DGRAM if way == "udp" else socket.SOCK_STREAM)
    source, address = (text.format(port=port, dir=tmp_path) for text in WAYS[way])
    daemon = logboom(config(f"""
  remote: {{type: syslog, address: '{address}', facility: local3, fields: [client_ip], retry: {{first: 50ms}}}}
""", ["remote"]).replace("{to: all}", "{to: [all, remote]}"))
    rsyslog = Rsyslog(tmp_path / "rsyslog", source)
    try:
        if way == "tcp":
            wait_for(lambda: listens(port), 30, "rsyslog")
        elif way == "udp":
            wait_for(lambda: is_bound(port), 30, "rsyslog")
        else:
            wait_for(lambda: (tmp_path / "log").exists(), 30, "rsyslog")
        started(daemon)
        raise_alert(daemon, "Failed password " + NASTY)
        wait_for(lambda: len(rsyslog.received()) >= 5, 60, "three records and two events")
        assert daemon.stop() == 0, daemon.log()
        lines = rsyslog.received()
        assert len(lines) == 5 and {line["facility"] for line in lines} == {"local3"}
        records = [line for line in lines if line["msgid"] == "-"]
        firing, resolved = (line for line in lines if line["msgid"] == "alert")
        assert [line["severity"] for line in records] == ["warning"] * 3
        assert (firing["severity"], resolved["severity"]) == ("crit", "info")
        text = 'Failed password say "hi]\\ <13>1 forged  <13>1   ü😀'
        assert {line["text"].removeprefix(" ") for line in records} == {text}
        assert records[0]["data"] == '[logboom@32473 client_ip="10.0.0.1"]' and records[0]["app"] == "logboom"
        assert records[0]["host"] == socket.gethostname()
        assert 'state="firing"' in firing["data"] and 'client_ip="10.0.0.1"' in firing["data"]
        assert 'rule="logins"' in resolved["data"] and 'state="resolved"' in resolved["data"]
        assert firing["text"].removeprefix(" ").startswith("logins: ")
        year = datetime.datetime.now(datetime.timezone.utc).year
        assert all(line["time"].startswith(f"{year}-") for line in lines)
    finally:
        rsyslog.stop()


def test_nothing_is_lost_while_rsyslog_is_away(logboom, tmp_path):
    port, lines = free_port(), 3000
    rsyslog = Rsyslog(tmp_path / "rsyslog", WAYS["tcp"][0].format(port=port))
    wait_for(lambda: listens(port), 30, "rsyslog")
    daemon = started(logboom(f"""
commit_every: 100ms
sources: {{app: {{type: file, include: ['{{dir}}/app.log'], parse: json}}}}
routes: [{{to: remote}}]
sinks:
  remote: {{type: syslog, address: 'tcp://127.0.0.1:{port}', retry: {{first: 20ms, max: 100ms}}}}
"""))

    def write(first):
        with open(daemon.dir / "app.log", "a") as log:
            log.write("".join(f'{{"level":"info","message":"line {first + i}"}}\n' for i in range(lines)))

    def sent():
        return daemon.metric("logboom_sink_records_total", sink="remote")

    write(0)
    wait_for(lambda: sent() >= lines, 60, "the first lines")
    # What its kernel has confirmed it may not have read yet, and would take along into its end.
    wait_for(lambda: len(rsyslog.received()) >= lines, 60, "the first lines in rsyslog's file")
    rsyslog.stop()
    write(lines)
    wait_for(lambda: "connect" in problem(daemon, "remote"), 30, "the missing receiver in health")
    rsyslog.start()
    wait_for(lambda: sent() >= 2 * lines, 60, "what waited")
    assert problem(daemon, "remote") == ""
    assert daemon.stop() == 0 and not letters(daemon, "remote")
    wait_for(lambda: len(rsyslog.received()) >= 2 * lines, 30, "all of it in rsyslog's file")
    rsyslog.stop()
    found = list(dict.fromkeys(line["text"].strip() for line in rsyslog.received()))
    assert found == [f"line {i}" for i in range(2 * lines)], "lost or out of order"


class Reader:
    """Octet-counted RFC 5424 over TLS, strictly. `drop_after`: bytes after which it closes a connection."""

    def __init__(self, folder):
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.messages, self.faults, self.drop_after, self.connections = [], [], [], 0
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            raw, _ = self.listener.accept()
            self.connections += 1
            try:
                self.serve(self.context.wrap_socket(raw, server_side=True), self.drop_after.pop(0)
                           if self.drop_after else None)
            except OSError:
                pass
            raw.close()

    def serve(self, connection, limit):
        rest, count = b"", 0
        while True:
            data = connection.recv(65536)
            if not data:
                return
            count += len(data)
            rest = self.take(rest + data)
            if limit is not None and count >= limit:
                socket.socket.shutdown(connection, socket.SHUT_WR)  # it goes, and reads what is still on its way
                limit = None

    def take(self, data):
        while True:
            head = re.match(rb"([1-9]\d*) ", data)
            if not head:
                if len(data) > 10:
                    self.faults.append(f"no length: {data[:50]}")
                return data
            end = head.end() + int(head.group(1))
            if len(data) < end:
                return data
            text = data[head.end():end].decode()
            match = MESSAGE.fullmatch(text)
            if not match:
                self.faults.append(f"not RFC 5424: {text[:300]}")
            else:
                self.messages.append(match.groups())
            data = data[end:]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", folder / "key.pem", "-out",
                    folder / "cert.pem"], check=True, capture_output=True)
    return folder


def tls_config(port, tls, more=""):
    return f"""
commit_every: 100ms
sources: {{app: {{type: file, include: ['{{dir}}/app.log'], parse: json}}}}
routes: [{{to: remote}}]
sinks:
  remote:
    type: syslog
    address: 'tls://127.0.0.1:{port}'
    retry: {{first: 20ms, max: 100ms}}
    tls: {tls}
    {more}
"""


def test_tls_over_connections_that_end(logboom, certificate):
    reader, lines = Reader(certificate), 5000
    reader.drop_after = [20000, 50000, 1]
    daemon = started(logboom(tls_config(reader.port, f"{{ca: {certificate}/cert.pem}}")))
    with open(daemon.dir / "app.log", "a") as log:
        for i in range(lines):
            log.write(json.dumps({"level": "error", "service": "shop", "message": f"{i} {NASTY}"}) + "\n")
        log.write(json.dumps({"service": "big", "message": "x漢" * 200000}, ensure_ascii=False) + "\n")
    wait_for(lambda: daemon.metric("logboom_sink_records_total", sink="remote") >= lines + 1, 60, "all")
    wait_for(lambda: reader.messages[-1][3] == "big", 30, "the last one")
    assert daemon.stop() == 0 and reader.faults == [] and reader.connections >= 4
    numbers = [int(m[7].split()[0]) for m in reader.messages if m[3] == "shop"]
    assert sorted(set(numbers)) == list(range(lines)), "lost"
    assert list(dict.fromkeys(numbers)) == list(range(lines)), "out of order"
    assert {m[0] for m in reader.messages if m[3] == "shop"} == {"11"}
    big = next(m for m in reader.messages if m[3] == "big")
    assert 8000 < len(big[7].encode()) <= 8192
    print(f"{len(numbers) - lines} of {lines} came twice over three connections that ended")


def test_a_certificate_that_is_not_trusted(logboom, certificate, tmp_path):
    reader = Reader(certificate)
    daemon = started(logboom(tls_config(reader.port, "{verify: true}")))
    with open(daemon.dir / "app.log", "a") as log:
        log.write('{"message":"x"}\n')
    wait_for(lambda: "certificate" in problem(daemon, "remote"), 30, "the certificate in health")
    assert not reader.messages
    daemon.kill()


def take_all(listener):
    """Reads every connection to its end; some were given up before it came to them."""
    while True:
        connection, _ = listener.accept()
        with contextlib.suppress(OSError), connection:
            while connection.recv(1 << 20):
                pass


def test_a_receiver_that_takes_nothing_is_connected_anew(logboom, tmp_path):
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    daemon = started(logboom(f"""
commit_every: 100ms
sources: {{app: {{type: file, include: ['{{dir}}/app.log'], parse: json}}}}
routes: [{{to: remote}}]
sinks:
  remote: {{type: syslog, address: 'tcp://127.0.0.1:{port}', timeout: 300ms, max_size: 1MiB, queue: 64MiB, retry: {{first: 20ms}}}}
"""))
    with open(daemon.dir / "app.log", "a") as log:
        for _ in range(30):
            log.write(json.dumps({"message": "y" * 900000}) + "\n")
    first, _ = listener.accept()
    wait_for(lambda: "takes nothing" in problem(daemon, "remote"), 60, "that it is stuck, in health")
    threading.Thread(target=take_all, args=(listener,), daemon=True).start()
    wait_for(lambda: daemon.metric("logboom_sink_records_total", sink="remote") >= 30, 60, "all")
    assert daemon.stop() == 0
    first.close()


def test_check_says_what_is_wrong(logboom, tmp_path):
    for options, words in (("address: logs.example.org", "address: expected udp://host:514"),
                           ("address: 'udp://h', max_size: 100KiB", "max_size: a datagram takes 65000 bytes at most"),
                           ("address: 'tcp://h', app_name: '{a'", "this brace is not closed"),
                           ("address: 'tcp://h', facility: local9", "local9"),
                           (f"address: 'tls://h', tls: {{ca: {tmp_path}/lb/logboom.yaml}}", "tls: ")):
        daemon = logboom(config(f"\n  r: {{type: syslog, {options}}}\n", ["r"]))
        check = subprocess.run([BIN, "check", "-c", str(daemon.config)], capture_output=True, text=True)
        assert check.returncode == 1 and words in check.stderr, check.stderr
