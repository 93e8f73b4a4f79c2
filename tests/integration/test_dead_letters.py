"""Records that a receiver refuses for good: kept with the reason, over restarts and kill -9, and sent again."""
import http.server
import json
import os
import random
import signal
import subprocess
import threading
import time

import pytest

from harness import BIN, Logboom, run_to_end, wait_for, whole_lines


class Receiver:
    """Answers each request by `decide(records) -> status or (status, headers, body)`; notes what it accepted."""

    def __init__(self, decide, port=0):
        self.decide = decide
        self.bodies = []    # (id, bytes)
        self.requests = []  # (id, records, status)
        self.lock = threading.Lock()
        self.busy = self.most_busy = 0
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                outer.handle(self)

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/in"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def handle(self, request):
        raw = request.rfile.read(int(request.headers["content-length"]))
        body = json.loads(raw)
        records = body if isinstance(body, list) else [body]
        with self.lock:
            self.busy += 1
            self.bodies.append((request.headers["webhook-id"], raw))
            self.most_busy = max(self.most_busy, self.busy)
            answer = self.decide(records)
            status, headers, text = answer if isinstance(answer, tuple) else (answer, {}, "")
            self.requests.append((request.headers["webhook-id"], records, status))
        request.send_response(status)
        for name, value in ({"Content-Length": str(len(text))} | headers).items():
            request.send_header(name, value)
        request.close_connection = "Content-Length" in headers
        with self.lock:  # before the answer: the next request may come at once
            self.busy -= 1
        request.end_headers()
        request.wfile.write(text.encode())

    def messages(self, status=200):
        with self.lock:
            return [r["message"] for _, records, s in self.requests if s == status for r in records]

    def close(self):
        self.server.shutdown()
        self.server.server_close()


CONFIG = """
sources:
  in: {{type: file, include: ['{dir}/in.log'], service: shop}}
routes:
  - {{to: hook}}
sinks:
  hook:
    type: webhook
    url: {url}
    timeout: 60s
    retry: {{first: 20ms, max: 100ms}}
    {more}
"""


def write_lines(path, first, count):
    with open(path, "a") as out:
        for i in range(first, first + count):
            out.write(json.dumps({"level": "error", "message": f"number {i}", "n": i}) + "\n")


def letters(path):
    return [json.loads(line) for line in whole_lines(path)]


def refuse_fifths(records):
    """400 where a record is number 5, 10, 15 …, as a receiver that checks what it gets."""
    return (400, {}, "n must not be a multiple of five") if any(r["n"] % 5 == 0 for r in records) else 200


def replay(work, *args, config=None, code=0):
    run = subprocess.run([BIN, "replay", "-c", str(config or work / "logboom.yaml"), *map(str, args)],
                         capture_output=True, text=True, timeout=120)
    assert run.returncode == code, run.stderr + run.stdout
    return run


@pytest.mark.parametrize("count", [1, 8])
def test_the_refused_are_kept_and_the_others_delivered(tmp_path, count):
    receiver = Receiver(refuse_fifths)
    write_lines(tmp_path / "in.log", 0, 50)
    config = CONFIG.format(dir=tmp_path, url=receiver.url, more=f"batch: {{count: {count}, every: 50ms}}")
    daemon = run_to_end(tmp_path, config, 60)
    kept = letters(tmp_path / "data/dead-letters/hook.jsonl")
    assert [letter["record"]["n"] for letter in kept] == list(range(0, 50, 5))
    assert sorted(receiver.messages()) == sorted(f"number {i}" for i in range(50) if i % 5)
    for letter in kept:
        assert letter["sink"] == "hook" and letter["kind"] == "http_400" and letter["attempts"] >= 1
        assert "answered 400 n must not be a multiple of five" in letter["reason"]
        assert letter["record"]["message"] == f"number {letter['record']['n']}" and letter["record"]["service"] == "shop"
    assert len({letter["id"] for letter in kept}) == 10

    before = len(receiver.requests)
    again = Logboom(tmp_path, config).start("--exit-at-eof")
    assert again.wait(60) == 0, again.log()
    assert len(receiver.requests) == before, "a restart sends nothing twice"
    assert len(letters(tmp_path / "data/dead-letters/hook.jsonl")) == 10
    assert "dead-lettered" in daemon.log() and "n must not be a multiple of five" in daemon.log()


def test_replay_delivers_under_the_same_ids(tmp_path):
    receiver = Receiver(refuse_fifths)
    write_lines(tmp_path / "in.log", 0, 30)
    run_to_end(tmp_path, CONFIG.format(dir=tmp_path, url=receiver.url, more=""), 60)
    path = tmp_path / "data/dead-letters/hook.jsonl"
    refused = {key: records for key, records, status in receiver.requests if status == 400}
    assert len(refused) == 6

    dry = replay(tmp_path, "--dry-run", path)
    assert "6 would go to hook" in dry.stdout and len(letters(path)) == 6

    # Mended, but for number 10.
    receiver.requests.clear()
    receiver.decide = lambda records: 422 if records[0]["n"] == 10 else 200
    run = replay(tmp_path, path, code=1)
    assert "5 delivered, 1 refused again, 0 not sent; 1 left" in run.stderr
    assert {key: records for key, records, _ in receiver.requests} == refused, "same ids, same records, byte for byte"
    left = letters(path)
    assert [letter["record"]["n"] for letter in left] == [10] and left[0]["kind"] == "http_422"

    receiver.decide = lambda records: 200
    run = replay(tmp_path, path)
    assert "1 delivered, 0 refused again" in run.stderr and not path.exists()
    assert list(path.parent.iterdir()) == []
    assert not (tmp_path / "data/dead-letters/hook.jsonl.refused").exists()


ODD_LINES = [
    b'{"level":"warn","msg":"deep","a":{"b":[1,2,{"c":null}],"n":1.10e+5},"t":true}',
    b'{"time":"2026-01-31T12:30:00.123456789+02:00","level":"error","service":"s","host":"h","message":"all keys"}',
    b'{"message":"\\u00e9\\n\\t\\"quoted\\" \\ud83d\\ude00","empty":"","x.y":1,"x":{"y":2}}',
    b'{"big":12345678901234567890123456789,"neg":-0.0,"message":"digits"}',
    b'{"timestamp":"no time","level":"no level","message":"odd values"}',
    b'{"level":30,"time":1769862600000,"msg":"numbers","v":1}',
    b'{"message":{"an":"object"},"service":["a","list"]}',
    b'{"a":1,"a":2,"message":"twice"}',
    b'plain text with "quotes" and \\ and \xff\xfe bytes',
    b'{broken json',
    b'',
    b'{}',
    b'{' + b",".join(b'"k%d":%d' % (i, i) for i in range(700)) + b'}',
    b'{"message":"' + b"x" * 100000 + b'"}',
]


def test_replayed_records_are_the_same_byte_for_byte(tmp_path):
    receiver = Receiver(lambda records: 400)
    (tmp_path / "in.log").write_bytes(b"\n".join(ODD_LINES) + b"\n")
    run_to_end(tmp_path, CONFIG.format(dir=tmp_path, url=receiver.url, more="").replace(
        "service: shop", "service: shop, parse: json, add: [source, offset]"), 60)
    refused, receiver.bodies = receiver.bodies, []
    assert len(refused) == len(ODD_LINES) - 1, "every line but the empty one"
    receiver.decide = lambda records: 200
    replay(tmp_path, tmp_path / "data/dead-letters/hook.jsonl")
    assert receiver.bodies == refused


def test_letters_can_be_read_as_any_file(tmp_path):
    receiver = Receiver(refuse_fifths)
    write_lines(tmp_path / "in.log", 0, 20)
    text = CONFIG.format(dir=tmp_path, url=receiver.url, more=f"dead_letter: {{path: '{tmp_path}/refused/hook.jsonl'}}")
    text = text.replace("routes:\n", f"  refused: {{type: file, include: ['{tmp_path}/refused/*.jsonl'], service: refused}}\n"
                                     "routes:\n  - {where: service == refused, to: kept, stop: true}\n")
    daemon = Logboom(tmp_path, text + f"  kept: {{type: file, path: '{tmp_path}/kept.jsonl', format: json}}\n").start()
    try:
        wait_for(lambda: len(letters(tmp_path / "kept.jsonl")) == 4, 30, "letters in another sink")
        assert [x["record"]["n"] for x in letters(tmp_path / "kept.jsonl")] == [0, 5, 10, 15]
        assert daemon.stop() == 0, daemon.log()
    finally:
        daemon.kill()


def test_replay_from_standard_input_and_through_another_sink(tmp_path):
    receiver = Receiver(lambda records: 404)
    write_lines(tmp_path / "in.log", 0, 3)
    run_to_end(tmp_path, CONFIG.format(dir=tmp_path, url=receiver.url, more=""), 60)
    path = tmp_path / "data/dead-letters/hook.jsonl"
    other = Receiver(lambda records: 200 if records[0]["n"] else 400)
    config = tmp_path / "other.yaml"
    config.write_text(f"""
data_dir: {tmp_path}/data
sources: {{in: {{type: stdin}}}}
routes: [{{to: elsewhere}}]
sinks: {{elsewhere: {{type: webhook, url: '{other.url}'}}}}
""")
    run = subprocess.run([BIN, "replay", "-c", str(config), str(path)], capture_output=True, text=True, timeout=60)
    assert run.returncode == 0 and 'no sink "hook"; name one with --sink' in run.stderr and len(letters(path)) == 3
    with path.open() as stdin:
        run = subprocess.run([BIN, "replay", "-c", str(config), "--sink", "elsewhere", "-"], stdin=stdin,
                             capture_output=True, text=True, timeout=60)
    assert run.returncode == 1, run.stderr
    left = [json.loads(line) for line in run.stdout.splitlines()]
    assert [(x["record"]["n"], x["sink"]) for x in left] == [(0, "elsewhere")]
    assert other.messages() == ["number 1", "number 2"]
    assert len(letters(path)) == 3, "standard input is nobody's to rewrite"


def test_replay_beside_a_running_daemon_that_adds_letters(tmp_path, logboom):
    hold = threading.Event()

    def decide(records):
        if decide.mended and records[0]["n"] < 20:
            hold.wait(30)
            return 200
        return 400

    decide.mended = False
    receiver = Receiver(lambda records: 400)
    slow = Receiver(decide)  # what replay talks to: the daemon's own receiver goes on refusing
    work = tmp_path / "lb"
    work.mkdir()
    write_lines(work / "in.log", 0, 20)
    daemon = logboom(CONFIG.format(dir=work, url=receiver.url, more="")).start().ready()
    path = next(iter([daemon.dir / "data/dead-letters/hook.jsonl"]))
    wait_for(lambda: len(letters(path)) == 20, 30, "20 letters")
    decide.mended = True
    config = tmp_path / "replay.yaml"
    config.write_text(daemon.config.read_text().replace(receiver.url, slow.url))
    process = subprocess.Popen([BIN, "replay", "-c", str(config), str(path)], stderr=subprocess.PIPE, text=True)
    wait_for(lambda: slow.busy > 0, 30, "replay at work")
    second = replay(tmp_path, path, config=config, code=2)
    assert "another replay is working on it" in second.stderr
    write_lines(work / "in.log", 20, 5)
    wait_for(lambda: len(letters(path)) == 25, 30, "letters that were added meanwhile")
    hold.set()
    _, text = process.communicate(timeout=60)
    assert process.returncode == 0, text
    assert "20 delivered" in text and "5 left" in text
    assert [x["record"]["n"] for x in letters(path)] == list(range(20, 25))
    write_lines(work / "in.log", 25, 5)
    wait_for(lambda: [x["record"]["n"] for x in letters(path)] == list(range(20, 30)), 30, "the new file is written to")
    health = json.loads(daemon.get("/health")[1])
    hook = next(c for c in health["components"] if c["name"] == "hook")
    assert hook["dead_letters"] == 30 and hook["dead_letter_path"] == str(path)
    assert daemon.metric("logboom_dead_letters_total", sink="hook", reason="http_400") == 30
    assert daemon.stop() == 0


def test_ctrl_c_keeps_what_was_not_delivered(tmp_path):
    receiver = Receiver(refuse_fifths)
    write_lines(tmp_path / "in.log", 0, 30)
    run_to_end(tmp_path, CONFIG.format(dir=tmp_path, url=receiver.url, more=""), 60)
    path = tmp_path / "data/dead-letters/hook.jsonl"
    before = path.read_text()
    receiver.decide = lambda records: 503
    receiver.requests.clear()
    process = subprocess.Popen([BIN, "replay", "-c", str(tmp_path / "logboom.yaml"), str(path)],
                               stderr=subprocess.PIPE, text=True)
    wait_for(lambda: receiver.requests, 30, "a try")
    process.terminate()
    _, text = process.communicate(timeout=30)
    assert process.returncode == 1, text
    assert path.read_text() == before and "6 not sent" in text


def test_kill_9_between_refusal_and_commit_loses_and_doubles_nothing(tmp_path, logboom):
    receiver = Receiver(lambda records: 400 if records[0]["n"] % 2 else 200)
    work = tmp_path / "in.log"
    write_lines(work, 0, 400)
    daemon = logboom(CONFIG.format(dir=tmp_path, url=receiver.url, more=""))
    path = daemon.dir / "data/dead-letters/hook.jsonl"
    for kills in range(4):
        seen = len(letters_whole(path))
        daemon.start()
        wait_for(lambda: len(letters_whole(path)) > seen + 5 or done(path), 60, "letters")
        daemon.kill()
    daemon.start("--exit-at-eof")
    assert daemon.wait(60) == 0, daemon.log()
    kept = [letter["record"]["n"] for letter in letters(path)]
    assert sorted(kept) == list(range(1, 400, 2)), "each refused record has one letter"
    assert set(receiver.messages()) == {f"number {i}" for i in range(0, 400, 2)}


@pytest.mark.parametrize("more", ["batch: {count: 1}", "batch: {count: 6, every: 20ms}\n    concurrency: 4",
                                  "batch: {count: 6, every: 20ms}\n    when_full: block\n    queue: 64KiB"])
def test_whatever_the_receiver_does_every_record_is_somewhere(tmp_path, logboom, more):
    """Random failures, answers record by record, redirects, broken connections, and three kills."""
    seed = int(os.environ.get("LB_SEED", time.time_ns() % 10**9))
    print(f"LB_SEED={seed}")
    dice, lines = random.Random(seed), 600

    def decide(records):
        bad = [r["n"] % 7 == 0 for r in records]
        roll = dice.random()
        if roll < 0.1:
            return dice.choice([408, 425, 429, 500, 502, 503, 599])
        if roll < 0.13:
            return 429, {"Retry-After": "0"}, ""
        if roll < 0.16:
            return 200, {"Content-Length": "100"}, "cut"  # broken off: tried again
        if len(records) > 1 and roll < 0.6:
            statuses = [400 if b else dice.choice([200, 200, 200, 503]) for b in bad]
            for record, status in zip(records, statuses):
                if status == 200:
                    taken.add(record["n"])
            return 207, {}, json.dumps([{"status": s} for s in statuses])
        if any(bad):
            return dice.choice([400, 422, 413])
        taken.update(r["n"] for r in records)
        return 200

    taken = set()
    receiver = Receiver(decide)
    write_lines(tmp_path / "in.log", 0, lines)
    daemon = logboom(CONFIG.format(dir=tmp_path, url=receiver.url, more=more).replace("20ms, max: 100ms",
                                                                                      "1ms, max: 5ms"))
    path = daemon.dir / "data/dead-letters/hook.jsonl"
    for _ in range(3):
        seen = len(receiver.requests)
        daemon.start()
        wait_for(lambda: len(receiver.requests) > seen + 20 or daemon.process.poll() is not None, 60, "requests")
        daemon.kill()
    daemon.start("--exit-at-eof")
    assert daemon.wait(120) == 0, daemon.log()
    kept = [letter["record"]["n"] for letter in letters(path)]
    assert sorted(kept) == list(range(0, lines, 7)), "each refused record has one letter"
    assert taken == {n for n in range(lines) if n % 7}


def letters_whole(path):
    """Whole lines only: a killed writer may have left a part of one."""
    return path.read_bytes().split(b"\n")[:-1] if path.exists() else []


def done(path):
    return len(letters_whole(path)) >= 200


def test_letters_that_cannot_be_written_are_not_lost(tmp_path, logboom):
    receiver = Receiver(refuse_fifths)
    blocker = tmp_path / "letters"
    blocker.write_text("a file where a directory should be")
    write_lines(tmp_path / "in.log", 0, 10)
    daemon = logboom(CONFIG.format(dir=tmp_path, url=receiver.url,
                                   more=f"dead_letter: {{path: '{blocker}/hook.jsonl'}}")).start().ready()

    def hook():
        status, text = daemon.get("/health")
        return next(c for c in json.loads(text)["components"] if c["name"] == "hook") | {"http": status}

    wait_for(lambda: "dead_letter_problem" in hook(), 30, "the problem in health")
    state = hook()
    assert state["http"] == 503 and "cannot write dead letters" in state["dead_letter_problem"]
    assert str(blocker) in state["dead_letter_problem"]
    blocker.unlink()
    wait_for(lambda: len(letters(blocker / "hook.jsonl")) == 2, 30, "the letters, once there is room for them")
    wait_for(lambda: hook()["http"] == 200, 30, "health is fine again")
    assert daemon.stop() == 0


def test_a_full_file_blocks_until_it_is_replayed(tmp_path, logboom):
    refusing = Receiver(lambda records: 400)
    write_lines(tmp_path / "in.log", 0, 2000)
    text = CONFIG.format(dir=tmp_path, url=refusing.url, more="dead_letter: {max_size: 64KiB}\n    queue: 64KiB")
    daemon = logboom(text).start().ready()
    path = daemon.dir / "data/dead-letters/hook.jsonl"

    def problem():
        return next(c for c in json.loads(daemon.get("/health")[1])["components"] if c["name"] == "hook").get(
            "dead_letter_problem", "")

    wait_for(lambda: "reached their bound" in problem(), 60, "the bound")
    assert path.stat().st_size <= 64 * 1024
    accepting = Receiver(lambda records: 200)
    config = tmp_path / "replay.yaml"
    config.write_text(daemon.config.read_text().replace(refusing.url, accepting.url))

    def replay_all():
        if path.exists():
            subprocess.run([BIN, "replay", "-c", str(config), str(path)], capture_output=True, timeout=60)
        return len(set(accepting.messages())) == 2000

    wait_for(replay_all, 120, "all records through replay")
    assert daemon.stop() == 0, daemon.log()


@pytest.mark.parametrize("form", ["imf", "rfc850", "asctime"])
def test_waits_until_the_date_of_retry_after(tmp_path, form):
    formats = {"imf": "%a, %d %b %Y %H:%M:%S GMT", "rfc850": "%A, %d-%b-%y %H:%M:%S GMT", "asctime": "%a %b %e %H:%M:%S %Y"}
    due, again = [], []

    def decide(records):
        if due:
            again.append(time.time())
            return 200
        due.append(int(time.time()) + 3)
        return 429, {"Retry-After": time.strftime(formats[form], time.gmtime(due[0]))}, ""

    receiver = Receiver(decide)
    write_lines(tmp_path / "in.log", 0, 1)
    run_to_end(tmp_path, CONFIG.format(dir=tmp_path, url=receiver.url, more=""), 60)
    assert len(again) == 1 and again[0] >= due[0], "the date was not followed"


def test_the_circuit_opens_and_closes(tmp_path, logboom):
    state = {"status": 503}
    receiver = Receiver(lambda records: state["status"])
    write_lines(tmp_path / "in.log", 0, 40)
    daemon = logboom(CONFIG.format(dir=tmp_path, url=receiver.url, more="concurrency: 8")).start().ready()
    wait_for(lambda: daemon.metric("logboom_sink_circuit_open", sink="hook") == 1, 30, "an open circuit")
    seen = len(receiver.requests)
    wait_for(lambda: len(receiver.requests) >= seen + 9, 30, "an end of what was in flight before")
    receiver.most_busy, seen = 0, len(receiver.requests)
    wait_for(lambda: len(receiver.requests) >= seen + 5, 30, "probes")
    assert receiver.most_busy == 1, "one request at a time while the circuit is open"
    status, text = daemon.get("/health")
    assert status == 503 and "circuit open" in text
    state["status"] = 200
    wait_for(lambda: len(set(receiver.messages())) == 40, 30, "everything delivered")
    wait_for(lambda: daemon.metric("logboom_sink_circuit_open", sink="hook") == 0, 30, "a closed circuit")
    wait_for(lambda: daemon.get("/health")[0] == 200, 30, "health is fine again")
    assert daemon.stop() == 0


def test_statuses_mean_what_the_user_says(tmp_path):
    left = [404, 404, 409]
    receiver = Receiver(lambda records: left.pop(0) if left else 503 if records[0]["n"] == 2 else 200)
    write_lines(tmp_path / "in.log", 0, 4)
    run_to_end(tmp_path, CONFIG.format(dir=tmp_path, url=receiver.url, more="").replace(
        "max: 100ms", "max: 100ms, status: {404: retry, 409: accept, 5xx: refuse}"), 60)
    assert [(records[0]["n"], status) for _, records, status in receiver.requests] == [
        (0, 404), (0, 404), (0, 409), (1, 200), (2, 503), (3, 200)]
    assert [x["kind"] for x in letters(tmp_path / "data/dead-letters/hook.jsonl")] == ["http_503"]


def test_an_answer_record_by_record(tmp_path):
    """As bulk APIs answer: what failed for now is sent again alone, what is refused becomes a letter."""
    tries = {}

    def decide(records):
        items = []
        for record in records:
            n = record["n"]
            tries[n] = tries.get(n, 0) + 1
            status = 400 if n == 3 else 429 if n in (5, 6) and tries[n] < 3 else 201
            items.append({"create": {"status": status} | ({"error": {"type": "mapper"}} if status == 400 else {})})
        return 200, {}, json.dumps({"errors": True, "items": items})

    receiver = Receiver(decide)
    write_lines(tmp_path / "in.log", 0, 10)
    run_to_end(tmp_path, CONFIG.format(dir=tmp_path, url=receiver.url, more="batch: {count: 10, every: 100ms}"), 60)
    assert tries == {n: 3 if n in (5, 6) else 1 for n in range(10)}
    assert [[r["n"] for r in records] for _, records, _ in receiver.requests] == [list(range(10)), [5, 6], [5, 6]]
    ids = [key for key, _, _ in receiver.requests]
    assert ids[1] == ids[2] != ids[0]
    kept = letters(tmp_path / "data/dead-letters/hook.jsonl")
    assert [x["record"]["n"] for x in kept] == [3] and '{"type": "mapper"}' in kept[0]["reason"]


def test_a_wrong_status_rule_is_a_fault(tmp_path):
    (tmp_path / "c.yaml").write_text(CONFIG.format(dir=tmp_path, url="http://127.0.0.1:1/", more="").replace(
        "max: 100ms", "max: 100ms, status: {4o4: retry}"))
    run = subprocess.run([BIN, "check", str(tmp_path / "c.yaml")], capture_output=True, text=True)
    assert run.returncode == 1 and "c.yaml:11:" in run.stderr and "4o4: retry" in run.stderr


def test_single_refusals_do_not_fail_health_but_many_in_a_row_do(tmp_path, logboom):
    receiver = Receiver(refuse_fifths)
    write_lines(tmp_path / "in.log", 0, 101)
    daemon = logboom(CONFIG.format(dir=tmp_path, url=receiver.url, more="")).start().ready()
    path = daemon.dir / "data/dead-letters/hook.jsonl"
    wait_for(lambda: len(letters(path)) == 21, 30, "the letters")
    status, text = daemon.get("/health")
    assert status == 200 and '"dead_letters":21' in text
    receiver.decide = lambda records: (401, {}, "who are you?")
    write_lines(tmp_path / "in.log", 101, 10)
    wait_for(lambda: daemon.get("/health")[0] == 503, 30, "health that fails")
    assert "answered 401 who are you?" in daemon.get("/health")[1]
    receiver.decide = lambda records: 200
    write_lines(tmp_path / "in.log", 111, 1)
    wait_for(lambda: daemon.get("/health")[0] == 200, 30, "health that is fine again")
    assert daemon.stop() == 0


def test_a_reload_changes_where_letters_go(tmp_path, logboom):
    receiver = Receiver(refuse_fifths)
    other = Receiver(lambda records: 403)
    write_lines(tmp_path / "in.log", 0, 20)
    text = CONFIG.format(dir=tmp_path, url=receiver.url, more="dead_letter: {path: '%s/first.jsonl'}" % tmp_path)
    daemon = logboom(text).start().ready()
    wait_for(lambda: len(letters(tmp_path / "first.jsonl")) == 4, 30, "the first letters")
    daemon.write_config(text.replace("first.jsonl", "second.jsonl").replace(receiver.url, other.url))
    daemon.process.send_signal(signal.SIGHUP)

    def second():
        write_lines(tmp_path / "in.log", second.next, 1)
        second.next += 1
        return len(letters(tmp_path / "second.jsonl")) >= 5

    second.next = 20
    wait_for(second, 30, "letters in the new file")
    assert daemon.stop() == 0, daemon.log()
    daemon.start("--exit-at-eof")
    assert daemon.wait(60) == 0, daemon.log()
    kept = letters(tmp_path / "first.jsonl") + letters(tmp_path / "second.jsonl")
    numbers = [x["record"]["n"] for x in kept]
    assert len(set(numbers)) == len(numbers)
    assert set(numbers) | {int(m.split()[1]) for m in receiver.messages()} == set(range(second.next))
