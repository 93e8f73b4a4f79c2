"""Archives as a user meets them: names, rotation, retention, reading while they are written."""
import json
import os
import subprocess

from harness import Logboom, archive_records, wait_for, zstd_text

CONFIG = """
commit_every: 50ms
sources:
  in: {{type: file, include: ['{dir}/in.log']}}
routes:
  - {{to: archive}}
sinks:
  archive: {{type: archive, path: '{dir}/archive/{{service}}/%Y-%m-%d.jsonl.zst', flush: 50ms, {options}}}
"""


def line(seq, service="web", padding=""):
    return json.dumps({"time": "2026-03-01T00:00:00Z", "level": "info", "service": service, "msg": "m", "seq": seq,
                       "padding": padding}) + "\n"


def config(tmp_path, options):
    return CONFIG.format(dir=tmp_path, options=options)


def write_lines(tmp_path, numbers, **more):
    with open(tmp_path / "in.log", "a") as out:
        out.writelines(line(i, **more) for i in numbers)


def test_a_file_is_followed_by_numbered_ones_and_each_is_whole(tmp_path):
    with open(tmp_path / "in.log", "w") as out:
        out.writelines(line(i, padding=os.urandom(100).hex()) for i in range(20000))
    run = Logboom(tmp_path, config(tmp_path, "rotate: {size: 100KiB}"))
    assert run.start("--exit-at-eof").wait(60) == 0, run.log()
    files = list((tmp_path / "archive").rglob("*.zst"))
    assert len(files) >= 5
    for path in files:
        subprocess.run(["zstd", "-tq", path], check=True)
    assert [r["seq"] for r in archive_records(tmp_path / "archive")] == list(range(20000))


def test_a_live_archive_can_be_read_at_any_time(tmp_path):
    write_lines(tmp_path, range(10))
    daemon = Logboom(tmp_path, config(tmp_path, "format: json")).start().ready()
    seen = 0
    for start in range(10, 2000, 100):
        write_lines(tmp_path, range(start, start + 100))

        def read():
            return [r["seq"] for r in archive_records(tmp_path / "archive")]
        wait_for(lambda: len(read()) == start + 100, 20, f"{start + 100} records")
        assert read() == list(range(start + 100))
        seen = start + 100
    daemon.process.terminate()
    assert daemon.wait(30) == 0
    assert len(archive_records(tmp_path / "archive")) == seen


def test_the_next_run_goes_on_in_the_same_file(tmp_path):
    for run in range(3):
        write_lines(tmp_path, range(run * 100, run * 100 + 100))
        daemon = Logboom(tmp_path, config(tmp_path, "format: json"))
        assert daemon.start("--exit-at-eof").wait(30) == 0, daemon.log()
    files = list((tmp_path / "archive").rglob("*.zst"))
    assert len(files) == 1
    assert len(zstd_text(files[0]).splitlines()) == 300


def test_old_files_are_deleted_and_others_stay(tmp_path):
    old = tmp_path / "archive/web/2024-01-01.jsonl.zst"
    other = tmp_path / "archive/web/2024-01-01.jsonl.zst.backup"
    for path in (old, other):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
        os.utime(path, (1704067200, 1704067200))
    write_lines(tmp_path, range(10))
    daemon = Logboom(tmp_path, config(tmp_path, "keep: {age: 30d, at_least: 7d}"))
    assert daemon.start("--exit-at-eof").wait(30) == 0, daemon.log()
    assert not old.exists() and other.exists()
    assert len(archive_records(tmp_path / "archive")) == 10


def test_path_tricks_stay_below_the_directory(tmp_path):
    with open(tmp_path / "in.log", "w") as out:
        out.writelines(line(i, service=s) for i, s in enumerate(["../../../tmp/x", "/etc/passwd", ".hidden", "a\0b", "",
                                                                  "x" * 500, ".."]))
    daemon = Logboom(tmp_path, config(tmp_path, "format: json"))
    assert daemon.start("--exit-at-eof").wait(30) == 0, daemon.log()
    assert len(archive_records(tmp_path / "archive")) == 7
    assert sorted(p.name for p in tmp_path.iterdir() if p.is_dir()) == ["archive", "data"]
