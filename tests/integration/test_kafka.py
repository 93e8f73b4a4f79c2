"""The kafka sink with a real broker: complete, in order per key, over a killed broker; alerts in their own topic."""
import collections
import json
import os
import pathlib
import subprocess
import time

import pytest

from harness import ROOT, free_port, wait_for

LINES = int(os.environ.get("LB_KAFKA_LINES", "1000000"))
OUTAGE_SECONDS = float(os.environ.get("LB_KAFKA_OUTAGE", "20"))
SERVICES = ["auth", "payments", "search"]


class Broker:
    def __init__(self, directory):
        self.directory, self.port = directory, free_port()

    def call(self, *words, **options):
        return subprocess.run([str(ROOT / "tests/kafka.sh"), words[0], str(self.directory), str(self.port), *words[1:]],
                              capture_output=True, text=True, **options)

    def start(self):
        run = self.call("start")
        if run.returncode == 3:
            pytest.skip(f"no real Kafka broker: {run.stderr.strip()}")
        assert run.returncode == 0, run.stderr

    def consume(self, topics, count):
        """(topic-partition order) rows of partition, offset, headers, key, value."""
        out = self.directory / "consumed"
        with open(out, "w") as file:
            subprocess.run([str(ROOT / "tests/kafka.sh"), "consume", str(self.directory), str(self.port), topics,
                            str(count)], stdout=file, check=True)
        with open(out) as file:
            for line in file:
                if line.startswith("Partition:"):
                    partition, offset, headers, key, value = line.rstrip("\n").split("\t", 4)
                    yield int(partition[10:]), int(offset[7:]), headers, key, json.loads(value)


@pytest.fixture
def broker(tmp_path):
    broker = Broker(tmp_path / "kafka")
    broker.start()
    yield broker
    broker.call("kill")


def write_input(path, lines):
    with open(path, "w") as out:
        for i in range(lines):
            level = "error" if i % 100 < 3 else "info"
            out.write(f'{{"level":"{level}","service":"{SERVICES[i % 3]}","msg":"line {i}","seq":{i}}}\n')


def config(directory, port):
    return f"""
commit_every: 200ms
sources:
  app: {{type: file, include: ['{directory}/in.log']}}
routes:
  - {{to: bus}}
sinks:
  bus: {{type: kafka, brokers: ['127.0.0.1:{port}'], topic: 'logs.{{service}}', key: '{{service}}', compression: lz4}}
  events: {{type: kafka, brokers: ['127.0.0.1:{port}'], topic: alerts, key: '{{fingerprint}}'}}
alerting:
  routes:
    - to: events
  rules:
    errors: {{value: ratio(level >= error), over: 1m, by: service, warning: above 1%, min_count: 50}}
"""


def test_a_million_records_arrive_in_order_over_a_killed_broker(tmp_path, logboom, broker):
    write_input(tmp_path / "in.log", LINES)
    daemon = logboom(config(tmp_path, broker.port)).start().ready()
    wait_for(lambda: daemon.metric("logboom_sink_records_total", sink="bus") > LINES / 20, 60, "the first records")
    broker.call("kill")
    delivered = daemon.metric("logboom_sink_records_total", sink="bus")
    ended = time.monotonic() + OUTAGE_SECONDS
    wait_for(lambda: time.monotonic() > ended, OUTAGE_SECONDS + 5, "the outage's length")
    assert daemon.process.poll() is None, daemon.log()
    assert delivered < LINES, "the broker was killed too late to prove anything"
    broker.start()
    wait_for(lambda: daemon.metric("logboom_sink_records_total", sink="bus") >= LINES, 180, "all records delivered")
    assert daemon.stop() == 0, daemon.log()

    rows = list(broker.consume(r"logs\..*", LINES))
    assert len(rows) >= LINES
    seen = collections.defaultdict(list)
    for _, _, headers, key, value in rows:
        assert headers.startswith("logboom-id:") and key == value["service"]
        seen[key].append(value["seq"])
    for index, service in enumerate(SERVICES):
        unique = list(dict.fromkeys(seen[service]))
        assert unique == list(range(index, LINES, 3)), f"{service}: lost or out of order"
    print(f"{LINES} records, {len(rows) - LINES} repeated after the broker was killed")
    alerts = [value for *_, value in broker.consume("alerts", 3)]
    assert {a["service"] for a in alerts} == set(SERVICES) and all(a["rule"] == "errors" for a in alerts)
