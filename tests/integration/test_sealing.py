"""Archives after they are full: sealed, told in the manifest, kept or deleted; over kill -9 and full disks."""
import collections
import hashlib
import json
import os
import pathlib
import random
import shutil
import subprocess
import threading
import time

import pytest

from harness import BIN, archive_order, archive_records, wait_for, zstd_text

SEED = int(os.environ.get("LB_SEED", "1"))
KILLS = int(os.environ.get("LB_SEAL_KILLS", "20"))
ZEROS = "0" * 64

CONFIG = """
data_dir: {dir}/data
commit_every: 50ms
sources:
  in: {{type: file, include: ['{dir}/in.log']}}
routes:
  - {{to: archive}}
sinks:
  archive: {{type: archive, path: '{root}/{{service}}/%Y-%m-%d.jsonl.zst', flush: 50ms, {options}}}
"""


def config(directory, options, root=None):
    return CONFIG.format(dir=directory, root=root or directory / "archive", options=options)


def line(seq, services=("web", "auth", "db")):
    """A line that hardly compresses, so that files get full."""
    rng = random.Random(seq)
    return json.dumps({"time": "2026-03-01T00:00:%02dZ" % (seq % 60), "level": "info", "msg": "id=%032x" % rng.getrandbits(128),
                       "service": services[seq % len(services)], "seq": seq}) + "\n"


def write_lines(directory, numbers, **more):
    directory.mkdir(parents=True, exist_ok=True)
    with open(directory / "in.log", "a") as out:
        out.writelines(line(i, **more) for i in numbers)


def archives(root):
    return sorted(pathlib.Path(root).rglob("*.zst"), key=archive_order)


def hidden(root):
    return [p for p in pathlib.Path(root).rglob(".logboom-*")]


def is_sealed(path):
    with open(path, "rb") as file:
        file.seek(-4, os.SEEK_END)
        return file.read() == b"\xb1\xea\x92\x8f"


def read_manifest(root):
    """Checks the chain on its own and returns the lines."""
    prev, lines = ZEROS, []
    for raw in (pathlib.Path(root) / "MANIFEST.jsonl").read_bytes().split(b"\n")[:-1]:
        entry = json.loads(raw)
        assert entry["prev"] == prev, f"line {len(lines) + 1} does not follow the one before it"
        prev = hashlib.sha256(raw).hexdigest()
        lines.append(entry)
    return lines


def check_manifest(root):
    """Each sealed file is as its last line says, and no other is told as sealed."""
    last = {entry["path"]: entry for entry in read_manifest(root)}
    sealed = {str(p.relative_to(root)): p for p in archives(root) if is_sealed(p)}
    assert {path for path, entry in last.items() if entry["event"] == "sealed"} == set(sealed)
    for path, file in sealed.items():
        data = file.read_bytes()
        assert last[path]["bytes"] == len(data) and last[path]["sha256"] == hashlib.sha256(data).hexdigest()
        assert last[path]["lines"] == zstd_text(file).count(b"\n")
    return last


def check_once(root, expected):
    counts = collections.Counter(r["seq"] for r in archive_records(root))
    lost = [i for i in range(expected) if counts[i] == 0]
    doubled = [i for i, n in counts.items() if n > 1]
    assert not lost and not doubled, f"{len(lost)} lost {lost[:5]}, {len(doubled)} doubled {doubled[:5]}"
    assert len(counts) == expected


def verify(root, *args):
    run = subprocess.run([BIN, "verify", *args, str(root)], capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


def all_sealed(daemon, root):
    """True when nothing waits and only the newest file of each service is not sealed."""
    services = {p.parent for p in archives(root)}
    return (daemon.metric("logboom_seal_queue_files") == 0 and
            sum(not is_sealed(p) for p in archives(root)) <= len(services))


def test_full_files_are_sealed_under_their_names_and_every_tool_reads_them(tmp_path, logboom):
    write_lines(tmp_path / "lb", range(30000))
    daemon = logboom(config(tmp_path / "lb", "rotate: {size: 64KiB}, buffer: 128KiB")).start().ready()
    root = tmp_path / "lb/archive"
    wait_for(lambda: daemon.metric("logboom_sink_records_total") == 30000, 30, "all records")
    wait_for(lambda: len(archives(root)) >= 6 and all_sealed(daemon, root), 60, "all full files sealed")
    sealed = sum(map(is_sealed, archives(root)))
    assert sealed >= 3
    wait_for(lambda: daemon.metric("logboom_sealed_files_total") == sealed, 30, "each seal is counted")
    assert daemon.metric("logboom_sealed_bytes_total") > 0 and daemon.metric("logboom_seal_errors_total") == 0
    assert daemon.stop() == 0
    check_once(root, 30000)
    check_manifest(root)
    verify(root)
    verify(root, "--deep")
    for path in archives(root):
        mode = path.stat().st_mode & 0o7777
        assert mode == 0o440 if is_sealed(path) else mode & ~0o640 == 0
        subprocess.run(["zstd", "-tq", path], check=True)
    text = subprocess.run([BIN, "cat", str(root)], capture_output=True).stdout
    assert text.count(b"\n") == 30000
    if shutil.which("rg"):
        found = subprocess.run(["rg", "-z", "-c", "--no-filename", "seq", str(root)], capture_output=True, text=True)
        assert sum(map(int, found.stdout.split())) == 30000


def test_nothing_is_sealed_in_a_run_to_the_end_and_the_next_one_catches_up(tmp_path, logboom):
    write_lines(tmp_path / "lb", range(20000))
    daemon = logboom(config(tmp_path / "lb", "rotate: {size: 64KiB}, buffer: 128KiB"))
    root = tmp_path / "lb/archive"
    assert daemon.start("--exit-at-eof").wait(60) == 0, daemon.log()
    assert len(archives(root)) >= 6 and not any(map(is_sealed, archives(root)))
    daemon.start().ready()
    wait_for(lambda: all_sealed(daemon, root), 60, "all full files sealed")
    assert daemon.stop() == 0
    check_once(root, 20000)
    check_manifest(root)


def watch(root, stop, faults):
    """Reads everything that can be seen, again and again. A restart takes back what was not committed, also while it is
    read: then the next read must do."""
    while not stop.is_set():
        for path in archives(root):
            try:
                zstd_text(path)
            except AssertionError as fault:
                faults.append(str(fault))


def test_every_line_once_over_kill_9_while_files_are_sealed(tmp_path, logboom):
    rng = random.Random(SEED)
    directory = tmp_path / "lb"
    root = directory / "archive"
    settings = config(directory, "rotate: {size: 64KiB}, buffer: 128KiB, compression: {level: 15}")
    write_lines(directory, range(10000))
    total, in_the_middle, faults, stop = 10000, 0, [], threading.Event()
    watcher = threading.Thread(target=watch, args=(root, stop, faults))
    watcher.start()
    try:
        for _ in range(KILLS):
            daemon = logboom(settings).start().ready()
            write_lines(directory, range(total, total + 3000))
            total += 3000
            # The moment is random on purpose: while it reads, or while it seals what is full.
            time.sleep(rng.uniform(0.0, 0.3))
            daemon.kill()
            in_the_middle += bool(hidden(root)) or not all(map(is_sealed, archives(root)[:-3]))
        daemon = logboom(settings).start().ready()
        wait_for(lambda: daemon.metric("logboom_sink_records_total") > 0 or len(archive_records(root)) == total, 60)
        wait_for(lambda: len(archive_records(root)) == total and all_sealed(daemon, root), 120, "all is sealed")
    finally:
        stop.set()
        watcher.join()
    assert daemon.stop() == 0
    assert not faults, faults[:3]
    assert in_the_middle >= KILLS // 4, f"only {in_the_middle} of {KILLS} kills came while something was to be sealed"
    assert not hidden(root)
    check_once(root, total)
    check_manifest(root)
    verify(root)


def test_quotas_holds_and_tombstones(tmp_path, logboom):
    directory = tmp_path / "lb"
    root = directory / "archive"
    (root / "auth").mkdir(parents=True)
    (root / "auth/hold").touch()
    write_lines(directory, range(40000))
    daemon = logboom(config(directory, "rotate: {size: 64KiB}, buffer: 128KiB, keep: {per_service: {count: 2}}")).start().ready()
    wait_for(lambda: daemon.metric("logboom_sink_records_total") == 40000, 30, "all records")
    wait_for(lambda: all_sealed(daemon, root), 60, "all full files sealed")
    assert daemon.stop() == 0
    # A start looks at what there is to delete before anything else is due.
    daemon.start().ready()
    wait_for(lambda: len(archives(root / "web")) == 2 and len(archives(root / "db")) == 2, 30, "two files of each")
    assert daemon.stop() == 0
    assert len(archives(root / "auth")) > 3
    last = check_manifest(root)
    deleted = [e for e in last.values() if e["event"] == "deleted"]
    assert deleted and all(e["reason"] == "service count" for e in deleted)
    assert all(not (root / e["path"]).exists() for e in deleted)
    verify(root)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 6 MiB, where this user may mount one."""
    where = tmp_path / "disk"
    where.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "none", where], capture_output=True).returncode != 0:
        pytest.skip("cannot mount a small tmpfs here: that needs root")
    yield where
    subprocess.run(["umount", "-l", where], check=True)


def fill(disk):
    with open(disk / "filler", "wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            pass


def test_a_full_disk_stalls_the_sink_which_says_so_and_goes_on_by_itself(tmp_path, logboom, small_disk):
    directory = tmp_path / "lb"
    write_lines(directory, range(3000))
    daemon = logboom(config(directory, "rotate: {size: 64KiB}, buffer: 128KiB", root=small_disk / "archive")).start().ready()
    wait_for(lambda: len(archive_records(small_disk)) == 3000, 30, "the first records")
    fill(small_disk)
    write_lines(directory, range(3000, 60000))
    wait_for(lambda: "No space left" in daemon.get("/health")[1], 30, "/health says what is wrong")
    assert daemon.get("/health")[0] == 503
    wait_for(lambda: daemon.metric("logboom_sink_blocked_seconds_total", sink="archive") > 0, 30, "blocked seconds")
    assert zstd_text(*archives(small_disk)).endswith(b"\n")
    (small_disk / "filler").unlink()
    wait_for(lambda: len(archive_records(small_disk)) == 60000, 60, "all records")
    wait_for(lambda: daemon.get("/health")[0] == 200, 30, "/health is fine again")
    assert daemon.stop() == 0
    check_once(small_disk, 60000)


def test_a_full_disk_makes_room_where_keep_allows_it(tmp_path, logboom, small_disk):
    """More than fits: with a limit on space the oldest files go, and the newest are there."""
    directory = tmp_path / "lb"
    root = small_disk / "archive"
    write_lines(directory, range(400000), services=("web",))
    options = "rotate: {size: 512KiB}, seal: false, keep: {size: 1GiB}"
    daemon = logboom(config(directory, options, root=root)).start().ready()
    wait_for(lambda: daemon.metric("logboom_sink_records_total") == 400000, 120, "all records")
    assert daemon.stop() == 0
    entries = read_manifest(root)
    assert entries and all(e["event"] == "deleted" and e["reason"] == "disk full" for e in entries)
    seqs = [r["seq"] for r in archive_records(root)]
    assert seqs == list(range(seqs[0], 400000))
    verify(root)


def test_300_services_with_16_open_files(tmp_path, logboom):
    directory = tmp_path / "lb"
    services = [f"service-{i}" for i in range(300)]
    write_lines(directory, range(60000), services=services)
    settings = config(directory, "max_open: 16").replace("commit_every: 50ms", "commit_every: 1s")
    daemon = logboom(settings).start().ready()
    wait_for(lambda: daemon.metric("logboom_sink_records_total") == 60000, 60, "all records")
    assert len(os.listdir(f"/proc/{daemon.process.pid}/fd")) < 100
    assert daemon.stop() == 0
    assert len(archives(directory / "archive")) == 300
    check_once(directory / "archive", 60000)


def test_readers_see_what_is_still_in_memory(tmp_path, logboom):
    directory = tmp_path / "lb"
    root = directory / "archive"
    settings = config(directory, "rotate: {}").replace("flush: 50ms", "flush: 1h").replace("50ms", "1h")
    write_lines(directory, range(100))
    daemon = logboom(settings).start().ready()

    def flushed():  # it waits for its sinks for 2 s, and says if that was too short
        return daemon.get("/api/v1/flush", "POST", b"") == (200, '{"flushed":true}\n')
    wait_for(lambda: flushed() and len(archive_records(root)) == 100, 30, "100 records")

    # The commands ask through the socket that the archive names.
    write_lines(directory, range(100, 103))

    def tail():
        run = subprocess.run([BIN, "tail", "-n", "200", "-c", str(daemon.config), "web"], capture_output=True, text=True)
        return run.stdout.count("\n")
    wait_for(lambda: tail() == 35, 30, "35 lines of web")
    assert daemon.stop() == 0
    check_once(root, 103)


def test_symbolic_links_among_the_services_are_not_followed(tmp_path, logboom):
    directory = tmp_path / "lb"
    root = directory / "archive"
    root.mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    (root / "web").symlink_to(tmp_path / "elsewhere")
    write_lines(directory, range(10))
    daemon = logboom(config(directory, "format: json")).start().ready()
    wait_for(lambda: daemon.get("/health")[0] == 503, 30, "/health says that something is in the way")
    (root / "web").unlink()
    wait_for(lambda: len(archive_records(root)) == 10, 30, "all records")
    assert daemon.stop() == 0
    assert not list((tmp_path / "elsewhere").iterdir())
