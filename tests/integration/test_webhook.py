"""The webhook sink against receivers that fail in every documented way."""
import base64
import hashlib
import hmac
import http.server
import json
import threading
import time

from harness import run_to_end, wait_for

SECRET = base64.b64encode(b"k" * 24).decode()


class Receiver:
    """An HTTP receiver that answers the n-th request by the n-th step, then 200 for ever. Checks every signature."""

    def __init__(self, steps):
        self.steps = list(steps)
        self.tries = []      # (id, body, step, monotonic time)
        self.accepted = []   # (id, body)
        self.faults = []
        self.lock = threading.Lock()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                outer.handle(self)

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/in"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def check(self, headers, body):
        try:
            key, stamp = headers["webhook-id"], headers["webhook-timestamp"]
            expected = hmac.new(base64.b64decode(SECRET), f"{key}.{stamp}.".encode() + body, hashlib.sha256).digest()
            assert headers["webhook-signature"] == "v1," + base64.b64encode(expected).decode(), "signature"
            assert "." not in key and abs(time.time() - int(stamp)) < 60, "id or timestamp"
            assert headers["content-type"].startswith("application/json") and headers["idempotency-key"] == key
            json.loads(body)
        except Exception as fault:  # noqa: BLE001 - every fault is a finding
            self.faults.append(repr(fault))

    def handle(self, request):
        body = request.rfile.read(int(request.headers["content-length"]))
        self.check(request.headers, body)
        key = request.headers["webhook-id"]
        with self.lock:
            step = self.steps.pop(0) if self.steps else 200
            self.tries.append((key, body, step, time.monotonic()))
            if step == 200:
                self.accepted.append((key, body))
        if step == "hang":
            request.connection.settimeout(60)
            request.connection.recv(1)  # until the sink gives it up
            request.close_connection = True
        elif step == "close":
            request.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf")
            request.close_connection = True
        elif isinstance(step, tuple):
            request.send_response(step[0])
            request.send_header("Retry-After", str(step[1]))
            request.send_header("Content-Length", "0")
            request.end_headers()
        else:
            request.send_response(step)
            request.send_header("Content-Length", "2")
            request.end_headers()
            request.wfile.write(b"ok")


CONFIG = """
sources:
  in: {{type: file, include: ['{dir}/in.log'], service: shop}}
routes:
  - {{to: hook}}
sinks:
  hook:
    type: webhook
    url: {url}
    secret: whsec_{secret}
    timeout: 5s
    retry: {{first: 20ms, max: 200ms}}
    batch: {{count: {count}, every: 50ms}}
"""


def send(directory, receiver, lines, count=1):
    work = directory / "lb"
    work.mkdir()
    (work / "in.log").write_text("".join(json.dumps({"level": "error", "message": f"number {i}"}) + "\n"
                                         for i in range(lines)))
    run_to_end(work, CONFIG.format(dir=work, url=receiver.url, secret=SECRET, count=count), 120)


def test_every_record_arrives_whatever_the_receiver_does(tmp_path):
    steps = [500, 200, (429, 1), 200, "close", 503, 200, 408, "hang", (503, 1), "close", 500]
    receiver = Receiver(steps)
    send(tmp_path, receiver, 20)
    assert receiver.faults == []
    assert [json.loads(body)["message"] for _, body in receiver.accepted] == [f"number {i}" for i in range(20)]
    assert len({key for key, _ in receiver.accepted}) == 20
    by_body = {}
    for key, body, _, _ in receiver.tries:
        by_body.setdefault(body, set()).add(key)
    assert all(len(keys) == 1 for keys in by_body.values()), "one record, one id on every try"


def test_waits_as_long_as_retry_after_says(tmp_path):
    receiver = Receiver([(429, 1), 200])
    send(tmp_path, receiver, 1)
    first, second = (when for _, _, _, when in receiver.tries)
    assert 0.95 <= second - first < 30


def test_a_refusal_for_good_is_not_tried_again(tmp_path):
    receiver = Receiver([400])
    send(tmp_path, receiver, 3)
    assert [step for _, _, step, _ in receiver.tries] == [400, 200, 200]


def test_batches_are_arrays(tmp_path):
    receiver = Receiver([])
    send(tmp_path, receiver, 25, count=10)
    sizes = [len(json.loads(body)) for _, body in receiver.accepted]
    assert sum(sizes) == 25 and max(sizes) == 10


def test_alerts_reach_the_hook_while_it_recovers(tmp_path, logboom):
    receiver = Receiver([500, (429, 1), "hang", "close"])
    source = tmp_path / "app.log"
    source.write_text("")
    daemon = logboom(f"""
sources:
  app: {{type: file, include: ['{source}'], service: shop}}
routes:
  - {{to: archive}}
sinks:
  archive: {{type: archive, path: '{tmp_path}/archive/{{service}}.jsonl.zst'}}
  hook: {{type: webhook, url: '{receiver.url}', secret: whsec_{SECRET}, timeout: 5s, retry: {{first: 20ms, max: 200ms}}}}
alerting:
  lateness: 1s
  routes:
    - to: hook
  rules:
    burst: {{value: count(level >= error), over: 2s, by: service, critical: at least 5}}
""").start().ready()
    with source.open("a") as out:
        for i in range(10):
            out.write(json.dumps({"level": "error", "message": f"it broke {i}"}) + "\n")
    wait_for(lambda: receiver.accepted, 30, "the alert at the receiver")
    alert = json.loads(receiver.accepted[0][1])
    assert alert["rule"] == "burst" and alert["state"] == "firing" and alert["severity"] == "critical"
    assert [(key, step) for key, _, step, _ in receiver.tries[:5]] == [
        (receiver.accepted[0][0], step) for step in (500, (429, 1), "hang", "close", 200)]
    assert receiver.faults == []
    wait_for(lambda: len(receiver.accepted) >= 2, 40, "the resolved event")
    assert json.loads(receiver.accepted[1][1])["state"] == "resolved"
    assert daemon.stop() == 0
