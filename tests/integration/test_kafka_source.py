"""The kafka source with a real broker: what a record has, kills, two members of a group, a sink that blocks."""
import collections
import http.server
import subprocess
import threading

import pytest

from harness import BIN, archive_records, free_port, wait_for
from test_kafka import Broker


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    broker = Broker(tmp_path_factory.mktemp("kafka") / "kafka")
    broker.start()
    yield broker
    broker.call("kill")


CONFIG = """
commit_every: 50ms
sources:
  bus: {type: kafka, brokers: ['127.0.0.1:%d'], topics: [%s]%s}
routes: [{to: out}]
sinks:
  out: {type: archive, path: '{dir}/out/%%Y.jsonl.zst', flush: 200ms}
"""


def produce(broker, topic, text, *options):
    run = subprocess.run(["kcat", "-P", "-b", f"127.0.0.1:{broker.port}", "-t", topic, *options],
                         input=text.encode() if isinstance(text, str) else text, capture_output=True, timeout=60)
    assert run.returncode == 0, run.stderr


def lines(first, count):
    """Keys spread them over the partitions."""
    return "".join(f"k{i % 50}|line {i}\n" for i in range(first, first + count))


def messages(daemon):
    return [r["message"] for r in archive_records(daemon.dir / "out")]


def test_a_record_has_what_its_message_had(logboom, broker):
    produce(broker, "fields", "k1|plain\nk2|\nk3|{\"level\":\"error\",\"msg\":\"inner\",\"n\":1}\n", "-K", "|", "-Z", "-p",
            "0", "-H", "trace=abc")
    daemon = logboom(CONFIG % (broker.port, "fields", ", meta: [topic, partition, offset, key, headers]"))
    daemon.start("--exit-at-eof")
    assert daemon.wait() == 0, daemon.log()
    rows = archive_records(daemon.dir / "out")
    assert [r["message"] for r in rows] == ["plain", "inner"], "no record without a value"
    assert rows[0]["kafka"] == {"topic": "fields", "partition": 0, "offset": 0, "key": "k1", "headers": {"trace": "abc"}}
    assert rows[1]["level"] == "error" and rows[1]["n"] == 1 and rows[1]["kafka"]["offset"] == 2
    # Nothing of it comes again, and what comes is read from where it was.
    produce(broker, "fields", "later\n", "-p", "0")
    daemon.start("--exit-at-eof")
    assert daemon.wait() == 0, daemon.log()
    assert messages(daemon) == ["plain", "inner", "later"]


def test_faults_of_the_settings_are_told(logboom):
    for option, word in (("meta: [colour]", "expected some of topic"),
                         ("settings: {enable.auto.commit: true}", "logboom decides this"),
                         ("settings: {group.id: x}", "use the source's own option"),
                         ("settings: {no.such: x}", "librdkafka has no such setting"),
                         ("settings: {security.protocol: sasl_ssl, sasl.mechanism: PLAIN, sasl.username: me, sasl.password: hunter2}", "")):
        daemon = logboom(CONFIG % (9, "x", ", " + option))
        run = subprocess.run([BIN, "check", "-c", str(daemon.config)], capture_output=True, text=True)
        assert (run.returncode == 1) == (word != "") and word in run.stderr, run.stderr
        assert "hunter2" not in run.stderr + run.stdout


class Producer(threading.Thread):
    """Writes all the time, so that whenever a member is killed there is something under way."""

    def __init__(self, broker, topic):
        super().__init__(daemon=True)
        self.count, self.ended = 0, threading.Event()
        self.kcat = subprocess.Popen(["kcat", "-P", "-b", f"127.0.0.1:{broker.port}", "-t", topic, "-K", "|", "-X",
                                      "linger.ms=5", "-X", "enable.idempotence=true"], stdin=subprocess.PIPE)

    def run(self):
        while not self.ended.wait(0.02):
            self.kcat.stdin.write(lines(self.count, 200).encode())
            self.kcat.stdin.flush()
            self.count += 200
        self.kcat.stdin.close()

    def stop(self):
        self.ended.set()
        self.join()
        assert self.kcat.wait(60) == 0


QUICK = ", settings: {session.timeout.ms: 6000, heartbeat.interval.ms: 1000}"


def test_kills_lose_nothing_and_the_archive_has_each_message_once(logboom, broker):
    daemon = logboom(CONFIG % (broker.port, "kills", ", group: kills" + QUICK))
    producer = Producer(broker, "kills")
    producer.start()
    middle = 0
    for _ in range(4):
        daemon.start().ready()
        before = len(messages(daemon))
        wait_for(lambda before=before: len(messages(daemon)) > before, 60, "some messages")
        daemon.process.kill()
        daemon.process.wait()
        middle += before < len(messages(daemon)) < producer.count
    assert middle > 0, "no kill came in the middle, so nothing was proved"
    producer.stop()
    total = producer.count
    daemon.start().ready()
    wait_for(lambda: len(messages(daemon)) >= total, 90, "all messages")
    assert daemon.stop() == 0, daemon.log()
    count = collections.Counter(messages(daemon))
    assert len(count) == total and max(count.values()) == 1, count.most_common(3)
    # By key, and so by partition, in order.
    last = collections.defaultdict(lambda: -1)
    for message in messages(daemon):
        number = int(message.split()[1])
        assert last[number % 50] < number
        last[number % 50] = number
    # The group knows: another directory, that is another ledger, goes on behind it.
    other = logboom(CONFIG % (broker.port, "kills", ", group: kills" + QUICK), name="other")
    produce(broker, "kills", "new|after\n", "-K", "|")
    other.start("--exit-at-eof")
    assert other.wait() == 0, other.log()
    assert messages(other) == ["after"]


def test_a_stop_tells_the_group_what_is_safe(logboom, broker):
    """Also when it comes before the next of the commits by time, and though the group is left with it."""
    for count in (100, 200, 300):
        produce(broker, "stops", lines(count - 100, 100), "-K", "|")
        daemon = logboom(CONFIG % (broker.port, "stops", ", group: stops" + QUICK), name=f"of-{count}")
        daemon.start("--exit-at-eof")
        assert daemon.wait() == 0, daemon.log()
        assert sorted(messages(daemon)) == sorted(f"line {n}" for n in range(count - 100, count)), "each has a ledger of its own"
        assert "last offsets" not in daemon.log() and "taken our leave" not in daemon.log()


def test_two_members_share_and_one_takes_over(logboom, broker):
    # Made with its partitions before members ask for it.
    produce(broker, "shared", lines(0, 3000), "-K", "|")
    both = [logboom(CONFIG % (broker.port, "shared", ", group: shared" + QUICK), name=name) for name in ("one", "two")]
    both[0].start().ready()
    wait_for(lambda: len(messages(both[0])) == 3000, 60, "all of it by the only member")
    both[1].start().ready()
    wait_for(lambda: both[1].log().count("partitions were assigned") > 0, 60, "the second to be given some")
    produce(broker, "shared", lines(3000, 3000), "-K", "|")
    wait_for(lambda: len(set(messages(both[0]) + messages(both[1]))) == 6000, 60, "all of it by both")
    assert min(len(messages(d)) for d in both) > 0, "both have some"
    both[0].process.kill()
    both[0].process.wait()
    produce(broker, "shared", lines(6000, 3000), "-K", "|")
    wait_for(lambda: len(set(messages(both[0]) + messages(both[1]))) == 9000, 90, "the other to take over")
    assert both[1].stop() == 0, both[1].log()
    for daemon in both:
        assert len(messages(daemon)) == len(set(messages(daemon))), "in one archive each once"


class Sink(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.bodies.append(body)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args):
        pass


def test_a_sink_that_blocks_pauses_and_all_comes_in_the_end(logboom, broker):
    count = 40000
    produce(broker, "blocked", "".join(f"k{i % 50}|line {i} {'x' * 1000}\n" for i in range(count)), "-K", "|")
    port = free_port()
    daemon = logboom(f"""
sources:
  bus: {{type: kafka, brokers: ['127.0.0.1:{broker.port}'], topics: ['^blocked$'], group: blocked}}
routes: [{{to: [hook, out]}}]
sinks:
  hook: {{type: webhook, url: 'http://127.0.0.1:{port}/', when_full: block, batch: {{count: 200}}, retry: {{max: 1s}}}}
  out: {{type: archive, path: '{{dir}}/out/%Y.jsonl.zst', flush: 200ms}}
""")
    daemon.start().ready()
    wait_for(lambda: daemon.metric("logboom_kafka_source_messages_total") > 0, 60, "some messages")
    seen = []

    def stands_still():
        seen.append(daemon.metric("logboom_kafka_source_messages_total"))
        return len(seen) > 100 and len(set(seen[-100:])) == 1

    wait_for(stands_still, 60, "the source to stand still")
    assert seen[-1] < count, "the sink did not hold it up"
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Sink)
    server.bodies = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    wait_for(lambda: daemon.metric("logboom_kafka_source_messages_total") >= count, 300, "the rest")
    wait_for(lambda: len(messages(daemon)) == count, 60, "the archive")
    assert daemon.stop() == 0, daemon.log()
    server.shutdown()
    numbers = collections.Counter(int(m.split()[1]) for m in messages(daemon))
    assert len(numbers) == count and max(numbers.values()) == 1
