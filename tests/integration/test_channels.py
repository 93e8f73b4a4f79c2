"""Alerts from the log line to the people: Slack, PagerDuty and a webhook, each told once that it fires and once that
it is over."""
import datetime
import http.server
import json
import subprocess
import threading

from harness import BIN, wait_for

KEY = "0123456789abcdef0123456789abcdef"
CONFIG = """
    sources:
      app: {type: file, include: ['{dir}/app.log'], parse: json}
    routes:
      - to: all
      - {where: level == fatal, to: pager}
    sinks:
      all: {type: file, path: '{dir}/all.log', flush: 200ms}
      chat: {type: slack, url: '%(slack)s/services/T0/B0/hunter2', retry: {first: 10ms}}
      pager: {type: pagerduty, routing_key: KEY, endpoint: '%(pagerduty)s', retry: {first: 10ms}}
      hook: {type: webhook, url: '%(hook)s', retry: {first: 10ms}}
    alerting:
      lateness: 1s
      rules:
        logins:
          where: message contains "Failed password"
          value: count()
          over: 2s
          by: client_ip
          critical: at least 3
          runbook: https://wiki.example.org/logins
          to: [chat, pager, hook]
""".replace("KEY", KEY)


class Recorder:
    """Answers the n-th request by the n-th of `answers` (status, body), then by the last one for ever."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.taken = []  # (path, body) of what was answered 2xx
        self.tries = 0
        lock = threading.Lock()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                with lock:
                    outer.tries += 1
                    status, text = outer.answers.pop(0) if len(outer.answers) > 1 else outer.answers[0]
                    if status < 300:
                        outer.taken.append((self.path, json.loads(body)))
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def line(message, **fields):
    stamp = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return json.dumps({"timestamp": stamp, "level": "warn", "message": message, **fields}) + "\n"


def test_people_are_told_once_that_it_fires_and_once_that_it_is_over(logboom):
    slack = Recorder((503, "busy"), (200, "ok"))
    pagerduty = Recorder((429, "slow"), (202, '{"status":"success"}'))
    hook = Recorder((200, ""))
    daemon = logboom(CONFIG % {"slack": slack.url, "pagerduty": pagerduty.url, "hook": hook.url})
    daemon.dir.mkdir(parents=True, exist_ok=True)
    (daemon.dir / "app.log").touch()
    daemon.start().ready()
    nasty = 'Failed password for <!channel> @here ```\r\nX: 1\r\n\r\n"}]'
    with open(daemon.dir / "app.log", "a") as log:
        # What a log line says of itself is told as a record: it opens an incident of its own and resolves none.
        log.write(line("forged", level="fatal", event="alert", state="resolved", rule="logins", severity="critical"))
        log.write(3 * line(nasty, client_ip="10.0.0.1"))
    for recorder, count in ((slack, 2), (hook, 2), (pagerduty, 3)):
        wait_for(lambda: len(recorder.taken) >= count, 60, "firing and resolved")
    assert daemon.stop() == 0

    assert [len(r.taken) for r in (slack, hook, pagerduty)] == [2, 2, 3]
    assert slack.tries == 3 and pagerduty.tries == 4  # each refused one was tried again
    fired, resolved = (body for _, body in hook.taken)
    assert (fired["state"], resolved["state"]) == ("firing", "resolved")

    (path, first), (_, second) = slack.taken
    assert path == "/services/T0/B0/hunter2"
    assert first["text"].startswith("Firing: logins") and second["text"] == "Resolved: logins"
    blocks = first["attachments"][0]["blocks"]
    assert blocks[0]["text"]["text"] == fired["message"]
    assert blocks[-1]["text"]["text"].count("```") == 2 and "&lt;!channel&gt;" in blocks[-1]["text"]["text"]
    assert first["attachments"][0]["color"] != second["attachments"][0]["color"]

    forged = [body for _, body in pagerduty.taken if body["dedup_key"] != fired["fingerprint"]]
    events = [body for _, body in pagerduty.taken if body["dedup_key"] == fired["fingerprint"]]
    assert [e["event_action"] for e in events] == ["trigger", "resolve"]
    assert [e["event_action"] for e in forged] == ["trigger"]
    assert all(e["routing_key"] == KEY for e in events) and all(path == "/v2/enqueue" for path, _ in pagerduty.taken)
    assert events[0]["payload"]["severity"] == "critical" and events[0]["payload"]["summary"] == fired["message"]
    assert events[0]["links"] == [{"text": "Runbook", "href": "https://wiki.example.org/logins"}]
    for secret in (KEY, "hunter2"):
        assert secret not in daemon.log()


def test_check_says_what_is_wrong_with_a_key_and_does_not_show_it(logboom):
    config = (CONFIG % {"slack": "http://h", "pagerduty": "http://h", "hook": "http://h"}).replace(KEY, "hunter3")
    daemon = logboom(config)
    check = subprocess.run([BIN, "check", "-c", str(daemon.config)], capture_output=True, text=True)
    assert check.returncode == 1
    assert "routing_key: expected the integration key of a service (Events API v2): 32 letters and digits" in check.stderr
    assert "hunter3" not in check.stdout + check.stderr


def test_a_refused_page_that_is_replayed_is_still_a_page(logboom):
    pagerduty = Recorder((400, "no"), (400, "no"), (202, "{}"))
    hook = Recorder((200, ""))
    daemon = logboom(CONFIG % {"slack": hook.url, "pagerduty": pagerduty.url, "hook": hook.url})
    daemon.dir.mkdir(parents=True, exist_ok=True)
    (daemon.dir / "app.log").touch()
    daemon.start().ready()
    with open(daemon.dir / "app.log", "a") as log:
        log.write(3 * line("Failed password", client_ip="10.0.0.1"))
    letters = daemon.dir / "data/dead-letters/pager.jsonl"
    wait_for(lambda: letters.exists() and letters.read_text().count("\n") == 2, 60, "two dead letters")
    assert daemon.stop() == 0
    assert [json.loads(each)["record"]["state"] for each in letters.read_text().splitlines()] == ["firing", "resolved"]
    replay = subprocess.run([BIN, "replay", "-c", str(daemon.config), str(letters)], capture_output=True, text=True)
    assert replay.returncode == 0, replay.stderr
    events = [body for _, body in pagerduty.taken]
    assert [e["event_action"] for e in events] == ["trigger", "resolve"]
    assert len({e["dedup_key"] for e in events}) == 1


def channels_test(daemon, *words):
    return subprocess.run([BIN, "channels", "test", "-c", str(daemon.config), *words], capture_output=True, text=True)


def test_a_channel_can_be_tested(logboom):
    slack = Recorder((503, "busy"), (200, "ok"))
    pagerduty = Recorder((400, "invalid event"))
    hook = Recorder((503, "busy"))
    daemon = logboom(CONFIG % {"slack": slack.url, "pagerduty": pagerduty.url, "hook": hook.url})
    # It ends by its time alone, which must be enough for an answer: meanwhile the others.
    busy = subprocess.Popen([BIN, "channels", "test", "-c", str(daemon.config), "hook", "--timeout", "5s"], text=True,
                            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    done = channels_test(daemon, "chat", "--severity", "critical")
    assert (done.returncode, done.stdout) == (0, "chat: a test alert was told, and that it is over\n"), done.stderr
    assert [body["text"] for _, body in slack.taken] == ["Firing: channel_test (critical)", "Resolved: channel_test"]
    done = channels_test(daemon, "pager")
    assert done.returncode == 1 and "pager: not told: the receiver answered 400 invalid event" in done.stderr
    assert pagerduty.tries == 2
    said = busy.communicate()[1]
    assert busy.returncode == 1 and "hook: not told: the receiver answered 503 busy" in said
    for words, told in ((["nobody"], 'has no sink "nobody"'), ([], "which sink?"), (["a", "b"], 'unexpected "b"'),
                        (["chat", "--severity", "bad"], 'cannot read "bad"')):
        done = channels_test(daemon, *words)
        assert done.returncode == 2 and told in done.stderr
    done = channels_test(daemon, "all")
    assert done.returncode == 1 and "name a network sink" in done.stderr
    assert not (daemon.dir / "data").exists()
