"""The kafka sink with a real broker: complete, in order per key, over a killed broker; alerts in their own topic."""
import collections
import concurrent.futures
import datetime
import json
import os
import re
import subprocess
import threading
import time

import pytest

from harness import BIN, ROOT, two_free_ports, wait_for, whole_lines

LINES = int(os.environ.get("LB_KAFKA_LINES", "1000000"))
OUTAGE_SECONDS = float(os.environ.get("LB_KAFKA_OUTAGE", "20"))
SERVICES = ["auth", "payments", "search"]
pytestmark = pytest.mark.xdist_group("kafka")  # one broker at a time is enough memory, and one beside it


class Broker:
    def __init__(self, directory, port=None, **environment):
        self.directory, self.port, self.environment = directory, port or two_free_ports(), environment

    def call(self, *words, env=None):
        return subprocess.run([str(ROOT / "tests/kafka.sh"), words[0], str(self.directory), str(self.port), *words[1:]],
                              capture_output=True, text=True, env={**os.environ, **self.environment, **(env or {})})

    def topic(self, what, name, *options):
        run = self.call("topic", what, name, *options)
        assert run.returncode == 0, run.stderr
        return run.stdout

    def start(self, **environment):
        run = self.call("start", env=environment)
        if run.returncode == 3:
            pytest.skip(f"no real Kafka broker: {run.stderr.strip()}")
        assert run.returncode == 0, run.stderr

    def consume(self, topics):
        """All that is there, in the order of each partition: rows of partition, offset, headers, key, value."""
        out = self.directory / "consumed"
        with open(out, "w") as file:
            subprocess.run([str(ROOT / "tests/kafka.sh"), "consume", str(self.directory), str(self.port), topics],
                           stdout=file, check=True)
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


def write_input(path, first, count):
    with open(path, "a") as out:
        for i in range(first, first + count):
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


@pytest.mark.xdist_group("kafka_million")
def test_a_million_records_arrive_in_order_over_a_killed_broker(tmp_path, logboom, broker):
    first = LINES // 2
    write_input(tmp_path / "in.log", 0, first)
    daemon = logboom(config(tmp_path, broker.port)).start().ready()
    wait_for(lambda: daemon.metric("logboom_sink_records_total", sink="bus") > LINES / 20, 60, "the first records")
    broker.call("kill")
    ended = time.monotonic() + OUTAGE_SECONDS
    write_input(tmp_path / "in.log", first, LINES - first)  # so there is an outage, however late the kill came
    wait_for(lambda: time.monotonic() > ended, OUTAGE_SECONDS + 5, "the outage's length")
    assert daemon.process.poll() is None, daemon.log()
    assert daemon.metric("logboom_sink_records_total", sink="bus") <= first
    broker.start()
    wait_for(lambda: daemon.metric("logboom_sink_records_total", sink="bus") >= LINES, 180, "all records delivered")
    assert daemon.stop() == 0, daemon.log()

    rows = list(broker.consume(r"logs\..*"))
    assert len(rows) >= LINES
    seen = collections.defaultdict(list)
    for _, _, headers, key, value in rows:
        assert headers.startswith("logboom-id:") and key == value["service"]
        seen[key].append(value["seq"])
    for index, service in enumerate(SERVICES):
        unique = list(dict.fromkeys(seen[service]))
        assert unique == list(range(index, LINES, 3)), f"{service}: lost or out of order"
    print(f"{LINES} records, {len(rows) - LINES} repeated after the broker was killed")
    alerts = [value for *_, value in broker.consume("alerts")]
    assert {a["service"] for a in alerts} == set(SERVICES) and all(a["rule"] == "errors" for a in alerts)


def test_a_broker_that_is_bounced_again_and_again_costs_nothing(tmp_path, logboom, broker):
    """Stopped in order, then killed: complete, in order per key, repeats under the same id."""
    lines, part = 30000, 10000
    source = tmp_path / "in.log"
    write_input(source, 0, part)
    daemon = logboom(config(tmp_path, broker.port)).start().ready()
    for bounce in range(1, 3):
        wait_for(lambda: daemon.metric("logboom_sink_records_total", sink="bus") > part * (bounce - 1), 60, "records")
        broker.call("stop" if bounce % 2 else "kill")
        append_input(source, part * bounce, part)
        broker.start()
    wait_for(lambda: daemon.metric("logboom_sink_records_total", sink="bus") >= lines, 60, "all records delivered")
    assert daemon.stop() == 0, daemon.log()
    seen, ids = collections.defaultdict(list), {}
    for _, _, headers, key, value in broker.consume(r"logs\..*"):
        seen[key].append(value["seq"])
        assert ids.setdefault(value["seq"], headers) == headers, "a repeat has the id of the first"
    for index, service in enumerate(SERVICES):
        assert list(dict.fromkeys(seen[service])) == list(range(index, lines, 3)), f"{service}: lost or out of order"
    assert len(set(ids.values())) == lines
    assert not (daemon.dir / "data/dead-letters").exists()


def test_kill_9_in_flight_repeats_under_the_same_ids(tmp_path, logboom, broker):
    part, kills = 20000, 3
    lines = part * kills
    write_input(tmp_path / "in.log", 0, part)
    text = config(tmp_path, broker.port).replace("compression: lz4", "compression: lz4, queue: 1MiB, linger: 200ms")
    daemon = logboom(text).start().ready()
    for kill in range(1, kills + 1):
        wait_for(lambda: daemon.metric("logboom_sink_records_total", sink="bus") > 500, 60, "records on their way")
        daemon.kill()
        if kill == kills:
            daemon.start("--exit-at-eof")
        else:
            append_input(tmp_path / "in.log", part * kill, part)  # each has some to deliver, whatever the one before did
            daemon.start().ready()
    assert daemon.wait() == 0, daemon.log()
    seen, ids, rows = collections.defaultdict(list), {}, 0
    for _, _, headers, key, value in broker.consume(r"logs\..*"):
        rows += 1
        seen[key].append(value["seq"])
        assert ids.setdefault(value["seq"], headers) == headers, "a repeat has the id of the first"
    for index, service in enumerate(SERVICES):
        assert list(dict.fromkeys(seen[service])) == list(range(index, lines, 3)), f"{service}: lost or out of order"
    assert len(set(ids.values())) == lines
    print(f"{lines} records, {rows - lines} repeated over {kills} kills")


def append_input(path, first, count):
    with open(path, "a") as out:
        for i in range(first, first + count):
            out.write(f'{{"level":"info","service":"{SERVICES[i % 3]}","msg":"line {i}","seq":{i}}}\n')


def test_a_deleted_topic_waits_and_in_the_end_becomes_dead_letters(tmp_path, logboom):
    broker = Broker(tmp_path / "kafka")
    broker.start(KAFKA_AUTO_CREATE="false")
    try:
        deleted_topic(tmp_path, logboom, broker)
    finally:
        broker.call("kill")


def deleted_topic(tmp_path, logboom, broker):
    source = tmp_path / "in.log"
    source.write_text("")
    for service in SERVICES:
        broker.topic("create", f"logs.{service}")
    text = f"""
commit_every: 200ms
sources:
  app: {{type: file, include: ['{source}']}}
routes: [{{to: bus}}]
sinks:
  bus:
    type: kafka
    brokers: ['127.0.0.1:{broker.port}']
    topic: 'logs.{{service}}'
    key: '{{service}}'
    topic_timeout: 10m
    settings: {{topic.metadata.propagation.max.ms: 1000, topic.metadata.refresh.interval.ms: 1000}}
"""
    daemon = logboom(text).start().ready()

    def sent():
        return daemon.metric("logboom_sink_records_total", sink="bus")

    def problem():
        return next(c for c in json.loads(daemon.get("/health")[1])["components"] if c["name"] == "bus").get("problem", "")

    append_input(source, 0, 300)
    wait_for(lambda: sent() == 300, 30, "the first records")
    broker.topic("delete", "logs.auth")
    append_input(source, 300, 300)
    wait_for(lambda: "logs.auth" in problem() and "its records wait" in problem(), 30, "the topic in health")
    wait_for(lambda: sent() == 500, 30, "the other topics' records")
    broker.topic("create", "logs.auth")
    wait_for(lambda: sent() == 600, 40, "what waited, in the topic that is there again")
    wait_for(lambda: problem() == "", 30, "health is fine")

    daemon.write_config(text.replace("10m", "5s"))
    assert daemon.get("/api/v1/reload", "POST", b"")[0] == 200, daemon.log()
    broker.topic("delete", "logs.search")
    append_input(source, 600, 300)
    letters = daemon.dir / "data/dead-letters/bus.jsonl"
    wait_for(lambda: len(whole_lines(letters)) == 100, 60, "dead letters")
    kept = file_letters(daemon)
    assert [x["record"]["seq"] for x in kept] == list(range(602, 900, 3))
    assert all("logs.search" in x["reason"] and "UNKNOWN_TOPIC" in x["kind"] for x in kept)
    assert sent() == 800

    broker.topic("create", "logs.search")
    run = subprocess.run([BIN, "replay", "-c", str(daemon.config), str(letters)], capture_output=True, text=True,
                         timeout=60)
    assert run.returncode == 0 and "100 delivered" in run.stderr, run.stderr
    rows = list(broker.consume(r"logs\.search"))
    assert sorted(row[4]["seq"] for row in rows) == list(range(602, 900, 3))
    assert sorted(row[2] for row in rows) == sorted(f"logboom-id:{x['id']}" for x in kept), "the same ids"
    assert daemon.stop() == 0, daemon.log()


def alerts_config(directory, port):
    return f"""
commit_every: 200ms
sources:
  app: {{type: file, include: ['{directory}/in.log'], parse: json}}
routes: [{{to: all}}]
sinks:
  all: {{type: file, path: '{directory}/all.log'}}
  events:
    type: kafka
    brokers: ['127.0.0.1:{port}']
    topic: alerts
    format: cloudevents
    state_topic: alerts.state
    settings: {{topic.metadata.refresh.interval.ms: 1000}}
alerting:
  lateness: 1s
  routes: [{{to: events}}]
  rules:
    logins: {{where: message contains "Failed", value: count(), over: 2s, by: client_ip, critical: at least 3}}
"""


def headers_of(text):
    return dict(pair.split(":", 1) for pair in text.split(","))


def test_alerts_are_cloudevents_and_a_topic_of_states(tmp_path, logboom, broker):
    source = tmp_path / "in.log"
    source.write_text("")
    daemon = logboom(alerts_config(tmp_path, broker.port)).start().ready()
    for ip in ("10.0.0.1", "10.0.0.2"):
        with open(source, "a") as out:
            stamp = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
            for _ in range(3):
                out.write(json.dumps({"timestamp": stamp, "message": "Failed password", "client_ip": ip}) + "\n")
    wait_for(lambda: daemon.metric("logboom_sink_records_total", sink="events") == 4, 120, "two alerts, and their ends")
    outcomes = [each for notice in json.loads(daemon.get("/api/v1/alerts/history")[1])["notices"]
                for each in notice["deliveries"]]
    assert len(outcomes) == 4 and {each["result"] for each in outcomes} == {"delivered"}
    assert all(re.fullmatch(r"partition \d+ offset \d+", each["answer"]) for each in outcomes), outcomes
    assert daemon.stop() == 0, daemon.log()
    assert not (daemon.dir / "data/dead-letters").exists()

    events = collections.defaultdict(list)
    for _, _, headers, key, value in broker.consume("alerts"):
        ce = headers_of(headers)
        assert ce["ce_specversion"] == "1.0" and ce["content-type"] == "application/json"
        assert ce["ce_id"] == f"{value['alert_id']}:{value['sequence']}" and ce["ce_source"].startswith("/logboom/")
        assert ce["ce_type"] == f"io.logboom.alert.{value['state']}.v1" and ce["ce_severity"] == "critical"
        assert ce["ce_time"] == value["timestamp"] and ce["ce_subject"] == f"logins/{value['key']['client_ip']}"
        assert key == ce["ce_partitionkey"] == value["fingerprint"] and ce["logboom-id"]
        events[key].append(value["state"])
    assert list(events.values()) == [["firing", "resolved"]] * 2

    states = collections.defaultdict(list)
    for _, _, _, key, value in broker.consume(r"alerts\.state"):
        states[key].append(value and value["state"])
    assert dict(states) == {key: ["firing", None] for key in events}, "what is over is a tombstone"


# --- dead letters to a topic --------------------------------------------------------------------------------------

def letters_config(directory, port):
    """Records of up to 100 kB; the topic of records takes 2 kB, the one of letters 50 kB."""
    return f"""
commit_every: 200ms
sources:
  app: {{type: file, include: ['{directory}/in.log'], parse: json}}
routes: [{{to: bus}}]
sinks:
  bus:
    type: kafka
    brokers: ['127.0.0.1:{port}']
    topic: logs
    key: '{{service}}'
    compression: none
    dead_letter: {{topic: refused}}
"""


def sized_lines(path, first, count, size_of):
    with open(path, "a") as out:
        for i in range(first, first + count):
            out.write(json.dumps({"level": "info", "service": SERVICES[i % 3], "seq": i, "message": "x" * size_of(i)}) + "\n")


def large_or_huge(i):
    """Every 30th is too large for its topic, every 150th for the letters' topic too."""
    return 80000 if i % 150 == 149 else 5000 if i % 30 == 29 else 20


def file_letters(daemon):
    return [json.loads(line) for line in whole_lines(daemon.dir / "data/dead-letters/bus.jsonl")]


def letter_topics(tmp_path):
    broker = Broker(tmp_path / "kafka")
    broker.start(KAFKA_AUTO_CREATE="false")
    broker.topic("create", "logs", "--config", "max.message.bytes=2000")
    broker.topic("create", "refused", "--config", "max.message.bytes=50000")
    return broker


def check_letters(daemon, broker, lines, repeats):
    """Each record is in its topic, in the letters' topic or in the file, by its size; repeats have the id of the first."""
    arrived, lettered, ids = set(), {}, {}
    for _, _, headers, _, value in broker.consume("logs"):
        arrived.add(value["seq"])
        assert ids.setdefault(value["seq"], headers) == headers
    letters = 0
    for _, _, headers, key, value in broker.consume("refused"):
        letters += 1
        seq = value["record"]["seq"]
        assert lettered.setdefault(seq, value["id"]) == value["id"] and headers == f"logboom-id:{value['id']}"
        assert key == value["record"]["service"] and value["sink"] == "bus" and value["kind"] == "MSG_SIZE_TOO_LARGE"
        assert len(value["record"]["message"]) == large_or_huge(seq) and "topic logs: " in value["reason"]
    filed = [x["record"]["seq"] for x in file_letters(daemon)]
    assert arrived == {i for i in range(lines) if large_or_huge(i) == 20}
    assert set(lettered) == {i for i in range(lines) if large_or_huge(i) == 5000}
    assert sorted(filed) == [i for i in range(lines) if large_or_huge(i) == 80000], "in the file each has one"
    assert repeats or letters == len(lettered)
    return lettered


def test_letters_go_to_their_topic_and_what_it_refuses_to_the_file(tmp_path, logboom):
    broker, lines = letter_topics(tmp_path), 600
    try:
        sized_lines(tmp_path / "in.log", 0, lines, large_or_huge)
        daemon = logboom(letters_config(tmp_path, broker.port)).start().ready()
        wait_for(lambda: len(file_letters(daemon)) == 4 and
                 daemon.metric("logboom_dead_letters_total", sink="bus", reason="MSG_SIZE_TOO_LARGE") == 20, 90, "letters")
        assert daemon.metric("logboom_dead_letters_refused_total", sink="bus") == 4
        assert daemon.log().count("a dead letter's topic does not take it") >= 1
        health = next(c for c in json.loads(daemon.get("/health")[1])["components"] if c["name"] == "bus")
        assert health["dead_letter_topic"] == "refused" and health["dead_letters"] == 20
        wait_for(lambda: daemon.metric("logboom_sink_records_total", sink="bus") == 580, 60, "the others")
        assert daemon.stop() == 0, daemon.log()
        check_letters(daemon, broker, lines, repeats=False)

        # The topic is mended: a dump of the letters' topic is what replay reads.
        broker.topic("delete", "logs")
        broker.topic("create", "logs", "--config", "max.message.bytes=200000")
        dump = "".join(json.dumps(row[4]) + "\n" for row in broker.consume("refused"))
        run = subprocess.run([BIN, "replay", "-c", str(daemon.config), "-"], input=dump, capture_output=True, text=True,
                             timeout=60)
        assert run.returncode == 0 and "16 delivered" in run.stderr and run.stdout == "", run.stderr
        rows = list(broker.consume("logs"))
        assert sorted(row[4]["seq"] for row in rows) == [i for i in range(lines) if large_or_huge(i) == 5000]
    finally:
        broker.call("kill")


def test_kill_9_between_refusal_and_letter_loses_nothing(tmp_path, logboom):
    broker, lines = letter_topics(tmp_path), 3000
    try:
        sized_lines(tmp_path / "in.log", 0, lines, large_or_huge)
        daemon = logboom(letters_config(tmp_path, broker.port)).start().ready()
        for kills in range(1, 4):
            wait_for(lambda: daemon.metric("logboom_dead_letters_total", sink="bus", reason="MSG_SIZE_TOO_LARGE") or
                     len(file_letters(daemon)) >= 15, 60, "letters on their way")
            daemon.kill()
            daemon.start("--exit-at-eof") if kills == 3 else daemon.start().ready()
        assert daemon.wait(120) == 0, daemon.log()
        check_letters(daemon, broker, lines, repeats=True)
    finally:
        broker.call("kill")


def test_without_its_topic_letters_are_in_the_file_until_it_is_there(tmp_path, logboom):
    broker = Broker(tmp_path / "kafka")
    broker.start(KAFKA_AUTO_CREATE="false")
    try:
        broker.topic("create", "logs", "--config", "max.message.bytes=2000")
        text = letters_config(tmp_path, broker.port)
        daemon = logboom(text + "    settings: {topic.metadata.propagation.max.ms: 1000}\n").start().ready()

        def problem():
            parts = json.loads(daemon.get("/health")[1])["components"]
            return next(c for c in parts if c["name"] == "bus").get("problem", "")

        sized_lines(tmp_path / "in.log", 0, 60, large_or_huge)
        wait_for(lambda: len(file_letters(daemon)) == 2, 60, "letters in the file")
        wait_for(lambda: "topic refused: " in problem() and "kept in the file" in problem(), 30, "health")
        broker.topic("create", "refused")
        wait_for(lambda: problem() == "", 90, "health is fine without a record")
        sized_lines(tmp_path / "in.log", 60, 30, large_or_huge)
        wait_for(lambda: daemon.metric("logboom_dead_letters_total", sink="bus", reason="MSG_SIZE_TOO_LARGE") == 3, 60,
                 "a letter in the topic")
        assert daemon.stop() == 0, daemon.log()
        assert [row[4]["record"]["seq"] for row in broker.consume("refused")] == [89]
        assert len(file_letters(daemon)) == 2
    finally:
        broker.call("kill")


# --- a cluster of three -------------------------------------------------------------------------------------------

KILLS = int(os.environ.get("LB_KAFKA_LEADER_KILLS", "0"))


class Cluster:
    """Three brokers, each a controller too: one may be missing."""

    def __init__(self, directory):
        ports = []
        while len(ports) < 3:
            port = two_free_ports()
            if all(abs(port - other) > 1 for other in ports):
                ports.append(port)
        nodes = " ".join(map(str, ports))
        directory.mkdir()
        self.nodes = [Broker(directory / str(port), port, KAFKA_NODES=nodes, KAFKA_HEAP="256m") for port in ports]

    def start(self, *nodes):
        """Side by side: none answers before most of them are there."""
        with concurrent.futures.ThreadPoolExecutor() as pool:
            runs = list(pool.map(lambda node: node.call("start"), nodes or self.nodes))
        for run in runs:
            if run.returncode == 3:
                pytest.skip(f"no real Kafka brokers: {run.stderr.strip()}")
            assert run.returncode == 0, run.stderr

    def state(self, node, topic):
        """The partition's leader, and how many replicas are in sync."""
        text = node.topic("describe", topic)
        leader = int(re.search(r"Leader: (-?\d+|none)", text).group(1).replace("none", "-1"))
        return leader, len(re.search(r"Isr: ([\d,]*)", text).group(1).split(","))

    def kill(self):
        for node in self.nodes:
            node.call("kill")


def test_a_leader_that_is_killed_costs_nothing(tmp_path, logboom):
    """Each kill is followed by a restart but for the last one."""
    if KILLS == 0:
        pytest.skip("three brokers take a minute: LB_KAFKA_LEADER_KILLS says how often the leader is killed")
    cluster = Cluster(tmp_path / "kafka")
    try:
        cluster.start()
        leaders_killed(tmp_path, logboom, cluster)
    finally:
        cluster.kill()


def leaders_killed(tmp_path, logboom, cluster):
    part, source = 10000, tmp_path / "in.log"
    source.write_text("")
    with concurrent.futures.ThreadPoolExecutor() as pool:
        list(pool.map(lambda at: at[0].topic("create", f"logs.{at[1]}", "--partitions", "1", "--replication-factor", "3"),
                      zip(cluster.nodes, SERVICES)))
    brokers = ", ".join(f"'127.0.0.1:{node.port}'" for node in cluster.nodes)
    text = config(tmp_path, 0).replace("'127.0.0.1:0'", brokers).replace("lz4", "lz4, linger: 50ms, queue: 1MiB")
    daemon = logboom(re.sub(r"(?ms)^alerting:.*|^  events:.*?\n", "", text)).start().ready()

    def sent():
        return daemon.metric("logboom_sink_records_total", sink="bus")

    stop, written = threading.Event(), [0]

    def write():
        while not stop.is_set() or written[0] < part * (KILLS + 1):
            append_input(source, written[0], 100)
            written[0] += 100
            stop.wait(0.02)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        alive = cluster.nodes[0]
        for kill in range(KILLS):
            wait_for(lambda: sent() > 2000, 60, "records that flow")
            leader, _ = cluster.state(alive, "logs.auth")
            victim = cluster.nodes[leader - 1]
            alive = next(node for node in cluster.nodes if node is not victim)
            before = sent()
            victim.call("kill")
            assert written[0] > before, "records were on their way"
            wait_for(lambda: cluster.state(alive, "logs.auth")[0] not in (leader, -1), 60, "a new leader")
            wait_for(lambda now=written[0]: sent() > now, 60, "what was written before is with the new leader")
            if kill + 1 < KILLS:
                cluster.start(victim)
                wait_for(lambda: cluster.state(alive, "logs.auth")[1] == 3, 60, "all replicas are in sync again")
    finally:
        stop.set()
        writer.join()
    lines = written[0]
    wait_for(lambda: sent() >= lines, 120, "all records delivered")
    assert daemon.stop() == 0, daemon.log()

    seen, ids, rows = collections.defaultdict(list), {}, 0
    for _, _, headers, key, value in alive.consume(r"logs\..*"):
        rows += 1
        seen[key].append(value["seq"])
        assert ids.setdefault(value["seq"], headers) == headers, "a repeat has the id of the first"
    for index, service in enumerate(SERVICES):
        assert list(dict.fromkeys(seen[service])) == list(range(index, lines, 3)), f"{service}: lost or out of order"
    assert len(set(ids.values())) == lines
    assert not (daemon.dir / "data/dead-letters").exists()
    print(f"{lines} records over {KILLS} killed leaders, {rows - lines} repeated")
