"""Reload under load: nothing lost, nothing doubled, no connection dropped, whatever the new file says.

LB_RELOADS (30) is how often the long test reloads; LB_BIN may be a binary with sanitizers.
"""
import http.server
import json
import os
import random
import re
import shutil
import signal
import socket
import threading

from harness import archive_records, free_port, wait_for, whole_lines

RELOADS = int(os.environ.get("LB_RELOADS", "30"))

UDP_WAITING_MAX = 64 * 1024  # a fraction of the least buffer that a kernel gives

BASE = """
data_dir: {dir}/data
http: {{listen: '127.0.0.1:{http}'}}
commit_every: 200ms
sources:
  lines: {{type: file, include: ['{dir}/in.log']}}
  net: {{type: syslog, listen: ['udp://127.0.0.1:{port}', 'tcp://127.0.0.1:{port}']}}
routes:
  - to: [archive, plain, hook]
sinks:
  archive: {{type: archive, path: '{dir}/archive/all.jsonl.zst', flush: 100ms}}
  plain: {{type: file, path: '{dir}/plain.jsonl', format: json, flush: 100ms}}
  hook: {{type: webhook, url: '{hook}', batch: {{count: 200}}}}
"""


class Receiver:
    """Accepts everything; remembers the messages of all records."""

    def __init__(self):
        self.messages = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                outer.messages.extend(record["message"] for record in (body if isinstance(body, list) else [body]))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/in"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


class Load:
    """Writes numbered lines to a file, one TCP connection and UDP until it is told to stop."""

    def __init__(self, path, port):
        self.path = path
        self.port = port
        self.tcp = socket.create_connection(("127.0.0.1", port))
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.connect(("127.0.0.1", port))
        self.sent = {"f": 0, "t": 0, "u": 0}
        self.error = None
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def in_the_kernel(self):
        """What of the datagrams waits to be read, in bytes as the kernel counts them."""
        with open("/proc/net/udp") as table:
            rows = [line.split() for line in table][1:]
        return sum(int(row[4].split(":")[1], 16) for row in rows if row[1].endswith(f":{self.port:04X}"))

    def step(self, out):
        if self.in_the_kernel() > UDP_WAITING_MAX:
            return  # nobody reads them just now, and what is too much is lost
        for _ in range(10):
            out.write(json.dumps({"level": "info", "service": "shop", "msg": f"f-{self.sent['f']}"}) + "\n")
            self.sent["f"] += 1
            self.tcp.sendall(f"<13>1 2026-01-01T00:00:00Z h app - - - t-{self.sent['t']}\n".encode())
            self.sent["t"] += 1
            self.udp.send(f"<13>1 2026-01-01T00:00:00Z h app - - - u-{self.sent['u']}".encode())
            self.sent["u"] += 1
        out.flush()

    def run(self):
        try:
            with open(self.path, "a") as out:
                while not self.stopping.wait(0.01):
                    self.step(out)
        except OSError as error:
            self.error = error

    def stop(self):
        self.stopping.set()
        self.thread.join()
        assert self.error is None, f"the connection was dropped: {self.error}"
        return {f"{kind}-{n}" for kind, count in self.sent.items() for n in range(count)}


def start(logboom, tmp_path, config, **values):
    values.setdefault("dir", tmp_path)
    (tmp_path / "in.log").touch()
    daemon = logboom("x: y")
    daemon.values = dict(values, http=daemon.http)
    write(daemon, config)
    return daemon.start().ready()


def write(daemon, config, **more):
    daemon.config.write_text(config.format(**dict(daemon.values, **more)))


def reload(daemon):
    import urllib.request
    import urllib.error
    request = urllib.request.Request(f"http://127.0.0.1:{daemon.http}/api/v1/reload", method="POST", data=b"")
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def reloaded(daemon):
    status, answer = reload(daemon)
    assert status == 200 and answer["ok"], answer
    return answer


def refused(daemon):
    status, answer = reload(daemon)
    assert status == 422 and not answer["ok"], answer
    return answer["errors"]


def messages(lines):
    return [json.loads(line)["message"] for line in lines]


def plain(tmp_path, name="plain.jsonl"):
    return messages(whole_lines(tmp_path / name))


def archived(tmp_path):
    return [record["message"] for record in archive_records(tmp_path / "archive")]


def test_a_reload_without_a_change_keeps_everything(logboom, tmp_path):
    daemon = start(logboom, tmp_path, BASE, port=free_port(), hook=Receiver().url)
    answer = reloaded(daemon)
    assert answer["generation"] == 2
    assert answer["sources"] == {"kept": 2, "changed": 0, "added": 0, "removed": 0}
    assert answer["sinks"] == {"kept": 3, "changed": 0, "added": 0, "removed": 0}
    assert daemon.metric("logboom_reloads_total", result="ok") == 1
    assert "POST /api/v1/reload" in daemon.get("/")[1]


def test_sighup_reloads_and_log_tells(logboom, tmp_path):
    daemon = start(logboom, tmp_path, BASE, port=free_port(), hook=Receiver().url)
    daemon.process.send_signal(signal.SIGHUP)
    wait_for(lambda: json.loads(daemon.get("/api/v1/status")[1])["generation"] == 2, 20, "the second generation")
    wait_for(lambda: "the configuration was reloaded" in daemon.log(), 20, "the log")


def test_a_bad_file_is_refused_with_every_fault_and_changes_nothing(logboom, tmp_path):
    daemon = start(logboom, tmp_path, BASE, port=free_port(), hook=Receiver().url)
    write(daemon, BASE.replace("flush: 100ms}}\n  plain", "flsh: 100ms}}\n  plain").replace("type: syslog", "type: sylog"))
    faults = refused(daemon)
    assert [(f["line"], "syslog" in f["message"] or "flush" in f["message"]) for f in faults] == [(7, True), (11, True)]
    assert all(f["file"] == str(daemon.config) and f["column"] > 0 for f in faults)
    for fault in faults:
        assert f"{fault['file']}:{fault['line']}:{fault['column']}: {fault['message']}" in daemon.log().replace('\\"', '"')
    assert json.loads(daemon.get("/health")[1])["generation"] == 1
    assert daemon.metric("logboom_reloads_total", result="failed") == 1
    write(daemon, BASE)
    reloaded(daemon)


def test_what_cannot_change_is_said(logboom, tmp_path):
    daemon = start(logboom, tmp_path, BASE, port=free_port(), hook=Receiver().url)
    write(daemon, BASE.replace("{dir}/data", "{dir}/elsewhere"))
    assert "data_dir" in refused(daemon)[0]["message"]
    assert not (tmp_path / "elsewhere").exists()
    write(daemon, BASE.replace("127.0.0.1:{http}", "127.0.0.1:{other}") + "memory: {{pool: 16MiB}}\nworkers: 3\n",
          other=free_port())
    warnings = " ".join(w["message"] for w in reloaded(daemon)["warnings"])
    assert all(word in warnings for word in ("http.listen", "memory.pool", "workers", "restarted"))
    assert daemon.get("/health")[0] == 200


def test_routes_filters_and_parsers_change_for_what_comes_after(logboom, tmp_path):
    daemon = start(logboom, tmp_path, BASE, port=free_port(), hook=Receiver().url)
    with open(tmp_path / "in.log", "a") as log:
        log.write("one before\n")
    wait_for(lambda: plain(tmp_path) == ["one before"], 20, "the first line")
    parser = "parsers:\n  words: {{type: regex, pattern: '^(?<first>\\w+) (?<message>.*)$'}}\n"
    write(daemon, BASE.replace("in.log']", "in.log'], parse: words") + parser + "filters:\n  - set: {{marked: 'yes'}}\n")
    answer = reloaded(daemon)
    assert answer["sources"]["changed"] == 1 and answer["sources"]["kept"] == 1
    with open(tmp_path / "in.log", "a") as log:
        log.write("two after\n")
    wait_for(lambda: plain(tmp_path) == ["one before", "after"], 20, "the second line")
    records = [json.loads(line) for line in (tmp_path / "plain.jsonl").read_text().splitlines()]
    assert "marked" not in records[0] and records[1]["marked"] == "yes" and records[1]["first"] == "two"
    # Only the parser changes: the source that names it does, too.
    write(daemon, BASE.replace("in.log']", "in.log'], parse: words") + parser.replace("first", "start"))
    assert reloaded(daemon)["sources"]["changed"] == 1
    with open(tmp_path / "in.log", "a") as log:
        log.write("three late\n")
    wait_for(lambda: plain(tmp_path) == ["one before", "after", "late"], 20, "the third line")
    last = json.loads((tmp_path / "plain.jsonl").read_text().splitlines()[-1])
    assert last["start"] == "three" and "marked" not in last
    assert daemon.stop() == 0
    assert archived(tmp_path) == ["one before", "after", "late"]


def test_sinks_come_and_go(logboom, tmp_path):
    daemon = start(logboom, tmp_path, BASE, port=free_port(), hook=Receiver().url)
    with open(tmp_path / "in.log", "a") as log:
        log.write("".join(f"old {n}\n" for n in range(100)))
    wait_for(lambda: len(plain(tmp_path)) == 100, 20, "the first lines")
    more = BASE.replace("plain, hook]", "second]").replace("  plain:", "  second:").replace("plain.jsonl", "second.jsonl")
    write(daemon, more)
    answer = reloaded(daemon)
    assert answer["sinks"]["added"] == 1 and answer["sinks"]["removed"] == 1
    with open(tmp_path / "in.log", "a") as log:
        log.write("".join(f"new {n}\n" for n in range(100)))
    wait_for(lambda: len(plain(tmp_path, "second.jsonl")) == 100, 20, "the new sink")
    assert plain(tmp_path, "second.jsonl") == [f"new {n}" for n in range(100)], "it begins where it was added"
    assert len(plain(tmp_path)) == 100
    names = {c["name"] for c in json.loads(daemon.get("/health")[1])["components"]}
    assert names == {"lines", "net", "archive", "second", "hook"}
    # The mark of the removed one is gone, that of the new one is there: a restart repeats nothing.
    assert daemon.stop() == 0
    daemon.start().ready()
    with open(tmp_path / "in.log", "a") as log:
        log.write("last\n")
    wait_for(lambda: plain(tmp_path, "second.jsonl")[-1] == "last", 20, "the last line")
    assert len(plain(tmp_path, "second.jsonl")) == 101
    assert daemon.stop() == 0
    assert len(archived(tmp_path)) == 201
    assert b"mark/plain/" not in (tmp_path / "data" / "ledger").read_bytes().split(b"mark/second/")[-1]


def test_a_source_that_cannot_open_undoes_everything(logboom, tmp_path):
    port = free_port()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        daemon = start(logboom, tmp_path, BASE, port=port, hook=Receiver().url)
        load = Load(tmp_path / "in.log", port)
        bad = BASE.replace("tcp://127.0.0.1:{port}'", "tcp://127.0.0.1:{port}', 'udp://127.0.0.1:{taken}'") \
                  .replace("flush: 100ms}}\n  plain", "flush: 90ms}}\n  plain").replace("in.log']", "in.log'], service: x")
        for _ in range(5):
            write(daemon, bad, taken=taken.getsockname()[1])
            faults = refused(daemon)
            assert "another process has it" in faults[0]["message"] and faults[0]["line"] == 7
            write(daemon, BASE)
            reloaded(daemon)
    expected = load.stop()
    wait_for(lambda: len(plain(tmp_path)) >= len(expected), 60, f"{len(expected)} lines")
    assert daemon.stop() == 0, daemon.log()
    assert sorted(plain(tmp_path)) == sorted(expected)
    assert sorted(archived(tmp_path)) == sorted(expected)


def test_a_refused_reload_leaves_no_position_behind(logboom, tmp_path):
    """The new source sees files that the old one, which goes on, has not begun: they look like copies, and wait for 5 s."""
    config = BASE.replace("in.log']", "in*.log']")
    daemon = start(logboom, tmp_path, config, port=free_port(), hook=Receiver().url)
    lines = [f"the line of number {n}" for n in range(3)]
    (tmp_path / "in.log").write_text("".join(line + "\n" for line in lines))
    wait_for(lambda: plain(tmp_path) == lines, 20, "the first lines")
    for n in range(10):
        shutil.copy(tmp_path / "in.log", tmp_path / f"in.{n}.log")
    wait_for(lambda: daemon.metric("logboom_tail_files", source="lines") == 11, 20, "the copies")
    changed = config.replace("in*.log']", "in*.log'], service: x")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        write(daemon, changed.replace("tcp://", "udp://127.0.0.1:{taken}', 'tcp://"), taken=taken.getsockname()[1])
        refused(daemon)
    wait_for(lambda: len(plain(tmp_path)) == 33, 60, "the copies read")
    write(daemon, changed)
    assert reloaded(daemon)["sources"]["changed"] == 1
    with open(tmp_path / "in.log", "a") as log:
        log.write("the last line\n")
    wait_for(lambda: plain(tmp_path)[-1] == "the last line", 20, "the last line")
    assert daemon.stop() == 0
    expected = sorted(lines * 11 + ["the last line"])
    assert sorted(archived(tmp_path)) == expected
    assert sorted(plain(tmp_path)) == expected


def test_two_sinks_never_write_to_one_path(logboom, tmp_path):
    daemon = start(logboom, tmp_path, BASE, port=free_port(), hook=Receiver().url)
    write(daemon, BASE.replace("plain", "renamed").replace("renamed.jsonl", "plain.jsonl"))
    assert "until now sink \"plain\" writes to this path" in refused(daemon)[0]["message"]


def test_a_changed_certificate_is_a_changed_sink(logboom, tmp_path):
    (tmp_path / "ca.pem").write_text("one\n")
    config = BASE.replace("batch: {{count: 200}}", "tls: {{ca: '{dir}/ca.pem'}}")
    daemon = start(logboom, tmp_path, config, port=free_port(), hook=Receiver().url)
    assert reloaded(daemon)["sinks"]["kept"] == 3
    (tmp_path / "ca.pem").write_text("two\n")
    assert reloaded(daemon)["sinks"] == {"kept": 2, "changed": 1, "added": 0, "removed": 0}
    assert reloaded(daemon)["sinks"]["kept"] == 3


def test_a_sink_whose_receiver_is_dead_is_given_another_and_nothing_is_lost(logboom, tmp_path):
    """The usual reason to reload. What was tried in vain, what is spooled and what comes all reach the new address."""
    dead = f"http://127.0.0.1:{free_port()}/in"
    port = free_port()
    receiver = Receiver()
    daemon = start(logboom, tmp_path, BASE, port=port, hook=dead)
    load = Load(tmp_path / "in.log", port)
    wait_for(lambda: daemon.metric("logboom_sink_spooled_records_total", sink="hook") > 100, 60, "the spool")
    write(daemon, BASE, hook=f"{dead}2")  # no better
    assert reloaded(daemon)["sinks"]["changed"] == 1
    write(daemon, BASE, hook=receiver.url)
    assert reloaded(daemon)["sinks"]["changed"] == 1
    wait_for(lambda: len(set(receiver.messages)) > 300, 60, "the new receiver")
    expected = load.stop()
    wait_for(lambda: set(receiver.messages) >= expected, 60, f"{len(expected)} records at the new receiver")
    assert daemon.stop() == 0, daemon.log()[-2000:]
    assert sorted(plain(tmp_path)) == sorted(expected)
    assert sorted(archived(tmp_path)) == sorted(expected)


RULES = """
alerting:
  routes: [{{to: alerts}}]
  rules:
    kept: {{value: count(), over: 1h, high: at least 10}}
    {second}
"""


def alerts(tmp_path, rule):
    path = tmp_path / "alerts.jsonl"
    return [e["state"] for e in map(json.loads, whole_lines(path)) if e.get("rule") == rule]


def test_rules_that_are_kept_go_on_with_their_windows(logboom, tmp_path):
    sink = "  alerts: {{type: file, path: '{dir}/alerts.jsonl', format: json, flush: 100ms}}\n"
    config = BASE + sink + RULES
    daemon = start(logboom, tmp_path, config, port=free_port(), hook=Receiver().url,
                   second="gone: {value: count(), over: 1h, low: at least 5}")
    with open(tmp_path / "in.log", "a") as log:
        log.write("".join(f"a {n}\n" for n in range(6)))
    wait_for(lambda: alerts(tmp_path, "gone") == ["firing"], 20, "an alert")
    write(daemon, config, second="fresh: {value: count(), over: 1h, low: at least 5}")
    assert reloaded(daemon)["rules"] == {"kept": 1, "changed": 0, "added": 1, "removed": 1}
    wait_for(lambda: alerts(tmp_path, "gone") == ["firing", "resolved"], 20, "the end of a rule that is no more")
    with open(tmp_path / "in.log", "a") as log:
        log.write("".join(f"b {n}\n" for n in range(4)))
    wait_for(lambda: alerts(tmp_path, "kept") == ["firing"], 20, "6 lines before and 4 after the reload")
    assert alerts(tmp_path, "fresh") == []
    assert [a["rule"] for a in json.loads(daemon.get("/api/v1/alerts")[1])] == ["kept"]


def test_rules_of_a_refused_reload_tell_nobody(logboom, tmp_path):
    """The first rules, and one that would fire at once for want of records; then a port that is taken."""
    daemon = start(logboom, tmp_path, BASE, port=free_port(), hook=Receiver().url)
    rule = BASE + "alerting:\n  lateness: 1s\n  rules:\n    quiet: {{value: count(), over: 1s, high: at most 5, to: fresh}}\n"
    rule = rule.replace("sinks:\n", "sinks:\n  fresh: {{type: file, path: '{dir}/alerts.jsonl', flush: 50ms}}\n")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        for _ in range(20):
            write(daemon, rule.replace("tcp://", "udp://127.0.0.1:{taken}', 'tcp://"), taken=taken.getsockname()[1])
            refused(daemon)
    assert alerts(tmp_path, "quiet") == [] and json.loads(daemon.get("/api/v1/alerts")[1]) == []
    write(daemon, rule)
    assert reloaded(daemon)["rules"]["added"] == 1
    wait_for(lambda: alerts(tmp_path, "quiet")[:1] == ["firing"], 60, "the rule at work")
    assert daemon.stop() == 0


# --- many, under load -------------------------------------------------------------


def variant(rng):
    """A configuration that differs from BASE in some of everything."""
    config = BASE
    if rng.random() < 0.4:
        config = config.replace("archive/all.jsonl.zst', flush: 100ms", f"archive/all.jsonl.zst', flush: {rng.randint(50, 200)}ms")
    if rng.random() < 0.3:
        config = config.replace("plain.jsonl', format: json, flush: 100ms", f"plain.jsonl', format: json, flush: {rng.randint(50, 200)}ms")
    if rng.random() < 0.3:
        config = config.replace("count: 200", f"count: {rng.randint(100, 300)}")
    if rng.random() < 0.3:
        config = config.replace("in.log']", f"in.log'], add: [{rng.choice(['source', 'file', 'offset'])}]")
    if rng.random() < 0.3:
        config = config.replace("tcp://127.0.0.1:{port}']", f"tcp://127.0.0.1:{{port}}'], max_connections: {rng.randint(10, 99)}")
    if rng.random() < 0.3:
        config = config.replace("sources:\n", "sources:\n  other: {{type: file, include: ['{dir}/other*.log']}}\n")
    if rng.random() < 0.4:
        config = config.replace("plain, hook]", "plain, hook, extra]")
        config += f"  extra: {{{{type: file, path: '{{dir}}/extra{rng.randint(1, 3)}.jsonl'}}}}\n"
    if rng.random() < 0.5:
        config += "filters:\n  - set: {{gen: '%d'}}\n" % rng.randint(0, 9)
    if rng.random() < 0.5:
        config += "alerting:\n  rules:\n    many: {{value: count(), over: %dm, low: at least %d, to: plain_alerts}}\n" % (
            rng.randint(1, 5), rng.randint(100, 200))
        config = config.replace("sinks:\n", "sinks:\n  plain_alerts: {{type: file, path: '{dir}/alerts.jsonl'}}\n")
    return config


def broken(rng):
    return rng.choice([BASE + "nonsense: 1\n", BASE.replace("routes:", "routes"), BASE.replace("'{hook}'", "'{hook}"),
                       BASE.replace("all.jsonl.zst", "all.jsonl"), BASE.replace("level", "lvl") + "filters: [{{drop: level ==}}]\n",
                       BASE.replace("udp://127.0.0.1:{port}", "udp://192.0.2.1:{port}")])


def descriptors(pid):
    paths = [f"/proc/{pid}/fd/{fd}" for fd in os.listdir(f"/proc/{pid}/fd")]
    return sorted(os.readlink(path) for path in paths if os.path.lexists(path))


def memory_kib(pid):
    return int(re.search(r"^VmRSS:\s+(\d+)", open(f"/proc/{pid}/status").read(), re.M).group(1))


def test_many_reloads_under_load(logboom, tmp_path):
    rng = random.Random(int(os.environ.get("LB_SEED", "7")))
    receiver = Receiver()
    port = free_port()
    daemon = start(logboom, tmp_path, BASE, port=port, hook=receiver.url)
    load = Load(tmp_path / "in.log", port)
    for i in range(RELOADS):
        good = rng.random() < 0.75
        write(daemon, variant(rng) if good else broken(rng))
        status, answer = reload(daemon)
        assert (status == 200) == good, (i, answer, daemon.config.read_text())
        if i % 5 == 0:
            daemon.process.send_signal(signal.SIGHUP)
    write(daemon, BASE)
    reloaded(daemon)
    before, memory = descriptors(daemon.process.pid), memory_kib(daemon.process.pid)
    for _ in range(RELOADS):
        write(daemon, variant(rng))
        reloaded(daemon)
        write(daemon, BASE)
        reloaded(daemon)
    expected = load.stop()
    wait_for(lambda: len(plain(tmp_path)) >= len(expected), 120, f"{len(expected)} lines")
    wait_for(lambda: len(set(receiver.messages)) >= len(expected), 120, "the webhook")
    # Some are opened when they are needed: files of sinks and of alerts, a connection to the hook. Of a leak there would be
    # one for each reload.
    most = len(before) + max(RELOADS // 3, 8)
    wait_for(lambda: len(descriptors(daemon.process.pid)) <= most, 60,
             lambda: f"at most {most} of {descriptors(daemon.process.pid)}, before: {before};")
    assert daemon.metric("logboom_syslog_kernel_dropped_total") == 0
    if "asan" not in daemon_binary() and "tsan" not in daemon_binary():
        assert memory_kib(daemon.process.pid) < memory + 16 * 1024, "memory grows"
    assert daemon.stop() == 0, daemon.log()[-3000:]
    assert sorted(archived(tmp_path)) == sorted(expected)
    assert sorted(plain(tmp_path)) == sorted(expected)
    assert set(receiver.messages) == expected
    print(f"reloads={3 * RELOADS} lines={len(expected)} fds={len(before)}")


def test_configurations_before_the_current_one_go_though_parts_of_them_stay(logboom, tmp_path):
    """Each reload changes one of two sinks and keeps the other: an old configuration must not keep those before it."""
    daemon = start(logboom, tmp_path, BASE, port=free_port(), hook=Receiver().url)
    big = BASE + "# a remark of some length\n" * 40000  # 1 MiB, which is kept with the configuration
    sinks = ("all.jsonl.zst', flush: ", "json, flush: ")
    numbers = [100, 100]
    for i in range(60):
        numbers[i % 2] += 1
        config = big
        for sink, number in zip(sinks, numbers):
            config = config.replace(f"{sink}100ms", f"{sink}{number}ms")
        write(daemon, config)
        assert reloaded(daemon)["sinks"]["changed"] == 1
        if i == 19:
            memory = memory_kib(daemon.process.pid)
    if "asan" not in daemon_binary() and "tsan" not in daemon_binary():
        assert memory_kib(daemon.process.pid) < memory + 16 * 1024, "memory grows"
    assert daemon.stop() == 0


def daemon_binary():
    from harness import BIN
    return str(BIN)


def test_requests_while_a_reload_is_under_way_are_answered_once_it_is_done(logboom, tmp_path):
    daemon = start(logboom, tmp_path, BASE, port=free_port(), hook=Receiver().url)
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(reload(daemon))) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [status for status, _ in answers] == [200] * 12
    assert json.loads(daemon.get("/health")[1])["generation"] <= 13
    daemon.process.send_signal(signal.SIGHUP)
    assert daemon.stop() == 0, "it ends within shutdown_timeout"
