"""Every channel against a recorder that is as strict as its service's documents, and against all that a service or a
network may do. One logboom runs all of them at once; each channel is judged by itself."""
import http.server
import json
import threading
import time

import pytest

from alerts_in import config, letters, line, raise_alert, started
from channel_schemas import CHANNELS, CONTROL, texts
from harness import Logboom, wait_for

NASTY = ("Failed password <!channel> <!here> <@U1|x> &amp; &lt; @everyone @here <@&1> **b** __u__ ~~s~~ ||x|| [x](http://y) "
         "`c` ```\r\nX-Evil: 1\r\n\r\n\"}],\"x\":[{ \\ \\u0000 \u0000\u0007\u001b[31m\u202e\u2028\ufeff ${HOME} {title} %s "
         "<b>x</b> <script> &From=1&Body=2 é漢😀")


class Recorder:
    """A service. `steps` say what becomes of the n-th request; behind their end all of them succeed.

    A step: None (success), (status, body[, headers]), "hang", "half" (a part of an answer), "reset", "redirect".
    """

    def __init__(self, channel, steps=()):
        self.channel, self.steps = channel, list(steps)
        self.requests = []  # (step, path, body, monotonic time)
        self.faults, self.astray = [], []
        self.lock = threading.Lock()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                outer.handle(self)

            def do_GET(self):
                outer.astray.append(self.path)
                self.answer((200, ""))

            def answer(self, answer):
                status, text, headers = (*answer, {})[:3]
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def check(self, path, headers, body):
        try:
            assert "x-evil" not in headers, "a header was injected"
            self.channel.check(path, headers, body)
            if self.channel.name != "sms":
                for text in texts(json.loads(body)):
                    if self.channel.name != "webhook":
                        assert not CONTROL.search(text), f"a control character: {text[:200]!r}"
        except Exception as fault:  # noqa: BLE001 - every fault is a finding
            self.faults.append(f"{fault!r} in {body[:2000]}")

    def handle(self, request):
        body = request.rfile.read(int(request.headers["content-length"]))
        if request.path == "/astray":
            self.astray.append(request.path)
        self.check(request.path, request.headers, body)
        with self.lock:
            step = self.steps.pop(0) if self.steps else None
            self.requests.append((step, request.path, body, time.monotonic()))
        if step is None:
            request.answer(self.channel.success)
        elif step == "hang":
            wait_for(lambda: len(self.requests) > self.number(step) + 1, 60, "the next try")
            request.close_connection = True
        elif step == "half":
            request.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{\"ok\":true")
            request.close_connection = True
        elif step == "reset":
            request.close_connection = True
        elif step == "redirect":
            request.answer((307, "", {"Location": f"{self.url}/astray"}))
        else:
            request.answer(step)

    def number(self, step):
        return next(i for i, each in enumerate(self.requests) if each[0] == step)

    def taken(self):
        return [each for each in self.requests if each[0] is None]


def sinks(recorders, timeout="60s"):
    """A busy machine must not make a try of its own: what is to be given up is given up late."""
    options = f"timeout: {timeout}, retry: {{first: 10ms, max: 50ms}}"
    return "\n".join(f"  {name}: " + (recorder.channel.sink % options).replace("{url}", recorder.url)
                     for name, recorder in recorders.items())


def run(directory, recorders, scenario, **options):
    """logboom over all of them, with records of level fatal and the rule's alerts for each."""
    names = list(recorders)
    text = config(sinks(recorders, **options), names).replace(
        "  - {to: all}", f"  - {{to: all}}\n  - {{where: level == fatal, to: {json.dumps(names)}}}")
    daemon = started(Logboom(directory, text))
    try:
        scenario(daemon)
        assert daemon.stop() == 0, daemon.log()
    finally:
        daemon.kill()
    return daemon


def by_name(make):
    return {channel.name: Recorder(channel, make(channel)) for channel in CHANNELS}


@pytest.fixture(scope="module")
def nasty(tmp_path_factory):
    """Alerts and records whose every text is what a stranger would try, and one of a megabyte."""
    recorders = by_name(lambda channel: ())

    def scenario(daemon):
        raise_alert(daemon, NASTY, ip=NASTY[16:130])
        with open(daemon.dir / "app.log", "ab") as log:
            log.write(line(NASTY, level="fatal", service=NASTY, host=NASTY).encode())
            log.write(b'{"level":"fatal","service":"caf\xe9","message":"\xff\xfe broken \xc3\x28 \xed\xa0\x80"}\n')
            big = ("<&`*@漢\\\"\x01" * 50000)[:400000]
            log.write(line(big, level="fatal", service="big").encode())
            log.write(line("", level="fatal").encode())
        for name, recorder in recorders.items():
            wait_for(lambda: len(recorder.taken()) >= 6 * recorder.channel.copies, 90, f"all of {name}")

    return recorders, run(tmp_path_factory.mktemp("nasty") / "lb", recorders, scenario)


@pytest.mark.parametrize("name", [channel.name for channel in CHANNELS])
def test_no_text_breaks_or_injects_anything(nasty, name):
    recorders, daemon = nasty
    recorder = recorders[name]
    assert recorder.faults == [], recorder.faults[0]
    assert len(recorder.requests) == 6 * recorder.channel.copies and not letters(daemon, name)


@pytest.fixture(scope="module")
def faults(tmp_path_factory):
    """Five ways to fail for now, then a success; then one message that is refused for good, and one that is not."""
    def steps(channel):
        busy = [(429, channel.busy)] if channel.busy else []
        return [(429, "", {"Retry-After": "1"}), *busy, (503, "busy"), "half", "reset", "hang", *[None] * channel.copies,
                channel.refused, *["redirect"] * channel.copies]

    recorders = by_name(steps)

    def scenario(daemon):
        def write(text):
            with open(daemon.dir / "app.log", "a") as log:
                log.write(line(text, level="fatal"))

        write("first")
        for name, recorder in recorders.items():
            wait_for(lambda: len(recorder.taken()) >= recorder.channel.copies, 90, f"the first of {name}")
        write("second")
        write("third")
        write("fourth")
        for name, recorder in recorders.items():
            wait_for(lambda: not recorder.steps, 60, f"all steps of {name}")
            wait_for(lambda: len(recorder.taken()) + len(letters(daemon, name)) >= 4 * recorder.channel.copies, 60,
                     f"an end of all of {name}")

    return recorders, run(tmp_path_factory.mktemp("faults") / "lb", recorders, scenario, timeout="5s")


@pytest.mark.parametrize("name", [channel.name for channel in CHANNELS])
def test_what_may_pass_is_tried_again_and_what_may_not_is_kept(faults, name):
    recorders, daemon = faults
    recorder = recorders[name]
    assert recorder.faults == [], recorder.faults[0]
    assert not recorder.astray, "a redirect was followed"
    failed = len(recorder.requests) - len(recorder.taken()) - 1 - recorder.channel.copies
    tries = recorder.requests[:failed + 1]
    assert [each[0] for each in tries[:-1]].count("hang") == 1 and tries[-1][0] is None
    if name != "alertmanager":  # there the end of an alert is counted from each try
        assert len({each[2] for each in tries}) == 1, "a try is another message"
    assert tries[1][3] - tries[0][3] >= 1, "before Retry-After"
    if recorder.channel.busy:
        assert tries[2][3] - tries[1][3] >= 0.8, "before the retry_after of the body"
    kept = letters(daemon, name)
    assert len(kept) == 1 + recorder.channel.copies
    assert {each["record"]["message"] for each in kept} <= {"second", "third", "fourth"}
    assert [each["kind"] for each in kept[1:]] == ["http_307"] * recorder.channel.copies
    for secret in ("secret", "xoxb-1", "key-1", "0123456789abcdef0123456789abcdef"):
        assert secret not in daemon.log().replace("secret: ", "")
