"""A real Alertmanager takes what logboom posts: it shows the alert, tells its receivers, and ends it."""
import datetime
import json
import shutil
import subprocess
import urllib.request

import pytest

from alerts_in import config, letters, raise_alert, started, tell, until_told
from harness import two_free_ports, wait_for
from test_webhook_formats import Receiver

PROGRAM = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")


class Alertmanager:
    def __init__(self, directory, receiver):
        self.directory, self.port = directory, two_free_ports()
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "am.yml").write_text(f"""
route: {{receiver: hook, group_by: [alertname, client_ip], group_wait: 100ms, group_interval: 1s, repeat_interval: 1h}}
receivers: [{{name: hook, webhook_configs: [{{url: '{receiver.url}', send_resolved: true}}]}}]
""")
        self.url = f"http://127.0.0.1:{self.port}"
        self.start()

    def start(self):
        log = open(self.directory / "log", "ab")
        self.process = subprocess.Popen(
            [PROGRAM, f"--config.file={self.directory}/am.yml", f"--storage.path={self.directory}/data",
             f"--web.listen-address=127.0.0.1:{self.port}", "--cluster.listen-address="], stdout=log, stderr=log)
        wait_for(self.answers, 60, "Alertmanager")

    def answers(self):
        assert self.process.poll() is None, (self.directory / "log").read_text()
        try:
            return urllib.request.urlopen(f"{self.url}/-/ready", timeout=2).status == 200
        except OSError:
            return False

    def alerts(self):
        with urllib.request.urlopen(f"{self.url}/api/v2/alerts", timeout=5) as answer:
            return json.load(answer)

    def silence(self, alertname):
        now = datetime.datetime.now(datetime.timezone.utc)
        body = {"matchers": [{"name": "alertname", "value": alertname, "isRegex": False, "isEqual": True}],
                "startsAt": (now - datetime.timedelta(seconds=1)).isoformat(), "createdBy": "test", "comment": "known",
                "endsAt": (now + datetime.timedelta(hours=1)).isoformat()}
        request = urllib.request.Request(f"{self.url}/api/v2/silences", json.dumps(body).encode(),
                                         {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=5) as answer:
            return json.load(answer)["silenceID"]

    def unsilence(self, which):
        urllib.request.urlopen(urllib.request.Request(f"{self.url}/api/v2/silence/{which}", method="DELETE"), timeout=5)

    def stop(self):
        self.process.terminate()
        self.process.wait()


@pytest.fixture
def receiver():
    return Receiver()


@pytest.fixture
def alertmanager(tmp_path, receiver):
    if PROGRAM is None:
        pytest.skip("prometheus-alertmanager is missing; run tests/deps.sh")
    manager = Alertmanager(tmp_path / "am", receiver)
    yield manager
    manager.stop()


def told(receiver, status):
    return [alert for _, body in receiver.requests for alert in json.loads(body)["alerts"] if alert["status"] == status]


def test_it_takes_alerts_and_their_end(logboom, alertmanager, receiver):
    nasty = 'x "y" {z} \\ \u0000\u202e é <b>'
    text = config(f"  am: {{type: alertmanager, url: '{alertmanager.url}', retry: {{first: 10ms}}}}", ["am"])
    daemon = started(logboom(until_told(text)))
    tell(daemon, 1, nasty, "Failed password " + nasty)
    (alert,) = wait_for(alertmanager.alerts, 60, "the alert")
    assert alert["labels"]["alertname"] == "logins" and alert["labels"]["severity"] == "critical"
    assert alert["labels"]["client_ip"] == 'x "y" {z} \\    é <b>'
    assert alert["annotations"]["runbook_url"] == "https://wiki.example.org/logins"
    assert alert["status"]["state"] == "active" and alert["endsAt"] > alert["startsAt"]
    wait_for(lambda: told(receiver, "firing"), 60, "the receiver told that it fires")
    tell(daemon, 0, nasty)
    wait_for(lambda: told(receiver, "resolved"), 60, "the receiver told that it is over")
    assert daemon.stop() == 0 and not letters(daemon, "am"), daemon.log()
    assert told(receiver, "firing")[0]["fingerprint"] == told(receiver, "resolved")[0]["fingerprint"]


def test_its_own_webhooks_are_what_logboom_sends_in_its_form(logboom, alertmanager, receiver):
    """The same alert through Alertmanager, and directly in the form of Alertmanager: the same members, of the same kinds."""
    direct = Receiver()
    daemon = started(logboom(until_told(config(f"""
  am: {{type: alertmanager, url: '{alertmanager.url}'}}
  hook: {{type: webhook, url: '{direct.url}', format: alertmanager}}
""", ["am", "hook"]))))
    for is_open, status in ((1, "firing"), (0, "resolved")):
        tell(daemon, is_open)
        for each in (receiver, direct):
            wait_for(lambda: told(each, status), 60, status)
    assert daemon.stop() == 0
    theirs, ours = (json.loads(each.requests[0][1]) for each in (receiver, direct))
    assert set(ours) == set(theirs) and set(ours["alerts"][0]) == set(theirs["alerts"][0])
    for name in ours:
        assert type(ours[name]) is type(theirs[name]), name
    for name in ("status", "labels", "annotations"):
        assert ours["alerts"][0][name] == theirs["alerts"][0][name]
    assert ours["alerts"][0]["endsAt"] == theirs["alerts"][0]["endsAt"] == "0001-01-01T00:00:00Z"


def test_what_fires_is_told_again_after_both_have_lost_it(logboom, alertmanager, receiver):
    """Alertmanager keeps alerts in memory; after its restart logboom, started anew as well, posts what still fires."""
    text = config(f"  am: {{type: alertmanager, url: '{alertmanager.url}'}}", ["am"]).replace(
        "over: 2s", "over: 2s\n      hold: 5m")
    daemon = started(logboom(text))
    raise_alert(daemon)
    wait_for(alertmanager.alerts, 60, "the alert")
    assert daemon.stop() == 0
    alertmanager.process.kill()
    alertmanager.process.wait()
    alertmanager.start()
    assert alertmanager.alerts() == []
    daemon.start().ready()
    (alert,) = wait_for(alertmanager.alerts, 60, "the alert again")
    assert alert["labels"]["alertname"] == "logins"
    daemon.kill()


def test_its_silences_hold_back_what_logboom_posts(logboom, alertmanager, receiver):
    """Silenced there: shown as suppressed, and nobody is told; when that is over they are, and of the end too."""
    silence = alertmanager.silence("logins")
    daemon = started(logboom(until_told(config(f"  am: {{type: alertmanager, url: '{alertmanager.url}'}}", ["am"]))))
    tell(daemon, 1)
    wait_for(lambda: [a for a in alertmanager.alerts() if a["status"]["silencedBy"] == [silence]], 60, "it is silenced")
    assert alertmanager.alerts()[0]["status"]["state"] == "suppressed" and receiver.requests == []
    alertmanager.unsilence(silence)
    wait_for(lambda: told(receiver, "firing"), 60, "the receiver told that it fires")
    tell(daemon, 0)
    wait_for(lambda: told(receiver, "resolved"), 60, "the receiver told that it is over")
    assert daemon.stop() == 0 and not letters(daemon, "am")
