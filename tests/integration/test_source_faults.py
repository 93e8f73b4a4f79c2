"""What senders do wrong, source by source, where no test of the source itself says it: garbage, standing still, too much.

The others: docker, file, tail in test_tail*.py, http in test_http_source.py, forward, gelf, relp, syslog, kafka in theirs.
"""
import json
import os
import re
import shutil
import socket
import subprocess

import pytest

from harness import archive_records, free_port, wait_for

OUT = """
commit_every: 50ms
sources:
  input: {%s}
routes: [{to: out}]
sinks:
  out: {type: archive, path: '{dir}/out/all.jsonl.zst', flush: 50ms}
"""

GARBAGE = [bytes(range(256)).replace(b"\n", b""), b"\0" * 100, b"\xff\xfe\xfd", b"{" * 5000, b'{"a":', b"\x1b[31m" * 50, b"% %s %n"]
LIMIT = 4096


def records(daemon):
    return archive_records(daemon.dir / "out")


def messages(daemon):
    return [r["message"] for r in records(daemon)]


def wait_for_last(daemon, message):
    wait_for(lambda: message in messages(daemon), 30, f"a record {message}")
    return records(daemon)


# --- files -----------------------------------------------------------------------------------------


def test_a_file_of_garbage_has_a_record_for_each_line(logboom):
    daemon = logboom(OUT % "type: file, include: ['{dir}/in.log'], parse: none")
    (daemon.dir / "in.log").write_bytes(b"".join(g + b"\n" for g in GARBAGE) + b"\n\r\n\n" + b"the last\n")
    daemon.start().ready()
    rows = wait_for_last(daemon, "the last")
    assert len(rows) == len(GARBAGE) + 1, "a record for each line that is not empty"
    assert [r["message"] for r in rows[:-1]] == [g.decode(errors="replace") for g in GARBAGE]


DOCKER_ID = "ab" * 32


def docker_line(text):
    return json.dumps({"log": text, "stream": "stdout", "time": "2026-03-01T12:00:00.000000001Z"}).encode() + b"\n"


def test_docker_lines_that_are_none_are_kept_and_long_ones_are_cut(logboom):
    daemon = logboom(OUT % f"type: docker, include: ['{{dir}}/log/*/*-json.log'], max_line: {LIMIT}B")
    log = daemon.dir / "log" / DOCKER_ID / f"{DOCKER_ID}-json.log"
    log.parent.mkdir(parents=True)
    (log.parent / "config.v2.json").write_bytes(b'{"ID": [' + GARBAGE[0])
    parts = b"".join(docker_line("p" * 1000) for _ in range(20)) + docker_line("end\n")
    log.write_bytes(docker_line("first\n") + b"".join(g + b"\n" for g in GARBAGE) + b'{"stream":"stdout"}\n{"log":7}\n' +
                    parts + docker_line("the last\n"))
    daemon.start().ready()
    rows = wait_for_last(daemon, "the last")
    assert rows[0]["message"] == "first"
    assert sum("parse_error" in r for r in rows) >= len(GARBAGE), "what is no line of Docker is kept, with the reason"
    (cut,) = [r for r in rows if r["message"].startswith("pppp")]
    assert len(cut["message"]) <= LIMIT and cut["truncated"] is True


def cri_line(tag, text):
    return f"2026-03-01T10:00:00.000000000Z stdout {tag} {text}\n".encode()


def test_cri_lines_that_are_none_are_kept_long_ones_cut_and_a_part_without_an_end_comes(logboom):
    daemon = logboom(OUT % f"type: cri, include: ['{{dir}}/pods/*/*/*.log'], max_line: {LIMIT}B")
    log = daemon.dir / "pods" / "shop_cart_1b2c" / "api" / "0.log"
    log.parent.mkdir(parents=True)
    parts = b"".join(cri_line("P", "p" * 1000) for _ in range(20)) + cri_line("F", "end")
    log.write_bytes(cri_line("F", "first") + b"".join(g + b"\n" for g in GARBAGE) + parts + cri_line("F", "the last") +
                    cri_line("P", "no end"))
    daemon.start().ready()
    rows = wait_for_last(daemon, "no end")
    assert rows[0]["message"] == "first" and "the last" in [r["message"] for r in rows]
    assert sum("parse_error" in r for r in rows) >= len(GARBAGE)
    (cut,) = [r for r in rows if r["message"].startswith("pppp")]
    assert len(cut["message"]) <= LIMIT and cut["truncated"] is True


# --- sockets ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["udp", "unixgram"])
def test_datagrams_of_garbage_are_records_and_long_ones_are_cut(logboom, scheme, tmp_path_factory):
    short = tmp_path_factory.mktemp("s")
    port = free_port(socket.SOCK_DGRAM)
    where = ("127.0.0.1", port) if scheme == "udp" else str(short / "log")
    listen = f"udp://127.0.0.1:{port}" if scheme == "udp" else f"unixgram://{where}"
    daemon = logboom(OUT % f"type: syslog, listen: ['{listen}'], max_line: {LIMIT}B").start().ready()
    with socket.socket(socket.AF_INET if scheme == "udp" else socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        for data in (*GARBAGE, b"", b"<", b"<999>x", b"<13>", b"<13>1 - - - - - [x", b"<13>long " + b"l" * 20000, b"<13>app: the last"):
            s.sendto(data, where)
    rows = wait_for_last(daemon, "the last")
    (cut,) = [r for r in rows if "llll" in r["message"]]
    assert len(cut["message"]) <= LIMIT and cut["truncated"] is True
    assert len(rows) >= len(GARBAGE) + 2 and daemon.process.poll() is None


def test_relp_peers_that_stand_still_in_a_frame_hold_up_nobody_and_too_many_are_refused(logboom):
    port = free_port()
    daemon = logboom(OUT % f"type: relp, listen: ['tcp://127.0.0.1:{port}'], max_connections: 8, idle_timeout: 3s").start().ready()
    stalled = []
    for piece in (b"1", b"1 open 99", b"1 open 20 relp_", b"1 syslog 999999 half of it", b"", b"1 open 0\n2 sys"):
        s = socket.create_connection(("127.0.0.1", port), timeout=30)
        s.sendall(piece)
        stalled.append(s)
    with daemon.standing_still():
        well = socket.create_connection(("127.0.0.1", port), timeout=30)
        well.sendall(b"1 open 14 relp_version=0\n2 syslog 18 <13>app: got along\n")
    with well:
        wait_for_last(daemon, "got along")
    # All that stood still are let go; then there is room again, however many came.
    for s in stalled:
        try:
            while s.recv(4096):
                pass
        except ConnectionResetError:
            pass
        s.close()
    many = [socket.create_connection(("127.0.0.1", port), timeout=30) for _ in range(20)]
    wait_for(lambda: re.search(r"max_connections|too many connections", daemon.log()), 30, "a word about the limit")
    for s in many:
        s.close()

    def again():
        with socket.create_connection(("127.0.0.1", port), timeout=30) as s:
            try:
                s.sendall(b"1 open 14 relp_version=0\n2 syslog 17 <13>app: after it\n")
                s.settimeout(2)
                return b"rsp" in s.recv(4096)
            except OSError:
                return False

    wait_for(again, 30, "a connection that is served")
    wait_for_last(daemon, "after it")


# --- the journal ---------------------------------------------------------------------------------------

REMOTE = "/lib/systemd/systemd-journal-remote"
JOURNALD = "/lib/systemd/systemd-journald"


@pytest.mark.skipif(not os.path.exists(REMOTE), reason="systemd-journal-remote is missing; tests/deps.sh")
def test_a_journal_of_garbage_beside_a_good_one_and_a_message_that_is_too_long(logboom):
    daemon = logboom(OUT % f"type: journald, path: '{{dir}}/journal', max_line: {LIMIT}B")
    (daemon.dir / "journal").mkdir()
    entries = "".join(f"__REALTIME_TIMESTAMP={1_800_000_000_000_000 + i}\n__MONOTONIC_TIMESTAMP={i + 1}\n_BOOT_ID={'01' * 16}\n"
                      f"MESSAGE={message}\n\n" for i, message in enumerate(["first", "l" * 20000, "the last"]))
    subprocess.run([REMOTE, "-o", str(daemon.dir / "journal" / "good.journal"), "-"], input=entries.encode(), check=True,
                   capture_output=True)
    good = (daemon.dir / "journal" / "good.journal").read_bytes()
    (daemon.dir / "journal" / "noise.journal").write_bytes(os.urandom(100_000))
    (daemon.dir / "journal" / "empty.journal").write_bytes(b"")
    (daemon.dir / "journal" / "half.journal").write_bytes(good[:len(good) // 2])
    daemon.start().ready()
    rows = wait_for_last(daemon, "the last")
    assert [r["message"] for r in rows if not r["message"].startswith("l")] == ["first", "the last"]
    (cut,) = [r for r in rows if r["message"].startswith("l")]
    assert len(cut["message"]) <= LIMIT and cut["truncated"] is True


@pytest.fixture
def real_journal(tmp_path):
    """systemd's own journald with a /run of its own. It is none of this machine's: it ends with the test."""
    if not os.path.exists(JOURNALD) or not os.path.exists("/etc/machine-id"):
        pytest.skip("systemd-journald or the id of this machine is missing")
    run = tmp_path / "run"
    (run / "systemd" / "journal").mkdir(parents=True)
    (run / "log" / "journal").mkdir(parents=True)
    process = subprocess.Popen(["unshare", *([] if os.getuid() == 0 else ["-Ur"]), "-m", "sh", "-c", f"mount --bind '{run}' /run && "
                                "{ [ ! -d /var/log/journal ] || mount --bind /run/log/journal /var/log/journal; } && "
                                f"exec {JOURNALD} lbtest"],
                               stderr=subprocess.PIPE, text=True)
    socket_path = run / "systemd" / "journal.lbtest" / "socket"
    try:
        wait_for(lambda: process.poll() is not None or socket_path.exists(), 20, "journald")
        if process.poll() is not None:
            pytest.skip(f"journald cannot run here: {process.stderr.read().strip()}")
        yield run
    finally:
        process.terminate()
        process.wait(20)


def test_the_real_journald_is_followed_with_what_it_knows_of_the_sender(logboom, real_journal):
    native = real_journal / "systemd" / "journal.lbtest" / "socket"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.sendto(b"MESSAGE=so that there is a journal\n", str(native))
    (path,) = wait_for(lambda: list((real_journal / "log" / "journal").glob("*.lbtest")), 20, "a journal")
    daemon = logboom(OUT % f"type: journald, path: '{path}'").start().ready()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        for data in (b"MESSAGE=by the native protocol\nPRIORITY=3\nSYSLOG_IDENTIFIER=tester\nREQUEST_ID=r-1\n", *GARBAGE,
                     b"MESSAGE\n" + (10).to_bytes(8, "little") + b"two\nlines!\n"):
            s.sendto(data, str(native))
    if shutil.which("logger"):
        subprocess.run(["logger", "-u", str(real_journal / "systemd" / "journal.lbtest" / "dev-log"), "-t", "cron",
                        "-p", "user.warning", "by logger"], check=True)
        wait_for_last(daemon, "by logger")
    rows = {r["message"]: r for r in wait_for_last(daemon, "two\nlines!")}
    first = rows["by the native protocol"]
    assert first["level"] == "error" and first["service"] == "tester" and first["request_id"] == "r-1"
    assert first["pid"] == os.getpid() and first["host"] == socket.gethostname()
    for i in range(500):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
            s.sendto(b"MESSAGE=line %d\n" % i, str(native))
    wait_for(lambda: [m for m in messages(daemon) if m.startswith("line ")] == [f"line {i}" for i in range(500)], 30, "all lines")
    assert daemon.stop() == 0, daemon.log()
