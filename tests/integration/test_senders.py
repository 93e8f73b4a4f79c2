"""Real senders: logger, rsyslog and syslog-ng forward over UDP and TCP, in both framings, and every field arrives."""
import calendar
import contextlib
import json
import os
import socket
import subprocess
import time

import pytest

from harness import ROOT, free_port, make_certificate, wait_for

MESSAGES = int(os.environ.get("LB_SENDER_MESSAGES", "100000"))
FACILITIES = ["kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp",
              "ntp", "audit", "alert", "clock"] + [f"local{i}" for i in range(8)]
LEVELS = ["emergency", "alert", "critical", "error", "warn", "notice", "info", "debug"]
UDP_RATES = [50000, 12500, None]  # None: as fast as it is received
PIECE = 100  # messages, of which any socket's buffer holds a few

CONFIG = """
sources:
  net: {{type: syslog, listen: ['{scheme}://127.0.0.1:{port}']}}
routes:
  - {{to: out}}
sinks:
  out: {{type: file, path: '{{dir}}/out.jsonl', format: json}}
commit_every: 200ms
"""


@pytest.fixture(scope="session")
def peers():
    run = subprocess.run([str(ROOT / "tests/peers.sh")], capture_output=True, text=True)
    if run.returncode == 3:
        pytest.skip(run.stderr.strip())
    assert run.returncode == 0, run.stderr
    return ROOT / "build/peers/bin"


def start_logboom(logboom, scheme):
    port = free_port(socket.SOCK_DGRAM if scheme == "udp" else socket.SOCK_STREAM)
    daemon = logboom(CONFIG.format(scheme=scheme, port=port)).start().ready()
    return daemon, port


def priority(i):
    # kern (0) is what senders rewrite for themselves; real programs do not send it.
    return ((i % 23) + 1) * 8 + i % 8


def message(i):
    return (f"<{priority(i)}>1 2026-03-01T10:{i // 60 % 60:02d}:{i % 60:02d}.{i % 1000000:06d}Z host{i % 50}.example.org "
            f"app{i % 20} {1000 + i} ID{i % 7} - message number {i} of a feed")


def expected(i):
    return {"facility": FACILITIES[priority(i) >> 3], "level": LEVELS[priority(i) & 7],
            "host": f"host{i % 50}.example.org", "service": f"app{i % 20}", "pid": 1000 + i,
            "second": f"2026-03-01T10:{i // 60 % 60:02d}:{i % 60:02d}", "micros": i % 1000000}


def fields(record):
    second, _, fraction = record["timestamp"].rstrip("Z").partition(".")
    return {"facility": record["facility"], "level": record["level"], "host": record["host"],
            "service": record["service"], "pid": int(record["pid"]), "second": second,
            "micros": int((fraction or "0").ljust(6, "0")[:6])}


def read_out(daemon):
    path = daemon.dir / "out.jsonl"
    if not path.exists():
        return []
    with open(path) as file:
        return [json.loads(line) for line in file]


def received(daemon):
    return daemon.metric("logboom_sink_records_total", sink="out")


def at_most(rate):
    """Holds up who has sent so many messages: there are that many in a second."""
    begin = time.monotonic()
    return lambda sent: time.sleep(max(0.0, begin + sent / rate - time.monotonic()))  # the pace is what is tested


def as_received(daemon):
    """Holds up who has sent so many messages until no more than a piece of them is on its way."""
    return lambda sent: wait_for(lambda: daemon.metric("logboom_syslog_messages_total") >= sent - PIECE, 60, f"{sent} messages")


def feed(port, count, hold_up=lambda sent: None):
    """Gives the relay `count` messages over TCP."""
    with socket.create_connection(("127.0.0.1", port)) as s:
        for first in range(0, count, PIECE):
            s.sendall("".join(message(i) + "\n" for i in range(first, min(first + PIECE, count))).encode())
            hold_up(first + PIECE)


def rsyslog_config(directory, inlet, target, scheme, framing):
    protocol = "udp" if scheme == "udp" else "tcp"
    framed = f'TCP_Framing="{framing}"' if scheme in ("tcp", "tls") else ""
    tls = 'StreamDriver="ossl" StreamDriverMode="1" StreamDriverAuthMode="x509/certvalid"' if scheme == "tls" else ""
    files = (f'defaultNetstreamDriverCAFile="{directory}/../ca.pem" defaultNetstreamDriverCertFile="{directory}/../client.pem" '
             f'defaultNetstreamDriverKeyFile="{directory}/../client.key"') if scheme == "tls" else ""
    return f"""
global(workDirectory="{directory}" {files})
module(load="imtcp")
input(type="imtcp" port="{inlet}" address="127.0.0.1")
main_queue(queue.size="200000" queue.dequeueBatchSize="200" queue.discardMark="200000" queue.workerThreads="1")
action(type="omfwd" target="127.0.0.1" port="{target}" protocol="{protocol}" {framed} {tls}
       template="RSYSLOG_SyslogProtocol23Format" action.resumeRetryCount="-1")
"""


def syslog_ng_config(directory, inlet, target, scheme, framing):
    if scheme == "tls":
        out = (f'syslog("127.0.0.1" transport(tls) port({target}) tls(ca-file("{directory}/../ca.pem") '
               f'cert-file("{directory}/../client.pem") key-file("{directory}/../client.key")))')
    elif framing == "octet-counted":
        out = f'syslog("127.0.0.1" transport(tcp) port({target}))'
    else:
        out = f'network("127.0.0.1" transport({scheme}) port({target}) flags(syslog-protocol))'
    return f"""@version: 3.38
options {{ keep-hostname(yes); log-fifo-size(200000); frac-digits(6); ts-format(iso); }};
source s {{ network(transport(tcp) ip(127.0.0.1) port({inlet}) flags(syslog-protocol) log-iw-size(50000)); }};
destination d {{ {out}; }};
log {{ source(s); destination(d); flags(flow-control); }};
"""


class Relay:
    def __init__(self, name, peers, directory, target, scheme, framing):
        directory.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        config = directory / f"{name}.conf"
        make = rsyslog_config if name == "rsyslogd" else syslog_ng_config
        config.write_text(make(directory, self.port, target, scheme, framing))
        if name == "rsyslogd":
            command = [peers / name, "-n", "-f", config, "-i", directory / "pid"]
        else:
            command = [peers / name, "-F", "--no-caps", "-f", config, "-R", directory / "persist", "-c",
                       directory / "control", "-p", directory / "pid"]
        self.log = open(directory / "relay.log", "wb")
        self.process = subprocess.Popen([str(word) for word in command], stdout=self.log, stderr=self.log)
        wait_for(self.listens, 20, f"{name} listening")

    def listens(self):
        assert self.process.poll() is None, open(self.log.name).read()
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.log.close()


def number_of(record):
    return int(record["message"].split()[2])


def check_all_once(records, count):
    by_number = {}
    for record in records:
        if "number" in record.get("message", ""):
            by_number.setdefault(number_of(record), []).append(record)
    lost = [i for i in range(count) if i not in by_number]
    doubled = [i for i, found in by_number.items() if len(found) > 1]
    assert not lost and not doubled, f"{len(lost)} lost {lost[:5]}, {len(doubled)} doubled {doubled[:5]}"
    wrong = [(expected(i), fields(found[0])) for i, found in by_number.items() if fields(found[0]) != expected(i)]
    assert not wrong, f"{len(wrong)} with wrong fields: {wrong[:2]}"


@pytest.mark.parametrize("sender", ["rsyslogd", "syslog-ng"])
@pytest.mark.parametrize("framing", ["traditional", "octet-counted"])
def test_over_tcp_each_message_arrives_once_with_its_fields(logboom, peers, tmp_path, sender, framing):
    daemon, port = start_logboom(logboom, "tcp")
    relay = Relay(sender, peers, tmp_path / "relay", port, "tcp", framing)
    try:
        feed(relay.port, MESSAGES)
        wait_for(lambda: received(daemon) >= MESSAGES, 120, "all messages")
    finally:
        relay.stop()
    assert daemon.stop() == 0
    check_all_once(read_out(daemon), MESSAGES)


@pytest.mark.parametrize("sender", ["rsyslogd", "syslog-ng"])
def test_over_tls_each_message_arrives_once_with_its_sender(logboom, peers, tmp_path, sender):
    make_certificate(tmp_path, "ca", "/CN=Test CA")
    make_certificate(tmp_path, "server", "/CN=127.0.0.1", "ca")
    make_certificate(tmp_path, "client", "/CN=relay", "ca")
    port = free_port()
    config = CONFIG.format(scheme="tls", port=port).replace("listen:", f"tls: {{cert: '{tmp_path}/server.pem', key: '{tmp_path}/server.key', "
                                            f"ca: '{tmp_path}/ca.pem', verify_client: true}}, listen:")
    daemon = logboom(config).start().ready()
    relay = Relay(sender, peers, tmp_path / "relay", port, "tls", "octet-counted")
    try:
        feed(relay.port, MESSAGES)
        wait_for(lambda: received(daemon) >= MESSAGES, 120, "all messages")
    finally:
        relay.stop()
    assert daemon.stop() == 0
    records = read_out(daemon)
    check_all_once(records, MESSAGES)
    assert {record["peer_subject"] for record in records if "number" in record["message"]} == {"CN=relay"}


def wait_until_accounted(daemon, port):
    """All messages have come, or the kernel dropped some: it tells of that with the next one, so one is sent now and then."""
    marks, due = 0, time.monotonic() + 1

    def accounted():
        nonlocal marks, due
        if time.monotonic() >= due:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                s.sendto(b"<14>1 - - marker - - - the end", ("127.0.0.1", port))
            marks, due = marks + 1, time.monotonic() + 1
        return received(daemon) - marks >= MESSAGES or daemon.metric("logboom_syslog_kernel_dropped_total") > 0
    wait_for(accounted, 120, "all messages, or drops that are counted")


def at_a_pace_it_keeps_up_with(logboom, send):
    """What arrived of send(port, hold_up, stack), at 50000 a second. A machine that is busy with other things may drop some
    even so, and counts them: then again, slower. What neither arrives nor is counted is a failure."""
    for rate in UDP_RATES:
        port = free_port(socket.SOCK_DGRAM)
        daemon = logboom(CONFIG.format(scheme="udp", port=port), name=f"lb{rate}").start().ready()
        with contextlib.ExitStack() as stack:
            send(port, as_received(daemon) if rate is None else at_most(rate), stack)
            wait_until_accounted(daemon, port)
        dropped = daemon.metric("logboom_syslog_kernel_dropped_total")
        assert daemon.stop() == 0
        if dropped == 0:
            return [record for record in read_out(daemon) if record["message"] != "the end"]
        print(f"at {rate} a second this machine dropped {dropped:.0f}")
    raise AssertionError(f"{dropped:.0f} dropped though hardly any were on their way")


@pytest.mark.parametrize("sender", ["rsyslogd", "syslog-ng"])
def test_over_udp_at_50000_a_second_each_message_arrives_once(logboom, peers, tmp_path, sender):
    def send(port, hold_up, stack):
        relay = Relay(sender, peers, tmp_path / f"relay{port}", port, "udp", "traditional")
        stack.callback(relay.stop)
        feed(relay.port, MESSAGES, hold_up)
    check_all_once(at_a_pace_it_keeps_up_with(logboom, send), MESSAGES)


def test_unpaced_udp_is_received_or_counted_as_dropped(logboom):
    daemon, port = start_logboom(logboom, "udp")
    sent = 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.connect(("127.0.0.1", port))
        for i in range(MESSAGES):
            s.send(message(i).encode())
            sent += 1

        def accounted():
            # The kernel tells of drops with the next datagram it delivers, so one more is sent at each look.
            nonlocal sent
            s.send(b"<14>1 - - marker - - - the end")
            sent += 1
            return settled(daemon, sent)
        wait_for(accounted, 60, "received + dropped = sent")


def settled(daemon, sent):
    deadline = time.monotonic() + 2
    while time.monotonic() < deadline:
        dropped = daemon.metric("logboom_syslog_kernel_dropped_total")
        if daemon.metric("logboom_syslog_messages_total") + dropped == sent:
            return True
        time.sleep(0.05)
    return False


def run_logger(port, options, hold_up=lambda sent: None):
    with subprocess.Popen(["logger", "-n", "127.0.0.1", "-P", str(port), *options, "--rfc5424", "-t", "feeder",
                           "--id=4711", "-p", "local3.warning"], stdin=subprocess.PIPE) as sender:
        for first in range(0, MESSAGES, PIECE):
            sender.stdin.write("".join(f"message number {i} of a feed\n" for i in range(first, first + PIECE)).encode())
            sender.stdin.flush()
            hold_up(first + PIECE)
    assert sender.returncode == 0


def logged_over_tcp(logboom, options):
    daemon, port = start_logboom(logboom, "tcp")
    run_logger(port, options)
    wait_for(lambda: received(daemon) >= MESSAGES, 60, "all messages")
    assert daemon.stop() == 0
    return read_out(daemon)


@pytest.mark.parametrize("options", [["-d"], ["-T"], ["-T", "--octet-count"]], ids=["udp", "tcp", "tcp-octet-count"])
def test_logger_delivers(logboom, options):
    before = time.time()
    if "-d" in options:
        records = at_a_pace_it_keeps_up_with(logboom, lambda port, hold_up, stack: run_logger(port, options, hold_up))
    else:
        records = logged_over_tcp(logboom, options)
    assert [number_of(r) for r in records] == list(range(MESSAGES))
    host = socket.gethostname()
    for record in records:
        assert record["facility"] == "local3" and record["level"] == "warn" and record["service"] == "feeder"
        assert int(record["pid"]) == 4711 and record["host"].split(".")[0] == host.split(".")[0]
    stamp = time.strptime(records[0]["timestamp"][:19], "%Y-%m-%dT%H:%M:%S")
    assert abs(calendar.timegm(stamp) - before) < 600
