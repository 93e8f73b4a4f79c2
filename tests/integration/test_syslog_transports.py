"""Syslog over TLS, sockets in the file system and behind a proxy: who is believed, who is closed, and what is held back."""
import contextlib
import json
import os
import shutil
import signal
import socket
import ssl
import stat
import struct
import subprocess
import tempfile

import pytest

from harness import BIN, free_port, make_certificate, wait_for

CONFIG = """
    sources:
      hosts: {source}
    routes: [{{to: out}}]
    sinks:
      out: {{type: file, path: '{{dir}}/out.jsonl', format: json}}
    commit_every: 200ms
"""


class Receiver:
    def __init__(self, make, source, name="lb"):
        self.daemon = make(CONFIG.format(source=json.dumps(source)), name=name)
        self.out = self.daemon.dir / "out.jsonl"
        self.daemon.start().ready()

    def write(self, source):
        self.daemon.write_config(CONFIG.format(source=json.dumps(source)))

    def records(self):
        if not self.out.exists():
            return []
        return [json.loads(line) for line in self.out.read_bytes().split(b"\n")[:-1]]

    def wait_for(self, count):
        wait_for(lambda: len(self.records()) >= count, what=f"{count} records, of which there are {len(self.records())},")
        return self.records()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    directory = tmp_path_factory.mktemp("certificates")
    make_certificate(directory, "ca", "/CN=Test CA")
    make_certificate(directory, "server", "/CN=127.0.0.1", "ca")
    make_certificate(directory, "client", "/O=Example/CN=web1", "ca")
    make_certificate(directory, "stranger", "/CN=stranger")
    return directory


@pytest.fixture
def short(tmp_path):
    """A directory whose name leaves room in the path of a socket."""
    directory = tempfile.mkdtemp(prefix="lb-sock-")
    yield directory
    shutil.rmtree(directory)


def tls_source(port, certificates, **more):
    tls = {"cert": str(certificates / "server.pem"), "key": str(certificates / "server.key"), **more.pop("tls", {})}
    return {"type": "syslog", "listen": [f"tls://127.0.0.1:{port}"], "tls": tls, **more}


def client_context(certificates, name=None):
    context = ssl.create_default_context(cafile=str(certificates / "ca.pem"))
    if name is not None:
        context.load_cert_chain(certificates / f"{name}.pem", certificates / f"{name}.key")
    return context


def tls_connect(port, context):
    return context.wrap_socket(socket.create_connection(("127.0.0.1", port), timeout=20), server_hostname="127.0.0.1")


def is_closed(connection):
    """By the other side, in whatever way."""
    connection.settimeout(20)
    try:
        while connection.recv(100):
            pass  # an alert
        return True
    except (ConnectionResetError, ssl.SSLError):
        return True


def counted(message):
    return b"%d %s" % (len(message), message)


# --- TLS -----------------------------------------------------------------------

@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_s_client_delivers_in_both_versions(logboom, certificates, version):
    port = free_port()
    receiver = Receiver(logboom, tls_source(port, certificates))
    client = subprocess.Popen(["openssl", "s_client", "-quiet", "-connect", f"127.0.0.1:{port}", version, "-CAfile",
                               str(certificates / "ca.pem"), "-verify_return_error"], stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    client.stdin.write(b"".join(counted(b"<11>1 2026-01-31T12:34:56Z web1 shop 12 - - number %d" % i) for i in range(1000)))
    client.stdin.flush()
    records = receiver.wait_for(1000)
    client.stdin.close()
    client.terminate()
    client.wait()
    client.stderr.close()
    assert [r["message"] for r in records] == [f"number {i}" for i in range(1000)]
    assert records[0]["host"] == "web1" and "peer_subject" not in records[0]


def test_much_at_once_and_in_odd_pieces_arrives_whole(logboom, certificates):
    port = free_port()
    receiver = Receiver(logboom, tls_source(port, certificates))
    with tls_connect(port, client_context(certificates)) as s:
        data = b"".join(counted(b"<14>1 - h app - - - %d %s" % (i, b"x" * (i % 3000))) for i in range(3000))
        for at in range(0, len(data), 33333):
            s.sendall(data[at:at + 33333])
        records = receiver.wait_for(3000)
    assert [int(r["message"].split()[0]) for r in records] == list(range(3000))
    assert sum(len(r["message"]) for r in records) == sum(len(f"{i} ") + i for i in range(3000))
    wait_for(lambda: receiver.daemon.metric("logboom_syslog_connections") == 0, what="no connection")


def test_a_verified_client_is_a_field_and_others_are_refused(logboom, certificates):
    port = free_port()
    receiver = Receiver(logboom, tls_source(port, certificates, tls={"ca": str(certificates / "ca.pem"), "verify_client": True}))
    with tls_connect(port, client_context(certificates, "client")) as s:
        s.sendall(b"<13>app: known\n")
        record = receiver.wait_for(1)[0]
    assert record["peer_subject"] == "CN=web1,O=Example" and record["host"] == "127.0.0.1" and record["message"] == "known"
    for name in (None, "stranger"):
        with pytest.raises((ssl.SSLError, ConnectionResetError, BrokenPipeError)):
            with tls_connect(port, client_context(certificates, name)) as s:
                s.sendall(b"<13>app: unknown\n")
                s.recv(1)
    wait_for(lambda: receiver.daemon.metric("logboom_syslog_handshake_errors_total") == 2, what="two refused")
    assert len(receiver.records()) == 1


def test_the_subject_survives_a_durable_intake(logboom, certificates):
    port = free_port()
    receiver = Receiver(logboom, tls_source(port, certificates, durable=True, tls={"ca": str(certificates / "ca.pem")}))
    with tls_connect(port, client_context(certificates, "client")) as s:
        s.sendall(b"<13>app: known\n")
        assert receiver.wait_for(1)[0]["peer_subject"] == "CN=web1,O=Example"


def test_old_versions_are_refused(logboom, certificates):
    port = free_port()
    receiver = Receiver(logboom, tls_source(port, certificates, tls={"min_version": "1.3"}))
    context = client_context(certificates)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        tls_connect(port, context)
    wait_for(lambda: receiver.daemon.metric("logboom_syslog_handshake_errors_total") == 1, what="one refused")


def test_a_reload_takes_a_new_certificate_and_keeps_connections(logboom, certificates, tmp_path):
    for name in ("server.pem", "server.key"):
        shutil.copy(certificates / name, tmp_path / name)
    port = free_port()
    receiver = Receiver(logboom, tls_source(port, tmp_path))
    with tls_connect(port, client_context(certificates)) as old:
        old.sendall(b"<13>app: before\n")
        receiver.wait_for(1)
        first = old.getpeercert(True)
        make_certificate(tmp_path, "next", "/CN=127.0.0.1")
        os.replace(tmp_path / "next.pem", tmp_path / "server.pem")
        os.replace(tmp_path / "next.key", tmp_path / "server.key")
        receiver.daemon.get("/api/v1/reload", method="POST")
        fresh = ssl.create_default_context(cafile=str(tmp_path / "server.pem"))
        with tls_connect(port, fresh) as new:
            assert new.getpeercert(True) != first
            new.sendall(b"<13>app: new\n")
            receiver.wait_for(2)
        old.sendall(b"<13>app: after\n")
        assert [r["message"] for r in receiver.wait_for(3)] == ["before", "new", "after"]


def test_a_stalled_handshake_and_garbage_are_closed_and_others_go_on(logboom, certificates):
    port = free_port()
    receiver = Receiver(logboom, tls_source(port, certificates))
    with tls_connect(port, client_context(certificates)) as good:
        good.sendall(b"<13>app: before\n")
        receiver.wait_for(1)
        # Only now, for the good one may be slow, too.
        receiver.write(tls_source(port, certificates, handshake_timeout="500ms"))
        assert receiver.daemon.get("/api/v1/reload", method="POST")[0] == 200
        with socket.create_connection(("127.0.0.1", port)) as silent, socket.create_connection(("127.0.0.1", port)) as slow, \
                socket.create_connection(("127.0.0.1", port)) as plain:
            slow.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01")
            plain.sendall(b"<13>app: not encrypted\n" * 10)
            assert is_closed(plain) and is_closed(silent) and is_closed(slow)
        good.sendall(b"<13>app: encrypted\n")
        assert [r["message"] for r in receiver.wait_for(2)] == ["before", "encrypted"]
    assert receiver.daemon.metric("logboom_syslog_handshake_errors_total") == 3
    assert "longer than handshake_timeout" in receiver.daemon.log()


def check(logboom, source):
    daemon = logboom(CONFIG.format(source=json.dumps(source)), name="check")
    return subprocess.run([BIN, "check", "-c", str(daemon.config)], capture_output=True, text=True)


def test_check_says_what_is_wrong_with_certificates(logboom, certificates):
    def said(**tls):
        done = check(logboom, tls_source(6514, certificates, tls=tls))
        assert done.returncode == 1
        return done.stderr
    assert "private key of tls.cert" in said(key=str(certificates / "client.key"))
    assert "expected a certificate as PEM" in said(cert=str(certificates / "client.key"))
    assert "cannot read" in said(cert="/nowhere/x.pem")
    assert "needs tls.ca" in said(verify_client=True)
    done = check(logboom, {"type": "syslog", "listen": ["tls://127.0.0.1:6514"]})
    assert done.returncode == 1 and "TLS needs tls: {cert" in done.stderr
    done = check(logboom, {**tls_source(6514, certificates), "listen": ["tcp://127.0.0.1:6514"]})
    assert done.returncode == 1 and "nothing listens on tls://" in done.stderr


# --- a proxy in front ----------------------------------------------------------

def proxy_source(port, **more):
    return {"type": "syslog", "listen": [f"tcp://127.0.0.1:{port}"], "proxy_protocol": True, **more}


def version_2(family, addresses, command=1):
    return b"\r\n\r\n\0\r\nQUIT\n" + bytes([0x20 | command, family << 4 | 1]) + struct.pack(">H", len(addresses)) + addresses


V4 = socket.inet_aton("192.0.2.7") + socket.inet_aton("192.0.2.1") + struct.pack(">HH", 4711, 514)
V6 = socket.inet_pton(socket.AF_INET6, "2001:db8::7") + socket.inet_pton(socket.AF_INET6, "::1") + struct.pack(">HH", 4711, 514)


@pytest.mark.parametrize("header, host", [
    (b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 514\r\n", "192.0.2.7"),
    (b"PROXY TCP6 2001:db8::7 ::1 4711 514\r\n", "2001:db8::7"),
    (b"PROXY UNKNOWN\r\n", "127.0.0.1"),
    (version_2(1, V4), "192.0.2.7"),
    (version_2(2, V6 + b"\x04\0\x03abc"), "2001:db8::7"),
    (version_2(0, b"", command=0), "127.0.0.1"),
])
def test_the_proxys_word_for_the_peer_counts_however_it_is_cut(logboom, header, host):
    port = free_port()
    receiver = Receiver(logboom, proxy_source(port))
    with socket.create_connection(("127.0.0.1", port)) as s:
        s.sendall(header + b"<13>app: whole\n")
        receiver.wait_for(1)
    with socket.create_connection(("127.0.0.1", port)) as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for i in range(len(header)):
            s.sendall(header[i:i + 1])
        s.sendall(b"<13>app: in pieces\n")
        records = receiver.wait_for(2)
    assert [(r["host"], r["message"]) for r in records] == [(host, "whole"), (host, "in pieces")]


def test_a_proxys_header_stands_before_tls(logboom, certificates):
    port = free_port()
    receiver = Receiver(logboom, tls_source(port, certificates, proxy_protocol=True))
    raw = socket.create_connection(("127.0.0.1", port), timeout=20)
    raw.sendall(version_2(1, V4))
    with client_context(certificates).wrap_socket(raw, server_hostname="127.0.0.1") as s:
        s.sendall(b"<13>app: both\n")
        assert receiver.wait_for(1)[0]["host"] == "192.0.2.7"


def test_who_sends_no_header_or_too_slowly_is_closed(logboom):
    port = free_port()
    receiver = Receiver(logboom, proxy_source(port, handshake_timeout="500ms"))
    with socket.create_connection(("127.0.0.1", port)) as bare, socket.create_connection(("127.0.0.1", port)) as slow, \
            socket.create_connection(("127.0.0.1", port)) as huge:
        bare.sendall(b"<13>app: no header\n")
        slow.sendall(b"PROXY TCP4 192.0")
        with contextlib.suppress(OSError):  # it may be closed before all is sent
            huge.sendall(version_2(1, b"x" * 60000))
        assert is_closed(bare) and is_closed(huge) and is_closed(slow)
    assert receiver.daemon.metric("logboom_syslog_handshake_errors_total") == 3
    assert receiver.records() == []


# --- sockets in the file system ---------------------------------------------------

def test_logger_through_a_stream_and_a_datagram_socket(logboom, short):
    receiver = Receiver(logboom, {"type": "syslog", "listen": [f"unix://{short}/s", f"unixgram://{short}/d"], "socket_mode": "600"})
    assert stat.S_IMODE(os.stat(f"{short}/s").st_mode) == 0o600 and stat.S_IMODE(os.stat(f"{short}/d").st_mode) == 0o600
    for path in ("s", "d"):
        subprocess.run(["logger", "--socket", f"{short}/{path}", "--priority", "local3.err", "--tag", "shop", f"by {path}"], check=True)
    for path, kind in (("s", socket.SOCK_STREAM), ("d", socket.SOCK_DGRAM)):
        with socket.socket(socket.AF_UNIX, kind) as s:
            s.connect(f"{short}/{path}")
            s.sendall(b"<13>app: from here\n")
            receiver.wait_for(3 if path == "s" else 4)
    records = receiver.wait_for(4)
    assert sorted(r["message"] for r in records) == ["by d", "by s", "from here", "from here"]
    assert {r["peer_uid"] for r in records} == {os.getuid()}
    assert {r["host"].split(".")[0] for r in records} == {socket.gethostname().split(".")[0]}
    assert [r["peer_pid"] for r in records if r["message"] == "from here"] == [os.getpid()] * 2
    assert all(r["level"] == "error" and r["service"] == "shop" for r in records if r["message"].startswith("by"))
    assert receiver.daemon.stop() == 0
    assert os.listdir(short) == []


def test_a_stale_socket_is_replaced_and_a_live_one_or_a_file_is_not(logboom, short):
    path = f"{short}/log"
    source = {"type": "syslog", "listen": [f"unixgram://{path}", f"unix://{path}2"]}
    first = Receiver(logboom, source)
    first.daemon.process.send_signal(signal.SIGKILL)
    first.daemon.process.wait()
    assert sorted(os.listdir(short)) == ["log", "log2"]
    second = Receiver(logboom, source, name="second")
    third = logboom(CONFIG.format(source=json.dumps(source)), name="third").start()
    assert third.wait(30) != 0 and "another process has it" in third.log()
    assert second.daemon.stop() == 0
    open(path, "w").close()
    fourth = logboom(CONFIG.format(source=json.dumps(source)), name="fourth").start()
    assert fourth.wait(30) != 0 and "is no socket" in fourth.log()
    assert os.path.isfile(path)


def test_a_reload_keeps_the_socket_and_removes_one_that_is_gone(logboom, short):
    source = {"type": "syslog", "listen": [f"unix://{short}/a", f"unixgram://{short}/b"]}
    receiver = Receiver(logboom, source)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
        s.connect(f"{short}/a")
        s.sendall(b"<13>app: before\n")
        receiver.wait_for(1)
        inode = os.stat(f"{short}/a").st_ino
        receiver.write({**source, "listen": [f"unix://{short}/a"], "service": "x"})
        receiver.daemon.get("/api/v1/reload", method="POST")
        wait_for(lambda: os.listdir(short) == ["a"], what="one socket left")
        assert os.stat(f"{short}/a").st_ino == inode
        s.sendall(b"<13>app: after\n")
        records = receiver.wait_for(2)
    assert [r["message"] for r in records] == ["before", "after"]
    assert records[1]["peer_pid"] == os.getpid()


# --- rates ---------------------------------------------------------------------

def test_what_a_peer_sends_over_its_rate_is_counted_and_told(logboom):
    udp, tcp = free_port(socket.SOCK_DGRAM), free_port()
    receiver = Receiver(logboom, {"type": "syslog", "listen": [f"udp://127.0.0.1:{udp}", f"tcp://127.0.0.1:{tcp}"],
                                  "rate": {"records": 10, "per": "1h", "burst": 50}})
    with socket.create_connection(("127.0.0.1", tcp)) as s:
        s.sendall(b"".join(b"<13>app: number %d\n" % i for i in range(200)))
    records = receiver.wait_for(50)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        for _ in range(10):
            s.sendto(b"<13>app: by udp", ("127.0.0.1", udp))
        wait_for(lambda: receiver.daemon.metric("logboom_syslog_held_back_total") == 160, what="160 held back")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.2", 0))
        s.sendto(b"<13>app: another peer", ("127.0.0.1", udp))
    records = receiver.wait_for(51)
    assert [r["message"] for r in records] == [f"number {i}" for i in range(50)] + ["another peer"]
    wait_for(lambda: 'peer="127.0.0.1" records=' in receiver.daemon.log(), what="a line that says so")
    receiver.daemon.stop()
    told = [int(line.rsplit("records=", 1)[1]) for line in receiver.daemon.log().splitlines() if "held back records of a peer" in line]
    assert sum(told) == 160


def test_time_gives_a_peer_its_rate_back(logboom):
    udp = free_port(socket.SOCK_DGRAM)
    receiver = Receiver(logboom, {"type": "syslog", "listen": [f"udp://127.0.0.1:{udp}"], "rate": {"records": 5, "per": "100ms"}})
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        def more():
            s.sendto(b"<13>app: x", ("127.0.0.1", udp))
            return len(receiver.records()) > 30
        wait_for(more, what="more than one burst")
