"""Webhooks in other forms than logboom's own: Alertmanager's, CloudEvents, JSON that people write; keys that change."""
import base64
import hashlib
import hmac
import http.server
import json
import re
import subprocess
import threading

from alerts_in import config, letters, problem, raise_alert, started, wait_letters
from harness import BIN, wait_for

NASTY = 'Failed password "}], <!channel> \\" {title}\r\n\u0000\u202e${HOME} {{x}}'


class Receiver:
    """Keeps every request; answers by the next of `answers`, then by the last one for ever."""

    def __init__(self, *answers):
        self.answers, self.requests = list(answers) or [200], []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                outer.requests.append((dict(self.headers.items()), body))
                self.send_response(outer.answers.pop(0) if len(outer.answers) > 1 else outer.answers[0])
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/in"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def hook(receiver, more):
    return config(f"""
  hook:
    type: webhook
    url: {receiver.url}
    retry: {{first: 10ms}}
    {more}
""", ["hook"])


def told(logboom, more, text=NASTY):
    """The two requests of an alert: it fires, it is over."""
    receiver = Receiver()
    daemon = started(logboom(hook(receiver, more)))
    raise_alert(daemon, text)
    wait_for(lambda: len(receiver.requests) == 2, 60, "firing and resolved")
    assert daemon.stop() == 0, daemon.log()
    assert not letters(daemon, "hook")
    return receiver.requests


RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$")


def test_the_form_of_alertmanager(logboom):
    firing, resolved = (json.loads(body) for _, body in told(logboom, "format: alertmanager"))
    for body, status in ((firing, "firing"), (resolved, "resolved")):
        assert sorted(body) == sorted(["version", "groupKey", "truncatedAlerts", "status", "receiver", "groupLabels",
                                       "commonLabels", "commonAnnotations", "externalURL", "alerts"])
        assert (body["version"], body["truncatedAlerts"], body["status"], body["receiver"]) == ("4", 0, status, "hook")
        (alert,) = body["alerts"]
        assert sorted(alert) == sorted(["status", "labels", "annotations", "startsAt", "endsAt", "generatorURL",
                                        "fingerprint"])
        assert alert["status"] == status and RFC3339.match(alert["startsAt"]) and RFC3339.match(alert["endsAt"])
        assert alert["labels"] == body["commonLabels"] == {"alertname": "logins", "severity": "critical",
                                                           "client_ip": "10.0.0.1"}
        assert all(isinstance(value, str) for value in alert["annotations"].values())
        assert alert["annotations"]["runbook_url"] == "https://wiki.example.org/logins"
        assert body["groupLabels"] == {"alertname": "logins"}
    assert firing["alerts"][0]["endsAt"] == "0001-01-01T00:00:00Z" < resolved["alerts"][0]["endsAt"]
    assert firing["groupKey"] == resolved["groupKey"]
    assert firing["alerts"][0]["startsAt"] == resolved["alerts"][0]["startsAt"]


def test_cloudevents(logboom):
    requests = told(logboom, "format: cloudevents")
    events = [json.loads(body) for _, body in requests]
    for (headers, _), event, state in zip(requests, events, ("firing", "resolved")):
        assert headers["Content-Type"] == "application/cloudevents+json; charset=UTF-8"
        assert event["specversion"] == "1.0" and event["type"] == f"io.logboom.alert.{state}.v1"
        assert RFC3339.match(event["time"]) and event["source"].startswith("/logboom/")
        assert event["subject"] == "logins/10.0.0.1" and event["datacontenttype"] == "application/json"
        assert event["data"]["state"] == state and event["partitionkey"] == event["data"]["fingerprint"]
        assert event["id"] == f"{event['data']['alert_id']}:{event['data']['sequence']}"
        assert all(re.fullmatch("[a-z0-9]{1,20}", name) for name in event)
    assert len({event["id"] for event in events}) == 2


def test_json_that_people_write(logboom):
    more = ("""body: '{"fields": {"summary": "[{severity}] {title}: {samples}", "n": {count}, "none": {nothing}, """
            """"who": {key.client_ip}, "labels": ["logboom"]}, "event": {record}}'""")
    firing, resolved = (json.loads(body) for _, body in told(logboom, more))
    assert firing["fields"]["n"] == 3 and firing["fields"]["none"] is None and firing["fields"]["who"] == "10.0.0.1"
    assert firing["fields"]["summary"].startswith("[critical] Firing: logins (critical): [\"Failed password")
    assert not re.search("[\u0000-\u0009\u000b-\u001f\u202e]", firing["fields"]["summary"])
    assert firing["event"]["state"] == "firing" and resolved["event"]["state"] == "resolved"
    assert resolved["fields"]["summary"].startswith("[critical] Resolved: logins")


def test_two_secrets_are_two_signatures(logboom):
    secrets = [base64.b64encode(letter * 32).decode() for letter in (b"n", b"o")]
    for headers, body in told(logboom, f"secret: [whsec_{secrets[0]}, whsec_{secrets[1]}]"):
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        codes = [base64.b64encode(hmac.new(base64.b64decode(key), signed, hashlib.sha256).digest()).decode()
                 for key in secrets]
        assert headers["webhook-signature"] == " ".join(f"v1,{code}" for code in codes)


def test_an_endpoint_that_is_gone_is_left_alone(logboom):
    receiver = Receiver(200, 410)
    daemon = started(logboom(hook(receiver, "concurrency: 1")))
    raise_alert(daemon)
    (letter,) = wait_letters(daemon, "hook", 1)
    assert letter["record"]["state"] == "resolved" and "410" in letter["reason"]
    wait_for(lambda: "the endpoint is gone" in problem(daemon, "hook"), 30, "that it is gone, in health")
    raise_alert(daemon, ip="10.0.0.2")
    assert "not sent: the endpoint is gone" in wait_letters(daemon, "hook", 3)[-1]["reason"]
    assert "the endpoint is gone" in problem(daemon, "hook")
    assert len(receiver.requests) == 2, "asked again though it is gone"
    assert daemon.stop() == 0
    # A new start asks again.
    receiver.answers = [200]
    run = subprocess.run([BIN, "replay", "-c", str(daemon.config), str(daemon.dir / "data/dead-letters/hook.jsonl")],
                         capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert len(receiver.requests) == 5


def test_check_says_what_is_wrong(logboom):
    for more, words in (("body: '{\"a\": {title}'", "this is no JSON once its {fields} are replaced"),
                        ("body: yaml", "body: expected json, ndjson, or JSON of your own"),
                        ("format: cloudevents\n    batch: {count: 2}", "batch.count: expected 1"),
                        ("format: alertmanager\n    body: ndjson", "with `format: alertmanager` the body is given"),
                        ("secret: [a, b, c, d, e]", "a list of up to 4 of them"),
                        ("secret: [hunter2, whsec_hunter2]", "secret: expected whsec_ and base64")):
        daemon = logboom(hook(Receiver(), more))
        check = subprocess.run([BIN, "check", "-c", str(daemon.config)], capture_output=True, text=True)
        assert check.returncode == 1 and words in check.stderr, check.stderr
        assert "hunter2" not in check.stderr
