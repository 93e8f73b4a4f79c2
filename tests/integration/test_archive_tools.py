"""cat, hist, tail, verify, repair and recover, beside the tools that people have: zstdcat, rg -z, bsdcat, lnav."""
import gzip
import hashlib
import json
import os
import pathlib
import shutil
import signal
import struct
import subprocess

import pytest
from harness import BIN, ROOT, wait_for

LEVELS = ["info", "error", "warn", "debug"]
LINES = 200


def record(seq, service="shop"):
    return json.dumps({"timestamp": "2026-01-31T%02d:%02d:%02dZ" % (12 + seq // 3600, seq // 60 % 60, seq % 60),
                       "level": LEVELS[seq % 4], "service": service, "message": f"message {seq}",
                       "trace": hashlib.sha256(str(seq).encode()).hexdigest()}, separators=(",", ":")) + "\n"


def frame(text):
    data = text.encode()
    return subprocess.run(["zstd", "-qc", f"--stream-size={len(data)}"], input=data, stdout=subprocess.PIPE,
                          check=True).stdout


def texts(blocks=5, service="shop"):
    return ["".join(record(b * LINES + i, service) for i in range(LINES)) for b in range(blocks)]


def sealed(pieces):
    """Independent frames and the seek table behind them."""
    frames = [frame(piece) for piece in pieces]
    entries = b"".join(struct.pack("<II", len(f), len(p.encode())) for f, p in zip(frames, pieces))
    table = entries + struct.pack("<IBI", len(frames), 0, 0x8F92EAB1)
    return b"".join(frames) + struct.pack("<II", 0x184D2A5E, len(table)) + table, [len(f) for f in frames]


class Archive:
    """A root directory with sealed files and a manifest."""

    def __init__(self, root):
        self.root = root
        self.lines = []
        self.frames = {}

    def seal(self, name, pieces):
        data, frames = sealed(pieces)
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        self.frames[name] = frames
        self.note(event="sealed", path=name, bytes=len(data), lines=sum(p.count("\n") for p in pieces),
                  sha256=hashlib.sha256(data).hexdigest())
        return path

    def delete(self, name):
        (self.root / name).unlink()
        self.note(event="deleted", path=name)

    def note(self, **entry):
        prev = hashlib.sha256(self.lines[-1].encode()).hexdigest() if self.lines else ""
        self.lines.append(json.dumps({"time": "2026-02-01T00:00:00Z", **entry, "prev": prev}))
        self.write()

    def write(self, lines=None):
        (self.root / "MANIFEST.jsonl").write_text("".join(line + "\n" for line in lines or self.lines))


@pytest.fixture
def archive(tmp_path):
    made = Archive(tmp_path / "archive")
    made.seal("shop/2026-01-31.jsonl.zst", texts())
    made.seal("web/2026-01-31.jsonl.zst", texts(3, "web"))
    made.seal("web/2026-01-30.jsonl.zst", texts(1, "web"))
    return made


def run(*args, rc=0, stdin=None):
    done = subprocess.run([BIN, *map(str, args)], capture_output=True, input=stdin)
    assert done.returncode == rc, (args, done.returncode, done.stdout[-500:], done.stderr)
    return done.stdout.decode(), done.stderr.decode()


def flip(path, at):
    data = bytearray(path.read_bytes())
    data[at] ^= 0x40
    path.write_bytes(data)


def verify(archive, *options, rc=1):
    out = run("verify", "--json", *options, archive.root, rc=rc)[0]
    return [(p["problem"], pathlib.Path(p["path"]).name) for p in map(json.loads, out.splitlines()) if "problem" in p]


def test_every_command_explains_itself():
    for command in ["cat", "hist", "tail", "verify", "repair", "recover", "index"]:
        out = run(command, "--help")[0]
        assert out.startswith(f"logboom {command} ") and max(map(len, out.splitlines())) <= 110
        assert run(command, "--nonsense", rc=2)[1].startswith("logboom: ")
        assert f"  {command} " in run("--help")[0]


def test_cat_prints_what_zstdcat_does_from_any_kind_of_file(archive, tmp_path):
    path = archive.root / "shop/2026-01-31.jsonl.zst"
    text = "".join(texts())
    assert run("cat", path)[0] == text
    assert run("cat", archive.root / "shop", rc=0)[0] == text
    assert run("cat", "-", stdin=path.read_bytes())[0] == text
    assert run("cat", stdin=gzip.compress(text.encode()))[0] == text
    (tmp_path / "plain.log").write_text(text + "no newline")
    assert run("cat", tmp_path / "plain.log")[0] == text + "no newline\n"
    assert "No such file" in run("cat", path, tmp_path / "missing", rc=2)[1]


def test_cat_converts_and_selects(archive):
    out = run("cat", "--format", "json", archive.root / "shop")[0]
    assert out == "".join(texts())
    out = run("cat", "--format", "text", "--level", "warn", "--since", "2026-01-31T12:00:02Z", "--until",
              "2026-01-31T12:00:07Z", archive.root)[0]
    assert [line.split()[1] for line in out.splitlines()] == ["WARN", "ERROR", "WARN"] + ["WARN", "ERROR", "WARN"] * 2
    out = run("cat", "--format=raw", "--service", "web", "--where", 'message endswith " 399"', archive.root)[0]
    assert out == "message 399\n"
    assert "no level" in run("cat", "--level", "loud", archive.root, rc=2)[1]
    assert "--where" in run("cat", "--where", "level ==", archive.root, rc=2)[1]
    assert "no time" in run("cat", "--since", "soon", archive.root, rc=2)[1]
    assert "\x1b[31merror\x1b[0m" in run("cat", "--color", archive.root)[0]


def test_a_flipped_byte_costs_one_block_and_repair_makes_ordinary_tools_read_the_rest(archive, tmp_path):
    name = "shop/2026-01-31.jsonl.zst"
    path = archive.root / name
    at = sum(archive.frames[name][:2])
    flip(path, at + 700)
    pieces = texts()
    rest = "".join(pieces[:2] + pieces[3:])

    out, err = run("cat", path, rc=2)
    assert out == rest
    assert f"{path}: block at byte {at}" in err

    assert subprocess.run(["zstdcat", path], capture_output=True).returncode != 0
    assert ("changed", path.name) in verify(archive) and ("block", path.name) in verify(archive)
    assert f"block at byte {at}, {archive.frames[name][2]} bytes, is damaged" in run("verify", path, rc=1)[0]

    before = path.read_bytes()
    assert "would be lost" in run("repair", "--dry-run", path, rc=1)[0]
    assert path.read_bytes() == before
    assert f"{path}: 1 block, {archive.frames[name][2]} bytes" in run("repair", path)[0]
    after = path.read_bytes()
    assert [i for i in range(len(before)) if before[i] != after[i]][-1] < at + 8
    assert subprocess.run(["zstd", "-tq", path]).returncode == 0
    assert subprocess.run(["zstdcat", path], capture_output=True, check=True).stdout.decode() == rest
    if shutil.which("bsdcat"):
        assert subprocess.run(["bsdcat", path], capture_output=True, check=True).stdout.decode() == rest
    if shutil.which("rg"):
        second = tmp_path / "second.zst"
        second.write_bytes(frame("message elsewhere\n"))
        found = subprocess.run(["rg", "-zc", "message", path, second], capture_output=True).stdout.decode()
        assert sorted(line.rsplit(":", 1)[1] for line in found.splitlines()) == ["1", str(4 * LINES)]
    assert "nothing to repair" in run("repair", path)[0]


def test_verify_finds_whatever_is_gone_or_changed(archive):
    path = archive.root / "web/2026-01-31.jsonl.zst"
    whole = path.read_bytes()
    lines = list(archive.lines)
    manifest = ("manifest", "MANIFEST.jsonl")
    for depth in [[], ["--quick"], ["--deep"]]:
        assert verify(archive, *depth, rc=0) == []

    path.write_bytes(whole[:-50])
    assert ("size", path.name) in verify(archive, "--quick")
    path.write_bytes(whole)
    flip(path, len(whole) - 12)  # in the seek table: no block is hurt
    assert verify(archive, "--quick", rc=0) == []
    assert ("changed", path.name) in verify(archive)
    path.unlink()
    assert verify(archive, "--quick") == [("missing", path.name)]
    path.write_bytes(whole)
    extra = archive.root / "web/2026-01-29.jsonl.zst"
    extra.write_bytes(whole)
    assert verify(archive) == [("extra", extra.name)]
    extra.unlink()

    archive.write(lines[:1] + lines[2:])
    assert manifest in verify(archive) and ("extra", path.name) in verify(archive)
    archive.write(lines[1:])
    assert manifest in verify(archive)
    archive.write(lines[:-1])
    assert verify(archive) == [("extra", "2026-01-30.jsonl.zst")]
    archive.write([lines[0].replace('"sealed"', '"deleted"')] + lines[1:])
    assert manifest in verify(archive)
    archive.write(["{" + lines[0]] + lines[1:])
    assert manifest in verify(archive)


def test_what_expired_was_not_tampered_with(archive):
    archive.delete("web/2026-01-30.jsonl.zst")
    assert verify(archive, rc=0) == []
    archive.seal("web/2026-01-30.jsonl.zst", texts(2, "web"))
    assert verify(archive, "--deep", rc=0) == []


def test_what_is_sealed_or_expires_while_verify_runs_was_not_tampered_with(archive):
    live = archive.root / "shop/2026-02-01.jsonl.zst"
    live.write_bytes(frame(texts(1)[0]))
    # By the time that it reads standard input it knows the files and the manifest.
    verifying = subprocess.Popen([BIN, "verify", "-", archive.root], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE)
    verifying.stdin.write(b"a line\n" * 200000)
    archive.delete("web/2026-01-30.jsonl.zst")
    archive.seal("shop/2026-02-01.jsonl.zst", texts(1))
    out, err = verifying.communicate()
    assert (verifying.returncode, err) == (0, b""), out


def test_recover_cuts_a_torn_tail_and_refuses_a_file_in_use(tmp_path):
    pieces = texts(3)
    frames = [frame(piece) for piece in pieces]
    path = tmp_path / "live.jsonl.zst"
    for torn in [1, 7, 20, len(frames[2]) - 1]:
        path.write_bytes(frames[0] + frames[1] + frames[2][:torn])
        assert run("verify", path, rc=1)[0]
        assert f"{torn} bytes" in run("recover", path)[0]
        assert path.read_bytes() == frames[0] + frames[1]
    path.write_bytes(frames[0] + frames[1][:-5])
    with open(path, "rb"):
        assert "has it open" in run("recover", path, rc=2)[1]
    damaged = bytearray(frames[0] + frames[1])
    damaged[len(frames[0]) // 2] ^= 1
    path.write_bytes(damaged)
    run("recover", path)
    assert path.read_bytes() == bytes(damaged)


def test_hist_counts_every_record_once(archive):
    rows = [json.loads(line) for line in run("hist", "--json", "--every", "1m", archive.root)[0].splitlines()]
    assert sum(row["count"] for row in rows) == 9 * LINES
    assert rows[0] == {"timestamp": "2026-01-31T12:00:00Z", "seconds": 60, "count": 180,
                       "levels": {level: 45 for level in ["error", "warn", "info", "debug"]}}
    rows = [json.loads(line) for line in run("hist", "--json", "--by", "service", archive.root)[0].splitlines()]
    assert sum(row["services"].get("web", 0) for row in rows) == 4 * LINES
    table = run("hist", "--where", "service == web and level == error", archive.root)[0].splitlines()
    assert table[0] == "timestamp\tcount\terror" and sum(int(row.split("\t")[1]) for row in table[1:]) == LINES
    assert run("hist", "--since", "2030-01-01", archive.root, rc=1)[0].count("\n") == 1
    flip(archive.root / "shop/2026-01-31.jsonl.zst", 700)
    out, err = run("hist", archive.root, rc=2)
    assert sum(int(row.split("\t")[1]) for row in out.splitlines()[1:]) == 8 * LINES and "block at byte 0" in err


def test_tail_prints_the_last_records_of_all_files_by_time(archive):
    out = run("tail", "-n", "3", "--format", "raw", "--dir", archive.root, "shop")[0]
    assert out.splitlines() == [f"message {i}" for i in range(5 * LINES - 3, 5 * LINES)]
    out = run("tail", "-n", "500", "--format", "as-is", "--dir", archive.root)[0].splitlines()
    times = [json.loads(line.split(" | ", 1)[1])["timestamp"] for line in out]
    assert len(out) == 500 and times == sorted(times)
    out = run("tail", "-n", "2", "--level", "error", "--format", "raw", "--dir", archive.root, "web")[0]
    assert out.splitlines() == [f"message {i}" for i in (593, 597)]


CONFIG = """
commit_every: 50ms
sources:
  in: {type: file, include: ['{dir}/in.log']}
routes:
  - {to: archive}
sinks:
  archive: {type: archive, path: '{dir}/archive/{service}/%Y-%m-%d.jsonl.zst', flush: 50ms, rotate: {size: 4KiB}}
"""


def test_tail_follows_live_files_over_rotation_and_new_services(logboom, tmp_path):
    daemon = logboom(CONFIG)
    log = daemon.dir / "in.log"

    def write(numbers, service):
        with open(log, "a") as out:
            out.writelines(json.dumps({"service": service, "message": f"n{i}", "x": os.urandom(20).hex()}) + "\n"
                           for i in numbers)

    write(range(100), "shop")
    daemon.start().ready()
    wait_for(lambda: list((daemon.dir / "archive").rglob("*.zst")), 20, "an archive")
    out = tmp_path / "out"
    with open(out, "wb") as file:
        tail = subprocess.Popen([BIN, "tail", "-n", "0", "-f", "--format", "raw", "-c", daemon.config, "shop", "web"],
                                stdout=file)
    try:
        # Whether tail has begun is seen by a first record that it prints.
        probe = iter(range(10**6))

        def begun():
            write([f"probe{next(probe)}"], "shop")
            return b"nprobe" in out.read_bytes()
        wait_for(begun, 30, "a followed record")
        for start in range(1000, 1500, 50):
            write(range(start, start + 50), "shop")
            write(range(start, start + 50), "web")
            wait_for(lambda: out.read_text().count(f" n{start + 49}\n") == 2, 30, f"record {start + 49}")
        for service in ["shop", "web"]:
            seen = [line.split(" | n")[1] for line in out.read_text().splitlines() if line.startswith(service)]
            assert [s for s in seen if "probe" not in s] == [str(i) for i in range(1000, 1500)]
        assert len(list((daemon.dir / "archive/shop").glob("*.zst"))) > 2
        tail.send_signal(signal.SIGINT)
        assert tail.wait(20) == 0
    finally:
        tail.kill()


def test_lnav_reads_archives_by_the_installed_format(archive, tmp_path):
    if not shutil.which("lnav"):
        pytest.skip("lnav is not installed")
    home = tmp_path / "home"
    formats = home / ".lnav/formats/installed"
    formats.mkdir(parents=True)
    shutil.copy(ROOT / "conf/dist/lnav/logboom.json", formats)
    env = {**os.environ, "HOME": str(home), "TMPDIR": str(tmp_path)}
    done = subprocess.run(["lnav", "-n", "-c", ";SELECT log_level, count(*) AS n FROM logboom GROUP BY log_level",
                           "-c", ":write-json-to -", archive.root / "shop/2026-01-31.jsonl.zst"],
                          capture_output=True, env=env, cwd=tmp_path)
    rows = {row["log_level"]: row["n"] for row in json.loads(done.stdout)}
    assert rows == {"info": 250, "error": 250, "warning": 250, "debug": 250}, done.stderr
