"""What tests of channels share: a configuration with one rule, and log lines that raise it and let it end.

The rule `logins` fires at the third line with FAILED within 2 s of one client_ip, and is over some seconds later.
"""
import datetime
import json

from harness import wait_for, whole_lines

FAILED = "Failed password"


def config(sinks, to, more="", alerting=""):
    """`sinks`: YAML of the sinks, indented by two; `to`: who is told."""
    return f"""
commit_every: 200ms
{more}
sources:
  app: {{type: file, include: ['{{dir}}/app.log'], parse: json}}
routes:
  - {{to: all}}
sinks:
  all: {{type: file, path: '{{dir}}/all.log', flush: 200ms}}
{sinks}
alerting:
  lateness: 1s
{alerting}
  rules:
    logins:
      where: message contains "{FAILED}"
      value: count()
      over: 2s
      by: client_ip
      critical: at least 3
      runbook: https://wiki.example.org/logins
      to: {json.dumps(to)}
"""


def rows(path):
    """The JSON lines of a file that is being written."""
    return [json.loads(each) for each in whole_lines(path)]


def now():
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="microseconds").replace("+00:00", "Z")


def line(message, at=None, **fields):
    return json.dumps({"timestamp": at or now(), "level": "warn", "message": message, **fields}) + "\n"


def started(daemon):
    daemon.dir.mkdir(parents=True, exist_ok=True)
    (daemon.dir / "app.log").touch()
    return daemon.start().ready()


def raise_alert(daemon, text=FAILED, ip="10.0.0.1"):
    """Three lines of one moment, however long it takes to write them."""
    at = now()
    with open(daemon.dir / "app.log", "a") as log:
        log.write("".join(line(text, at, client_ip=ip) for _ in range(3)))


def until_told(text):
    """A configuration whose rule fires from a line with open: 1 to one with open: 0, not for a time that may be over
    before the test has looked."""
    for old, new in (("value: count()", "value: last(open)"), ("over: 2s", "over: 1h"), ("at least 3", "at least 1")):
        assert old in text
        text = text.replace(old, new)
    return text


def tell(daemon, is_open, ip="10.0.0.1", text=FAILED):
    with open(daemon.dir / "app.log", "a") as log:
        log.write(line(text, client_ip=ip, open=is_open))


def letters(daemon, sink):
    return rows(daemon.dir / f"data/dead-letters/{sink}.jsonl")


def wait_letters(daemon, sink, count, seconds=60):
    wait_for(lambda: len(letters(daemon, sink)) >= count, seconds, f"{count} dead letters of {sink}")
    return letters(daemon, sink)


def problem(daemon, sink):
    """What health says is wrong with a sink, or ""."""
    components = json.loads(daemon.get("/health")[1])["components"]
    return next(c for c in components if c["name"] == sink).get("problem", "")
