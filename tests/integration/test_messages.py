"""What a person finds in a message without having configured anything for it: what the records have in common, a link
to the dashboard, and the command that shows the records. Every channel has them within its limits, but SMS."""
import html
import json
import pathlib
import re
import subprocess
import urllib.parse

from alerts_in import FAILED, config, line, started
from harness import BIN, Logboom, wait_for, whole_lines
from test_channel_matrix import CHANNELS, Recorder, sinks
from test_docs import event_fields

URL = "https://logs.example.org/boom"
NASTY = "Mozilla <!channel> @everyone **b** `x` [y](http://z)"
ARCHIVE = "  archive: {type: archive, path: '{dir}/archive/{service}/%Y-%m-%d.jsonl.zst', flush: 200ms}\n"


def told(body):
    """All text of a request as a person sees it: escapes and entities are undone."""
    text = body.decode()
    if text.startswith(("{", "[")):
        text = "\n".join(strings(json.loads(text)))
    return html.unescape(re.sub(r"\\(.)", r"\1", urllib.parse.unquote_plus(text)))


def read(daemon):
    return "".join(line + "\n" for line in whole_lines(daemon.dir / "all.log"))


def strings(value):
    if isinstance(value, dict):
        for key, each in value.items():
            yield f"{key}: {each}" if isinstance(each, str) else key
            yield from strings(each)
    elif isinstance(value, list):
        for each in value:
            yield from strings(each)
    elif isinstance(value, str):
        yield value


def test_every_channel_has_the_top_values_the_link_and_the_command(tmp_path):
    recorders = {channel.name: Recorder(channel) for channel in CHANNELS}
    text = config(sinks(recorders) + "\n" + ARCHIVE, [*recorders, "all"])
    text = text.replace("- {to: all}", "- {to: [all, archive]}").replace("over: 2s", "over: 5m")
    daemon = Logboom(tmp_path / "lb", text)
    # The harness knows no other option of http.
    written = daemon.config.read_text()
    daemon.config.write_text(written.replace("http: {listen", f"http: {{external_url: {URL}/, listen", 1))
    started(daemon)
    with open(daemon.dir / "app.log", "a") as log:
        for i in range(8):
            log.write(line(f"{FAILED} {i}", service="shop", client_ip="10.0.0.1", agent=NASTY, path="/login",
                           trace_id=f"{i:032x}"))
    for name, recorder in recorders.items():
        wait_for(lambda: len(recorder.taken()) >= recorder.channel.copies, 60, name)
    wait_for(lambda: "alert_id" in read(daemon), 30, "the alert as a record")
    daemon.stop()

    alert = next(each for each in map(json.loads, read(daemon).splitlines())
                 if each.get("state") == "firing")
    assert set(alert) <= event_fields() | {"host"}, "a field that docs/alerts.md does not list"
    assert alert["url"] == f"{URL}/#alert/{alert['alert_id']}"
    assert set(alert["top"]) == {"service", "agent", "path"}, "ids are no common trait, and client_ip is the key"
    assert alert["top"]["path"]["/login"] >= 2
    for name, recorder in recorders.items():
        assert not recorder.faults, (name, recorder.faults)
        text = told(recorder.taken()[0][2])
        if name == "sms":
            assert URL not in text and "logboom grep" not in text
            continue
        assert alert["url"] in text, name
        assert alert["grep"] in text, (name, text)
        if name != "alertmanager":  # which knows labels and annotations
            assert ("/login" if name == "webhook" else "/login (") in text and "path" in text, name

    # The command shows the records that made it fire.
    out = subprocess.run(["sh", "-c", alert["grep"]], capture_output=True, text=True, check=True,
                         env={"PATH": f"{pathlib.Path(BIN).parent}:/usr/bin:/bin"}).stdout.splitlines()
    assert len(out) >= 3 and all(FAILED in each for each in out)


def test_without_a_dashboard_and_an_archive_nothing_is_said_of_them(tmp_path):
    daemon = started(Logboom(tmp_path / "lb", config("", ["all"])))
    with open(daemon.dir / "app.log", "a") as log:
        log.write("".join(line(f"{FAILED} {i}", client_ip="10.0.0.1") for i in range(3)))
    wait_for(lambda: "alert_id" in read(daemon), 30, "the alert")
    daemon.stop()
    alert = next(each for each in map(json.loads, read(daemon).splitlines())
                 if each.get("state") == "firing")
    assert "url" not in alert and "grep" not in alert and "top" not in alert


def test_an_address_that_is_none_is_a_fault_of_the_configuration(tmp_path):
    for url in ("logs.example.org", "javascript:alert(1)", "https://x/<b>", "https://x/?a=b"):
        file = tmp_path / "c.yaml"
        file.write_text(f"data_dir: {tmp_path}/data\nhttp: {{listen: '127.0.0.1:1', external_url: '{url}'}}\n"
                        f"sources: {{a: {{type: file, include: ['{tmp_path}/a']}}}}\n"
                        "routes: [{to: o}]\nsinks: {o: {type: stdout}}\n")
        done = subprocess.run([BIN, "check", str(file)], capture_output=True, text=True)
        assert done.returncode != 0 and "http.external_url" in done.stdout + done.stderr, done
