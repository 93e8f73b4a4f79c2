"""conf/examples/host-watch.yaml at work: a machine of files and real servers make each of its rules fire."""
import os
import re
import shutil
import ssl

import pytest

from harness import ROOT, wait_for
from machine import Machine, Records, Server, certificate

EXAMPLE = ROOT / "conf/examples/host-watch.yaml"


def hurried(machine, servers, cert):
    """
    The example with nothing changed but addresses, times (seconds for minutes) and whom it tells. How full the disk is
    comes from the real file system, so there the threshold moves below and above what that says.
    """
    text = EXAMPLE.read_text()
    text = re.sub(r"data_dir: .*", "", text).replace("listen: '127.0.0.1:8686'", "listen: '{http}'")
    text = text.replace("./var/watch", "{dir}/watch")
    text = re.sub(r"  chat:\n    type: slack\n    url: .*\n",
                  "  chat: {type: file, path: '{dir}/told.jsonl', format: json, flush: 50ms}\n", text)
    text = text.replace("${HOST_ROOT:-/}", str(machine.root))
    text = text.replace("${SHOP_URL:-https://shop.example.org/health}", servers[0].url + "/health")
    text = text.replace("${ORDERS_URL:-https://orders.example.org/status}", servers[1].url + "/status")
    text = text.replace("json: {queue_depth: queue.depth}", f"ca: '{cert}'\n        json: {{queue_depth: queue.depth}}")
    text = text.replace("${DATABASE:-db.example.org:5432}", f"127.0.0.1:{servers[0].port}")
    text = re.sub(r"every: (10s|30s)", "every: 200ms", text)
    text = re.sub(r"over: \d+m", "over: 3s", text)
    text = text.replace("for: 5m", "for: 200ms").replace("alerting:\n", "alerting:\n  lateness: 1s\n")
    return text.replace("metrics_every: 5m", "metrics_every: 1s")


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_each_rule_of_the_example_fires_and_ends(logboom, tmp_path):
    cert, key = certificate(tmp_path / "tls", -1, 10)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    servers = [Server(), Server(context)]
    servers[0].answers["/health"] = Server.say(200, b"ok")
    servers[1].answers["/status"] = Server.say(200, b'{"queue": {"depth": 3}}')
    machine = Machine(tmp_path / "root")
    machine.container(1, memory=10, limit=100, name="web")
    text = hurried(machine, servers, cert)
    daemon = logboom(text).start().ready()
    told = Records(daemon.dir / "told.jsonl")

    def fires(rule, severity=None):
        def fired():
            return [r for r in told.all(rule=rule) if r["state"] in ("firing", "updated") and
                    severity in (None, r["severity"])]
        return wait_for(fired, what=f"{rule} fires {severity or ''}")[0]

    try:
        # What is well from the beginning but for the certificate, which has ten days left.
        assert "tls_days_left" in fires("certificate", "medium")["message"]
        assert not told.all(rule="health")

        machine.memory(total=1000, available=50)
        machine.container(1, memory=97, limit=100, name="web", oom_kills=2, restarts=3)
        assert fires("memory", "critical")["key"] == {"host": "web1"}
        assert fires("container_memory", "critical")
        assert fires("killed_for_memory")
        assert fires("restarts")

        # Ticks go by while the machine is busy.
        wait_for(lambda: (machine.cpu(95), told.all(rule="cpu"))[1], what="the processor's rule")

        servers[0].answers["/health"] = Server.say(500)
        assert fires("health", "critical")["key"] == {"check": "shop"}
        ended = lambda rule: any(r["state"] == "resolved" for r in told.all(rule=rule))  # noqa: E731
        servers[0].answers["/health"] = Server.say(200, b"ok")
        wait_for(lambda: ended("health"), what="the end of it")
        machine.memory(total=1000, available=900)
        wait_for(lambda: ended("memory"), what="the end of the want of memory")

        # A file that the daemon refuses is an error in its own log.
        daemon.write_config("nonsense")
        assert daemon.get("/api/v1/reload", "POST", b"")[0] != 200
        assert fires("logboom", "high")

        # The disk: what is free there, and how fast it fills, is a fact; so the thresholds move.
        stat = os.statvfs(machine.root)
        disk = min(100 * stat.f_bavail / (stat.f_blocks - stat.f_bfree + stat.f_bavail) + 20, 99.5)
        daemon.write_config(text.replace("warning: below 20%", f"warning: below {disk:.1f}%")
                            .replace("clear: above 22%", "clear: above 99.9%").replace("below 14400", "below 1000000000")
                            .replace("type: host", "type: host\n    growth_over: 2s"))
        assert daemon.get("/api/v1/reload", "POST", b"")[0] == 200
        assert fires("disk_space")["key"]["mount"] == "/"
        with open(tmp_path / "grows", "wb") as grows:
            def filled():
                grows.write(b"x" * 200000)
                grows.flush()
                return told.all(rule="disk_fills")
            assert wait_for(filled, what="the disk's growth")[0]["state"] == "firing"
        rules = set(re.findall(r"^    (\w+):", EXAMPLE.read_text().split("  rules:\n")[1], re.M))
        assert rules == {record["rule"] for record in told.all()}, "each rule of the example has fired"
    finally:
        for server in servers:
            server.close()
