"""Slack's Web API: an alert is a thread, also over a restart, and its first message can change when it is over."""
import http.server
import json
import subprocess
import threading

from alerts_in import config, letters, line, raise_alert, started, tell, until_told, wait_letters
from harness import BIN, wait_for

TOKEN = "xoxb-123-456-hunter2"


class Slack:
    """chat.postMessage and chat.update as they are documented. `errors`: words that the next calls are answered by;
    `reply_errors`: those of the next replies; `forgets`: it loses the next message that begins a thread."""

    def __init__(self):
        self.messages, self.updates, self.faults = [], [], []
        self.errors, self.reply_errors = [], []
        self.update_error = None
        self.forgets = False
        self.lock = threading.Lock()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                with outer.lock:
                    status, headers, answer = outer.call(self.path, self.headers, body)
                text = json.dumps(answer).encode()
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def call(self, path, headers, body):
        try:
            assert headers["content-type"] == "application/json; charset=utf-8"
            if headers["authorization"] != f"Bearer {TOKEN}":
                return 200, {}, {"ok": False, "error": "invalid_auth"}
            message = json.loads(body)
            assert set(message) <= {"channel", "ts", "thread_ts", "text", "mrkdwn", "unfurl_links", "unfurl_media",
                                    "attachments"}, message
            assert message["text"] and len(message["attachments"]) == 1
            errors = self.reply_errors if "thread_ts" in message and self.reply_errors else self.errors
            if errors:
                error = errors.pop(0)
                if error == 429:
                    return 429, {"Retry-After": "1"}, {"ok": False, "error": "ratelimited"}
                return 200, {}, {"ok": False, "error": error}
            if path == "/api/chat.update":
                return self.update(message)
            assert path == "/api/chat.postMessage" and "ts" not in message
            assert message["channel"] == "#ops", message
            known = {each["ts"] for each in self.messages if "thread_ts" not in each}
            if "thread_ts" in message and message["thread_ts"] not in known:
                return 200, {}, {"ok": False, "error": "thread_not_found"}
            stamp = f"1700000000.{len(self.messages):06}"
            self.messages.append({**message, "ts": "gone" if self.forgets else stamp})
            self.forgets = False
            return 200, {}, {"ok": True, "channel": "C0123456789", "ts": stamp, "message": {"text": "x"}}
        except Exception as fault:  # noqa: BLE001 - every fault is a finding
            self.faults.append(repr(fault))
            return 500, {}, {}

    def update(self, message):
        assert message["channel"] == "C0123456789" and "thread_ts" not in message
        if self.update_error:
            return 200, {}, {"ok": False, "error": self.update_error}
        if message["ts"] not in {each["ts"] for each in self.messages}:
            return 200, {}, {"ok": False, "error": "message_not_found"}
        self.updates.append(message)
        return 200, {}, {"ok": True, "channel": "C0123456789", "ts": message["ts"], "text": message["text"]}


def sink(slack, more=""):
    return config(f"""
  chat:
    type: slack
    token: {TOKEN}
    channel: '#ops'
    endpoint: {slack.url}
    retry: {{first: 10ms}}
    {more}
""", ["chat"])


def test_an_alert_is_a_thread_over_a_restart(logboom):
    slack = Slack()
    daemon = started(logboom(until_told(sink(slack, "update: true"))))
    tell(daemon, 1, text="Failed password <!channel> <@U1>")
    wait_for(lambda: len(slack.messages) == 1, 60, "firing")
    assert daemon.stop() == 0, daemon.log()
    daemon.start().ready()
    with open(daemon.dir / "app.log", "a") as log:
        log.write(line("something else"))
    tell(daemon, 0)
    wait_for(lambda: len(slack.updates) == 1, 60, "resolved")
    firing, resolved = slack.messages
    assert "thread_ts" not in firing and resolved["thread_ts"] == firing["ts"]
    assert slack.updates[0]["ts"] == firing["ts"] and slack.updates[0]["text"] == "Resolved: logins"
    assert slack.updates[0]["attachments"][0]["color"] == resolved["attachments"][0]["color"]
    tell(daemon, 1)
    wait_for(lambda: len(slack.messages) == 3, 60, "another alert")
    tell(daemon, 0)
    wait_for(lambda: len(slack.updates) == 2, 60, "its end")
    assert daemon.stop() == 0 and not slack.faults, slack.faults
    assert "thread_ts" not in slack.messages[2] and slack.messages[3]["thread_ts"] == slack.messages[2]["ts"]
    assert "hunter2" not in daemon.log() and not letters(daemon, "chat")


def test_two_alerts_are_two_threads(logboom):
    slack = Slack()
    daemon = started(logboom(sink(slack)))
    raise_alert(daemon, ip="10.0.0.1")
    raise_alert(daemon, ip="10.0.0.2")
    wait_for(lambda: len(slack.messages) == 4, 60, "both")
    assert daemon.stop() == 0 and not slack.faults and not slack.updates
    roots = {each["ts"]: json.dumps(each["attachments"]) for each in slack.messages if "thread_ts" not in each}
    assert len(roots) == 2
    for reply in (each for each in slack.messages if "thread_ts" in each):
        ip = "10.0.0.1" if "10.0.0.1" in json.dumps(reply["attachments"]) else "10.0.0.2"
        assert ip in roots[reply["thread_ts"]]


def test_what_slack_answers_decides(logboom):
    slack = Slack()
    slack.errors = [429, "internal_error", "channel_not_found"]
    daemon = started(logboom(sink(slack)))
    raise_alert(daemon)
    (letter,) = wait_letters(daemon, "chat", 1)
    assert "channel_not_found" in letter["reason"] and letter["record"]["state"] == "firing"
    wait_for(lambda: len(slack.messages) == 1, 60, "resolved")
    assert "thread_ts" not in slack.messages[0] and not slack.errors
    # A thread that somebody has deleted begins anew; what cannot be changed is told all the same.
    slack.reply_errors = ["thread_not_found"]
    raise_alert(daemon)
    wait_for(lambda: len(slack.messages) == 3, 60, "firing and resolved")
    assert "thread_ts" not in slack.messages[2] and not slack.reply_errors
    assert daemon.stop() == 0 and not slack.faults and len(letters(daemon, "chat")) == 1


def test_a_first_message_that_cannot_change_is_no_loss(logboom):
    slack = Slack()
    daemon = started(logboom(sink(slack, "update: true")))
    slack.update_error = "cant_update_message"
    raise_alert(daemon)
    wait_for(lambda: len(slack.messages) == 2, 60, "firing and resolved")
    wait_for(lambda: "the first message cannot be changed" in daemon.log(), 30, "the warning")
    # One that was deleted: the end is a message of its own.
    slack.update_error = None
    slack.forgets = True
    raise_alert(daemon)
    wait_for(lambda: len(slack.updates) == 1, 60, "resolved")
    assert daemon.stop() == 0 and not letters(daemon, "chat") and not slack.faults, slack.faults
    assert "thread_ts" not in slack.messages[3] and slack.updates[0]["ts"] == slack.messages[3]["ts"]


def test_check_says_what_is_wrong(logboom):
    for options, words in (("token: xoxb-1, channel: '#ops', url: 'https://h'", "url: either a webhook's url, or token"),
                           ("token: 'xoxb hunter2', channel: '#ops'", "token: expected a bot's token"),
                           ("token: xoxb-1", "channel: expected a channel's id"),
                           ("url: 'https://h', update: true", "update: token is missing"),
                           ("update: false", "url: expected an http")):
        daemon = logboom(config(f"\n  chat: {{type: slack, {options}}}\n", ["chat"]))
        check = subprocess.run([BIN, "check", "-c", str(daemon.config)], capture_output=True, text=True)
        assert check.returncode == 1 and words in check.stderr, check.stderr
        assert "hunter2" not in check.stderr
