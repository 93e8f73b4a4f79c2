"""Events of several lines, through the whole program: files, containers, kill -9 in the middle, silence, faults."""
import json
import subprocess

import pytest

from harness import BIN, archive_records, run_to_end, wait_for

CONFIG = """
commit_every: 50ms
sources:
  in: {type: %TYPE, include: ['{dir}/log/*.log'], parse: none, multiline: %RULE}
routes:
  - {to: archive}
sinks:
  archive: {type: archive, path: '{dir}/archive/all.jsonl.zst', flush: 50ms}
"""

TRACE = ["2026-03-01 10:00:00 ERROR payment failed",
         "java.lang.IllegalStateException: no stock",
         "\tat shop.Cart.price(Cart.java:12)",
         "Caused by: shop.NoRow: sku-1",
         "\t... 2 more"]


def text_of(kind, rule):
    return CONFIG.replace("%TYPE", kind).replace("%RULE", rule)


def append(daemon, *lines, name="app.log"):
    with open(daemon.dir / "log" / name, "a") as out:
        out.write("".join(line + "\n" for line in lines))


def messages(daemon):
    return [record["message"] for record in archive_records(daemon.dir / "archive")]


def expect(daemon, *wanted):
    wait_for(lambda: len(messages(daemon)) >= len(wanted), what=f"{len(wanted)} events of {messages(daemon)}")
    assert messages(daemon) == list(wanted)


@pytest.fixture
def follow(logboom):
    def start(kind, rule):
        daemon = logboom(text_of(kind, rule))
        (daemon.dir / "log").mkdir()
        return daemon
    return start


def test_a_trace_is_one_event_and_the_next_line_ends_it(follow):
    daemon = follow("file", "auto")
    append(daemon, *TRACE)
    daemon.start().ready()
    append(daemon, "2026-03-01 10:00:01 INFO on")
    append(daemon, "2026-03-01 10:00:02 INFO and on")
    expect(daemon, "\n".join(TRACE), "2026-03-01 10:00:01 INFO on", "2026-03-01 10:00:02 INFO and on")


def test_silence_ends_an_event_too(follow):
    daemon = follow("file", "{start: '^\\d{4}-', timeout: 200ms}")
    append(daemon, *TRACE)
    daemon.start().ready()
    expect(daemon, "\n".join(TRACE))


def test_kill_in_the_middle_of_an_event_loses_and_doubles_nothing(follow):
    daemon = follow("file", "{start: '^\\d{4}-', timeout: 1h}")
    append(daemon, "2026-03-01 09:59:59 INFO before", *TRACE[:3])
    daemon.start().ready()
    expect(daemon, "2026-03-01 09:59:59 INFO before")
    daemon.kill()
    append(daemon, *TRACE[3:])
    daemon.start().ready()
    append(daemon, "2026-03-01 10:00:01 INFO after", "2026-03-01 10:00:02 INFO end")
    expect(daemon, "2026-03-01 09:59:59 INFO before", "\n".join(TRACE), "2026-03-01 10:00:01 INFO after")


def docker(stream, text):
    return json.dumps({"log": text, "stream": stream, "time": "2026-03-01T10:00:00Z"})


def test_the_streams_of_a_container_are_joined_each_for_itself(follow):
    daemon = follow("docker", "auto")
    lines = []
    trace = [TRACE[0], TRACE[1] + "x" * 20000, *TRACE[2:]]
    for out, err in zip(trace, ["panic: no stock", "goroutine 1 [running]:", "main.main()", "\t/srv/main.go:3 +0x10", "exit status 2"]):
        parts = [out[at:at + 16384] for at in range(0, len(out), 16384)]
        lines += [docker("stdout", part) for part in parts[:-1]] + [docker("stdout", parts[-1] + "\n"), docker("stderr", err + "\n")]
    append(daemon, *lines, docker("stdout", "2026-03-01 10:00:01 INFO on\n"), name="c-json.log")
    daemon.start().ready()
    wait_for(lambda: len(messages(daemon)) >= 3)
    assert sorted(messages(daemon)) == sorted([
        "\n".join(trace), "panic: no stock\ngoroutine 1 [running]:\nmain.main()\n\t/srv/main.go:3 +0x10\nexit status 2",
        "2026-03-01 10:00:01 INFO on"])


def test_many_kills_while_a_container_writes_traces(follow):
    daemon = follow("docker", "auto")
    wanted = []
    for number in range(60):
        event = [f"2026-03-01 10:00:{number:02} ERROR number {number}", "TypeError: no", f"    at f (/srv/{number}.js:1:2)"]
        wanted.append("\n".join(event))
        daemon.start()
        append(daemon, *(docker("stdout", line + "\n") for line in event), name="c-json.log")
        if number % 3 == 0:
            wait_for(lambda: len(messages(daemon)) >= number - 2 if number > 3 else True)
        daemon.kill()
    daemon.start().ready()
    expect(daemon, *wanted)


def test_an_event_that_is_too_long_goes_on_as_another(tmp_path):
    (tmp_path / "log").mkdir()
    lines = ["head"] + [f" line {i}" for i in range(25)]
    (tmp_path / "log" / "a.log").write_text("\n".join(lines) + "\n")
    done = run_to_end(tmp_path, text_of("file", "{continuation: '^ ', max_lines: 10}").replace("{dir}", str(tmp_path)))
    assert messages(done) == ["\n".join(lines[:10]), "\n".join(lines[10:20]), "\n".join(lines[20:])]


@pytest.mark.parametrize("source, said", [
    ("{type: stdin, multiline: automatic}", r'"multiline": expected none, auto or a map'),
    ("{type: stdin, multiline: {}}", r'expected at least one of start, continuation'),
    ("{type: stdin, multiline: {start: '(', timeout: 1s}}", r'"multiline.start": the pattern is wrong here'),
    ("{type: stdin, multiline: {strat: x}}", r'did you mean "start"'),
    ("{type: stdin, multiline: {count: 2, start: x}}", r"count stands alone"),
    ("{type: syslog, listen: ['udp://127.0.0.1:0'], multiline: auto}", r"is for sources that read lines"),
])
def test_faults_are_told(tmp_path, source, said):
    import re
    (tmp_path / "logboom.yaml").write_text(f"data_dir: ./data\nsources:\n  in: {source}\nroutes: [{{to: out}}]\n"
                                           "sinks: {out: {type: stdout}}\n")
    done = subprocess.run([BIN, "check", "-c", "logboom.yaml"], cwd=tmp_path, text=True, capture_output=True, timeout=60)
    assert done.returncode == 1
    assert re.search(r"^logboom.yaml:3:\d+: error: .*" + said, done.stderr, re.M), done.stderr
