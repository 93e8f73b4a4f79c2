"""Files and containers, as a person sees them: rotation, restarts, links, docker's directories."""
import json
import os
import shutil
import subprocess

from harness import BIN, run_to_end, wait_for
from machine import Records

FILES = """
commit_every: 50ms
sources:
  in: {type: file, include: ['{dir}/log/%s']%s}
routes:
  - {to: out}
sinks:
  out: {type: file, path: '{dir}/out.jsonl', format: json}
"""


def messages(daemon, key="message"):
    return [record[key] for record in Records(daemon.dir / "out.jsonl").all()]


def tail(logboom, pattern="*.log", options=""):
    daemon = logboom(FILES.replace("%s", pattern, 1).replace("%s", options, 1))
    (daemon.dir / "log").mkdir()
    return daemon


def write(daemon, name, *lines, end="\n"):
    with open(daemon.dir / "log" / name, "a") as out:
        out.write("\n".join(lines) + end)


def rename(daemon, name, to):
    os.rename(daemon.dir / "log" / name, daemon.dir / "log" / to)


def expect(daemon, *wanted):
    """All of these, each once, in any order of the files but in order within one (names begin with the file's)."""
    wait_for(lambda: len(messages(daemon)) >= len(wanted), what=f"{len(wanted)} messages in {messages(daemon)}")
    assert sorted(messages(daemon)) == sorted(wanted)
    for first in {m.split()[0] for m in wanted}:
        assert [m for m in messages(daemon) if m.split()[0] == first] == [m for m in wanted if m.split()[0] == first]


def test_new_lines_files_and_directories_are_seen_while_it_runs(logboom):
    daemon = tail(logboom, "**/*.log")
    write(daemon, "a.log", "a 1", "a 2")
    daemon.start().ready()
    expect(daemon, "a 1", "a 2")
    write(daemon, "b.log", "b 1")
    expect(daemon, "a 1", "a 2", "b 1")
    (daemon.dir / "log" / "deep" / "er").mkdir(parents=True)
    write(daemon, "deep/er/c.log", "c 1")
    write(daemon, "a.log", "a 3")
    expect(daemon, "a 1", "a 2", "a 3", "b 1", "c 1")


def test_an_unfinished_line_waits_for_its_end(logboom):
    daemon = tail(logboom)
    write(daemon, "a.log", "a 1", "a ", end="")
    daemon.start().ready()
    expect(daemon, "a 1")
    write(daemon, "a.log", "2")
    expect(daemon, "a 1", "a 2")


def test_a_file_renamed_while_it_runs_is_read_to_its_end(logboom):
    daemon = tail(logboom, "app.log")
    write(daemon, "app.log", "old 1")
    daemon.start().ready()
    expect(daemon, "old 1")
    with open(daemon.dir / "log" / "app.log", "a") as writer:
        rename(daemon, "app.log", "app.log.1")
        write(daemon, "app.log", "new 1")
        writer.write("old 2\nold ")
        writer.flush()
        expect(daemon, "old 1", "old 2", "new 1")
        writer.write("3\n")
    expect(daemon, "old 1", "old 2", "old 3", "new 1")


def test_rotations_while_it_was_down_lose_and_double_nothing(logboom):
    for pattern in ("app.log", "app.log*"):
        daemon = tail(logboom, pattern)
        write(daemon, "app.log", "one 1")
        daemon.start().ready()
        expect(daemon, "one 1")
        daemon.stop()
        write(daemon, "app.log", "one 2")
        rename(daemon, "app.log", "app.log.1")
        write(daemon, "app.log", "two 1")
        rename(daemon, "app.log.1", "app.log.2")
        rename(daemon, "app.log", "app.log.1")
        write(daemon, "app.log", "three 1")
        daemon.start().ready()
        expect(daemon, "one 1", "one 2", "two 1", "three 1")
        daemon.stop()
        daemon.start().ready()
        write(daemon, "app.log", "three 2")
        expect(daemon, "one 1", "one 2", "two 1", "three 1", "three 2")
        daemon.stop()
        shutil.rmtree(daemon.dir)


def test_copytruncate_reads_the_rest_from_the_copy(logboom):
    for down in (False, True):
        daemon = tail(logboom, "app.log")
        write(daemon, "app.log", "first line of this log", "first 2")
        daemon.start().ready()
        expect(daemon, "first line of this log", "first 2")
        if down:
            daemon.stop()
        write(daemon, "app.log", "first 3")
        shutil.copy(daemon.dir / "log/app.log", daemon.dir / "log/app.log.1")
        os.truncate(daemon.dir / "log/app.log", 0)
        write(daemon, "app.log", "second line, after it was truncated")
        if down:
            daemon.start().ready()
        expect(daemon, "first line of this log", "first 2", "first 3", "second line, after it was truncated")
        daemon.stop()
        shutil.rmtree(daemon.dir)


def test_a_restart_goes_on_where_it_was(logboom):
    daemon = tail(logboom)
    for i in range(5):
        write(daemon, "a.log", f"a {2 * i}", f"a {2 * i + 1}")
        daemon.start().ready()
        expect(daemon, *(f"a {n}" for n in range(2 * i + 2)))
        daemon.stop() if i % 2 else daemon.kill()


def test_read_from_end_leaves_out_only_what_was_there_at_first(logboom):
    daemon = tail(logboom, options=", read_from: end")
    write(daemon, "a.log", "a old", "a unfinished ", end="")
    daemon.start().ready()
    wait_for(lambda: "started source=in" in daemon.log())
    write(daemon, "a.log", "line")
    write(daemon, "b.log", "b new")
    expect(daemon, "a unfinished line", "b new")
    daemon.stop()
    write(daemon, "a.log", "a later")
    daemon.start().ready()
    expect(daemon, "a unfinished line", "a later", "b new")


def test_exclude_and_ignore_older_leave_files_out(logboom):
    daemon = tail(logboom, options=", exclude: ['*debug*'], ignore_older: 1h")
    write(daemon, "a.log", "a 1")
    write(daemon, "a-debug.log", "debug 1")
    write(daemon, "b.log", "b old")
    os.utime(daemon.dir / "log/b.log", (1000, 1000))
    daemon.start().ready()
    expect(daemon, "a 1")
    write(daemon, "b.log", "b new")
    expect(daemon, "a 1", "b new")


def test_a_long_line_is_cut_and_the_next_one_follows(logboom):
    daemon = tail(logboom, options=", max_line: 64KiB")
    write(daemon, "a.log", "a " + "x" * 300_000, "a next")
    daemon.start().ready()
    wait_for(lambda: len(messages(daemon)) == 2)
    first, second = (json.loads(line) for line in (daemon.dir / "out.jsonl").read_text().splitlines())
    assert first["truncated"] is True and first["message"] == "a " + "x" * (64 * 1024 - 2)
    assert second["message"] == "a next" and "truncated" not in second


def test_a_link_that_is_switched_leads_to_the_next_file(logboom):
    daemon = tail(logboom, "current.log")
    write(daemon, "one.txt", "one 1")
    (daemon.dir / "log/current.log").symlink_to("one.txt")
    daemon.start().ready()
    expect(daemon, "one 1")
    write(daemon, "two.txt", "two 1")
    (daemon.dir / "log/next").symlink_to("two.txt")
    rename(daemon, "next", "current.log")
    write(daemon, "one.txt", "one 2")
    expect(daemon, "one 1", "one 2", "two 1")


def test_exit_at_eof_ends_with_the_unfinished_last_line(tmp_path):
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "a.log").write_text("a 1\na 2")
    daemon = run_to_end(tmp_path, FILES.replace("%s", "*.log", 1).replace("%s", "", 1))
    assert messages(daemon) == ["a 1", "a 2"]


def test_stdin_is_read_to_its_end(tmp_path):
    config = tmp_path / "logboom.yaml"
    config.write_text(f"""
data_dir: {tmp_path}/data
sources:
  in: {{type: stdin}}
routes:
  - {{to: out}}
sinks:
  out: {{type: file, path: '{tmp_path}/out.jsonl', format: json}}
""")
    lines = [f"line {i}" for i in range(20_000)]
    subprocess.run([BIN, "run", "-c", str(config), "--exit-at-eof"], input="\n".join(lines).encode(), check=True,
                   timeout=60)
    got = [json.loads(line)["message"] for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert got == lines


# --- docker --------------------------------------------------------------------------------------

DOCKER = """
commit_every: 50ms
sources:
  in: {type: docker, include: ['{dir}/log/*/*-json.log']}
routes:
  - {to: out}
sinks:
  out: {type: file, path: '{dir}/out.jsonl', format: json}
"""
ID = "4f" * 32


def container(daemon, labels):
    directory = daemon.dir / "log" / ID
    directory.mkdir(parents=True)
    (directory / "config.v2.json").write_text(json.dumps({
        "State": {"Running": True}, "ID": ID, "Name": "/shop-web-1",
        "Config": {"Image": "shop/web:1.2", "Env": ["A=\"b\""], "Labels": labels}}))
    return directory / f"{ID}-json.log"


def docker_line(text, stream="stdout"):
    return json.dumps({"log": text, "stream": stream, "time": "2026-03-01T12:00:00.000000001Z"},
                      separators=(",", ":")) + "\n"


def test_docker_parts_become_one_record_with_the_facts_of_the_container(logboom):
    daemon = logboom(DOCKER)
    log = container(daemon, {"com.docker.compose.service": "web"})
    log.write_text(docker_line("whole\n") + docker_line("part one, ") + docker_line("other\n", "stderr"))
    daemon.start().ready()
    wait_for(lambda: "whole" in messages(daemon))
    with open(log, "a") as out:
        out.write(docker_line("part two\n"))
    wait_for(lambda: len(messages(daemon)) == 3)
    assert sorted(messages(daemon)) == ["other", "part one, part two", "whole"]
    record = json.loads((daemon.dir / "out.jsonl").read_text().splitlines()[0])
    assert record["service"] == "web"
    assert record["container"] == {"id": ID, "name": "shop-web-1", "image": "shop/web:1.2"}
    assert record["compose"] == {"service": "web"}


def test_docker_without_compose_takes_the_name_as_service(logboom):
    daemon = logboom(DOCKER)
    container(daemon, {}).write_text(docker_line("one\n"))
    daemon.start().ready()
    wait_for(lambda: messages(daemon) == ["one"])
    record = json.loads((daemon.dir / "out.jsonl").read_text())
    assert record["service"] == "shop-web-1" and "compose" not in record


def test_a_docker_run_that_never_ends_goes_out_after_a_while(logboom):
    daemon = logboom(DOCKER)
    container(daemon, {}).write_text(docker_line("prompt> "))
    daemon.start().ready()
    wait_for(lambda: messages(daemon) == ["prompt> "], seconds=20)


def test_other_encodings_become_utf8_and_go_on_where_they_stopped(logboom):
    daemon = tail(logboom, options=", encoding: utf-16, parse: none")
    path = daemon.dir / "log" / "a.log"
    path.write_bytes("\ufeffa 1 \u00e9\r\na 2 \u0a0a".encode("utf-16-le"))
    daemon.start().ready()
    expect(daemon, "a 1 \u00e9")
    daemon.kill()
    with open(path, "ab") as out:
        out.write("\U0001f600\na 3\n".encode("utf-16-le"))
    daemon.start().ready()
    expect(daemon, "a 1 \u00e9", "a 2 \u0a0a\U0001f600", "a 3")


def test_the_mark_of_utf8_is_no_text(logboom):
    daemon = tail(logboom)
    (daemon.dir / "log" / "a.log").write_bytes(b"\xef\xbb\xbfa 1\na 2\n")
    daemon.start().ready()
    expect(daemon, "a 1", "a 2")


def test_an_unknown_encoding_is_told(tmp_path):
    (tmp_path / "logboom.yaml").write_text("data_dir: ./data\nsources: {in: {type: file, include: ['./x'], encoding: klingon}}\n"
                                           "routes: [{to: out}]\nsinks: {out: {type: stdout}}\n")
    done = subprocess.run([BIN, "check", "-c", "logboom.yaml"], cwd=tmp_path, text=True, capture_output=True, timeout=60)
    assert done.returncode == 1 and 'unknown encoding "klingon"' in done.stderr, done.stderr
