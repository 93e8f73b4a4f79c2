"""What a file source does besides following: names in patterns, compressed files, deleting, lines without an end."""
import collections
import gzip
import os
import random
import subprocess
import time

from harness import BIN, archive_records, wait_for
from machine import Records

ARCHIVE = """
commit_every: 50ms
sources:
  in: {type: file, include: ['{dir}/log/%s'], parse: none, add: [offset]%s}
routes:
  - {to: out}
sinks:
  out: {type: archive, path: '{dir}/out/%%Y.jsonl.zst', flush: 200ms}
"""


def tail(logboom, pattern, options=""):
    daemon = logboom(ARCHIVE % (pattern, options and ", " + options))
    (daemon.dir / "log").mkdir()
    return daemon


def messages(daemon):
    return [r["message"] for r in archive_records(daemon.dir / "out")]


def lines(name, count):
    return [f"{name} {i} {random.Random(i).random()}" for i in range(count)]


def packed(name, text):
    if name.endswith(".gz"):
        return gzip.compress(text)
    return subprocess.run(["zstd", "-qc"], input=text, capture_output=True, check=True).stdout


def pack(path, rows, end="\n"):
    """As two members or frames, for that is one text too."""
    half = len(rows) // 2
    first = "".join(r + "\n" for r in rows[:half]).encode()
    second = ("\n".join(rows[half:]) + end).encode()
    path.write_bytes(packed(path.name, first) + packed(path.name, second))


def test_a_part_of_the_path_is_the_service_and_another_a_field(logboom):
    daemon = logboom("""
commit_every: 50ms
sources:
  in: {type: file, include: ['{dir}/srv/{service}/log/{zone}-*.log'], parse: none}
routes: [{to: out}]
sinks:
  out: {type: file, path: '{dir}/out.jsonl', format: json}
""")
    for service, zone in (("auth", "eu"), ("pay.ments", "us")):
        directory = daemon.dir / "srv" / service / "log"
        directory.mkdir(parents=True)
        (directory / f"{zone}-1.log").write_text("one\n")
    daemon.start().ready()

    rows = Records(daemon.dir / "out.jsonl").all
    wait_for(lambda: len(rows()) == 2, what="both")
    assert {(r["service"], r["zone"]) for r in rows()} == {("auth", "eu"), ("pay.ments", "us")}
    late = daemon.dir / "srv" / "late" / "log"
    late.mkdir(parents=True)
    (late / "eu-1.log").write_text("two\n")
    wait_for(lambda: len(rows()) == 3, what="a directory that came later")
    assert rows()[-1]["service"] == "late"
    # Rotated out of the pattern while it was down: the rest has the same names.
    daemon.stop()
    with open(late / "eu-1.log", "a") as out:
        out.write("three\n")
    os.rename(late / "eu-1.log", late / "eu-1.log.1")
    daemon.start().ready()
    wait_for(lambda: len(rows()) == 4, what="the rest of the rotated file")
    assert (rows()[-1]["service"], rows()[-1]["zone"], rows()[-1]["message"]) == ("late", "eu", "three")


def check(daemon):
    return subprocess.run([BIN, "check", "-c", str(daemon.config)], capture_output=True, text=True)


def test_names_that_cannot_be_and_formats_that_cannot_be_read_are_refused(logboom):
    for pattern, options, word in (("{level}.log", "", "record's own level"),
                                   ("{a}/{a}.log", "", "is twice"),
                                   ("{service}.log", "service: x", "both name the service"),
                                   ("{a}.log", "fields: {a: x}", "is one of the `fields` too"),
                                   ("*.log.xz", "", "only .gz and .zst")):
        daemon = tail(logboom, pattern, options)
        run = check(daemon)
        assert run.returncode == 1 and word in run.stderr, run.stderr
        os.rmdir(daemon.dir / "log")


def test_compressed_files_are_read_once_and_only_where_the_pattern_says_so(logboom):
    for ending in ("gz", "zst"):
        daemon = tail(logboom, f"*.log.{ending}")
        rows = lines("a", 20000)
        pack(daemon.dir / "log" / f"a.log.{ending}", rows, end="")
        pack(daemon.dir / "log" / "other.log.bz2", rows)
        daemon.start().ready()
        wait_for(lambda: len(messages(daemon)) >= len(rows), what="all of a")
        late = lines("b", 1000)
        pack(daemon.dir / "log" / f"b.log.{ending}", late)
        wait_for(lambda: len(messages(daemon)) >= len(rows) + len(late), what="all of b")
        assert daemon.stop() == 0
        assert messages(daemon) == rows + late
        # Renamed by rotation, and more than once started: nothing of it comes again.
        os.rename(daemon.dir / "log" / f"a.log.{ending}", daemon.dir / "log" / f"a.1.log.{ending}")
        for _ in range(2):
            daemon.start("--exit-at-eof")
            assert daemon.wait() == 0
        assert messages(daemon) == rows + late
        for path in sorted((daemon.dir / "log").iterdir()) + [daemon.config]:
            path.unlink()
        subprocess.run(["rm", "-r", str(daemon.dir)], check=True)


def test_a_kill_in_the_middle_of_a_compressed_file_loses_and_doubles_nothing(logboom):
    for ending in ("gz", "zst"):
        daemon = tail(logboom, f"*.{ending}")
        rows = lines("a", 400000)
        pack(daemon.dir / "log" / f"a.{ending}", rows)
        # A sink that is away stops the reading in the middle, whatever the speed.
        config = daemon.config.read_text()
        away = "  away: {type: webhook, url: 'http://127.0.0.1:9/', when_full: block}\n"
        daemon.write_config(config.replace("to: out", "to: [out, away]") + away)
        for _ in range(3):
            daemon.start().ready()
            assert len(wait_for(lambda: messages(daemon), what="some lines")) < len(rows)
            daemon.kill()
        daemon.write_config(config)
        daemon.start("--exit-at-eof")
        assert daemon.wait() == 0, daemon.log()
        found = messages(daemon)
        assert found == rows, f"{len(found)} of {len(rows)}, {len(set(found))} different"
        subprocess.run(["rm", "-r", str(daemon.dir)], check=True)


def test_damaged_files_are_told_once_and_read_as_far_as_they_go(logboom):
    daemon = tail(logboom, "*.gz")
    rows = lines("a", 5000)
    whole = gzip.compress("".join(r + "\n" for r in rows).encode())
    (daemon.dir / "log" / "short.gz").write_bytes(whole[:len(whole) // 2])
    (daemon.dir / "log" / "garbage.gz").write_bytes(random.Random(1).randbytes(5000))
    (daemon.dir / "log" / "broken.gz").write_bytes(whole[:-200] + bytes(100) + whole[-100:])
    (daemon.dir / "log" / "well.gz").write_bytes(gzip.compress(b"well\n"))
    daemon.start().ready()
    wait_for(lambda: daemon.log().count("compressed file is damaged") == 3, 40, "three complaints")
    wait_for(lambda: "well" in messages(daemon), what="the one that is well")
    assert daemon.stop() == 0
    log = daemon.log()
    assert log.count("compressed file is damaged") == 3, log
    assert "it ends in the middle" in log and "incorrect header check" in log
    found = collections.Counter(messages(daemon))
    assert all(found[r] == 2 for r in rows[:1000]) and max(found.values()) == 2


def test_a_file_that_is_still_being_compressed_is_waited_for(logboom):
    daemon = tail(logboom, "*.gz")
    rows = lines("a", 5000)
    whole = gzip.compress("".join(r + "\n" for r in rows).encode())
    daemon.start().ready()
    with open(daemon.dir / "log" / "a.gz", "wb") as out:
        for at in range(0, len(whole), 20000):
            out.write(whole[at:at + 20000])
            out.flush()
            wait_for(lambda at=at: len(messages(daemon)) > 0 or at == 0, what="the first lines")
    wait_for(lambda: len(messages(daemon)) == len(rows), what="all lines")
    assert messages(daemon) == rows
    assert "damaged" not in daemon.log()


def test_a_file_is_deleted_when_everybody_has_it_and_nobody_writes_to_it(logboom):
    daemon = tail(logboom, "*", "after: delete, line_timeout: 1s")
    log = daemon.dir / "log"
    rows = lines("a", 3000)
    (log / "a.log").write_text("\n".join(rows) + "\n\n\n")
    (log / "rest.log").write_text("a rest")
    with open(log / "open.log", "w") as writer:
        writer.write("open 1\n")
        writer.flush()
        daemon.start().ready()
        wait_for(lambda: not (log / "a.log").exists() and not (log / "rest.log").exists(), 40, "both to be deleted")
        assert (log / "open.log").exists()
        writer.write("open 2\n")
        writer.flush()
        wait_for(lambda: "open 2" in messages(daemon), what="the line that was added")
        assert (log / "open.log").exists()
    wait_for(lambda: not (log / "open.log").exists(), 40, "the third to be deleted")
    assert sorted(messages(daemon)) == sorted(rows + ["a rest", "open 1", "open 2"])
    (log / "a.log").write_text("again\n")
    wait_for(lambda: "again" in messages(daemon), what="a new file of the same name")


def test_what_a_sink_does_not_have_is_not_deleted_over_restarts(logboom):
    daemon = logboom("""
commit_every: 50ms
sources:
  in: {type: file, include: ['{dir}/log/*'], parse: none, after: delete}
routes: [{to: [out, away]}]
sinks:
  out: {type: file, path: '{dir}/out.log', format: raw}
  away: {type: webhook, url: 'http://127.0.0.1:9/', when_full: block}
""")
    log = daemon.dir / "log"
    log.mkdir()
    (log / "a.log").write_text("one\ntwo\n")
    with gzip.open(log / "b.gz", "wb") as out:
        out.write(b"not asked for\n")
    for _ in range(2):
        daemon.start().ready()
        started = time.monotonic()
        wait_for(lambda: time.monotonic() > started + 5, what="time to do wrong")
        assert (log / "a.log").exists()
        daemon.process.kill()
        daemon.process.wait()
    daemon.write_config(daemon.config.read_text().replace("[out, away]", "[out]").split("  away:")[0])
    daemon.start().ready()
    wait_for(lambda: not (log / "a.log").exists(), 40, "to be deleted")
    assert (daemon.dir / "out.log").read_text() == "one\ntwo\n"
    assert (log / "b.gz").exists(), "not what the pattern covers"


def test_a_last_line_without_a_newline_ends_after_its_timeout(logboom):
    daemon = tail(logboom, "*.log", "line_timeout: 1s")
    (daemon.dir / "log" / "a.log").write_text("one\ntwo")
    daemon.start().ready()
    wait_for(lambda: messages(daemon) == ["one", "two"], what="the last line")
    with open(daemon.dir / "log" / "a.log", "a") as out:
        out.write("\nthree\n")
    wait_for(lambda: messages(daemon) == ["one", "two", "three"], what="no empty line in between")


def test_containers_of_dockers_local_driver_are_told(logboom):
    daemon = logboom("""
sources:
  in: {type: docker, include: ['{dir}/containers/*/*-json.log']}
routes: [{to: out}]
sinks:
  out: {type: file, path: '{dir}/out.log'}
""")
    for container, name in (("a", "a-json.log"), ("b", "local-logs/container.log"), ("c", "c-json.log")):
        path = daemon.dir / "containers" / container / name
        path.parent.mkdir(parents=True)
        path.write_text("")
    (daemon.dir / "containers/c/local-logs").mkdir()
    run = check(daemon)
    assert run.returncode == 0 and "log by Docker's driver `local`" in run.stderr and "(1, such as" in run.stderr, run.stderr
    assert f"{daemon.dir}/containers/b" in run.stderr
    daemon.start().ready()
    wait_for(lambda: "driver `local`" in daemon.log(), what="a word in the log")
    assert "containers=1" in daemon.log()
