"""The kafka source and what goes wrong: certificates, passwords, reloads, topics made anew, garbage, a broker that stands still."""
import collections
import os
import signal

import pytest

from harness import make_certificate, two_free_ports, wait_for
from test_kafka import Broker
from test_kafka_source import CONFIG, QUICK, Producer, archive_records, messages, produce

USER, PASSWORD = "reader", "hunter2-correct"


def make_broker(directory):
    """One broker that is asked in four ways: as it is, by TLS, and with a password of PLAIN or SCRAM in TLS."""
    directory.mkdir()
    make_certificate(directory, "authority", "/CN=authority")
    make_certificate(directory, "broker", "/CN=broker", "authority")
    (directory / "store.pem").write_text((directory / "broker.key").read_text() + (directory / "broker.pem").read_text())
    broker = Broker(directory / "kafka")
    broker.ca, broker.tls = directory / "authority.pem", two_free_ports()
    broker.sasl = broker.tls + 1
    (directory / "more.properties").write_text(f"""
listeners=PLAINTEXT://127.0.0.1:{broker.port},CONTROLLER://127.0.0.1:{broker.port + 1},SSL://127.0.0.1:{broker.tls},SASL_SSL://127.0.0.1:{broker.sasl}
advertised.listeners=PLAINTEXT://127.0.0.1:{broker.port},SSL://127.0.0.1:{broker.tls},SASL_SSL://127.0.0.1:{broker.sasl}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_SSL:SASL_SSL
ssl.keystore.type=PEM
ssl.keystore.location={directory}/store.pem
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256
listener.name.sasl_ssl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_{USER}="{PASSWORD}";
listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
""")
    broker.environment = {"KAFKA_PROPERTIES": str(directory / "more.properties"),
                          "KAFKA_SCRAM": f"SCRAM-SHA-256=[name={USER},password={PASSWORD}]"}
    return broker


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    directory = tmp_path_factory.mktemp("kafka")
    for attempt in range(3):
        broker = make_broker(directory / str(attempt))
        try:
            broker.start()
            break
        except AssertionError:  # somebody was given one of its four ports meanwhile
            if attempt == 2:
                raise
    broker.pid = int((broker.directory / "pid").read_text())
    yield broker
    os.kill(broker.pid, signal.SIGCONT)
    broker.call("kill")


@pytest.fixture
def stalled(broker):
    """Stops the broker in the middle of whatever it does, and lets it go on; at the end in any case."""

    class Stall:
        def __enter__(self):
            os.kill(broker.pid, signal.SIGSTOP)

        def __exit__(self, *_):
            os.kill(broker.pid, signal.SIGCONT)

    yield Stall()
    os.kill(broker.pid, signal.SIGCONT)


def settings(**pairs):
    return ", settings: {" + ", ".join(f"{name.replace('_', '.')}: '{value}'" for name, value in pairs.items()) + "}"


def wait_for_messages(daemon, count, seconds=60):
    wait_for(lambda: len(messages(daemon)) >= count, seconds, f"{count} messages in the archive")


def assert_each_once(daemon, count):
    found = collections.Counter(messages(daemon))
    lost = [i for i in range(count) if f"line {i}" not in found]
    twice = [m for m, n in found.items() if n > 1]
    assert not lost and not twice and len(found) == count, (len(lost), lost[:5], len(twice), twice[:5])


# --- who may read ----------------------------------------------------------------------------------


def test_tls_with_an_authority_that_is_known_and_one_that_is_not(logboom, broker):
    produce(broker, "tls", "".join(f"line {i}\n" for i in range(100)))
    daemon = logboom(CONFIG % (broker.tls, "tls", settings(security_protocol="ssl")))
    daemon.start().ready()
    wait_for(lambda: "no broker is reached" in daemon.log(), 60, "a complaint")
    assert "certificate verify failed" in daemon.log() and messages(daemon) == []
    daemon.write_config(CONFIG % (broker.tls, "tls", settings(security_protocol="ssl", ssl_ca_location=broker.ca)))
    daemon.process.send_signal(signal.SIGHUP)
    wait_for_messages(daemon, 100)
    assert daemon.stop() == 0, daemon.log()
    assert_each_once(daemon, 100)


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256"])
def test_a_wrong_password_is_told_and_the_right_one_reads(logboom, broker, mechanism):
    topic = f"sasl-{mechanism}"
    produce(broker, topic, "".join(f"line {i}\n" for i in range(100)))

    def config(password):
        return CONFIG % (broker.sasl, topic, settings(
            security_protocol="sasl_ssl", ssl_ca_location=broker.ca, sasl_mechanism=mechanism, sasl_username=USER,
            sasl_password=password))

    daemon = logboom(config("hunter2-wrong"))
    daemon.start().ready()
    wait_for(lambda: "uthentication" in daemon.log(), 60, "a complaint")
    daemon.write_config(config(PASSWORD))
    daemon.process.send_signal(signal.SIGHUP)
    wait_for_messages(daemon, 100)
    assert daemon.stop() == 0, daemon.log()
    assert_each_once(daemon, 100)
    assert "hunter2" not in daemon.log()


# --- reloads -----------------------------------------------------------------------------------------


def test_reloads_while_it_reads_lose_and_double_nothing(logboom, broker):
    def config(round):
        return CONFIG % (broker.port, "reloads", f", group: reloads, fields: {{round: '{round}'}}" + QUICK)

    daemon = logboom(config(0))
    producer = Producer(broker, "reloads")
    producer.start()
    daemon.start().ready()
    for round in range(1, 6):
        before = len(messages(daemon))
        wait_for(lambda before=before: len(messages(daemon)) > before, 60, "more messages")
        daemon.write_config(config(round))
        daemon.process.send_signal(signal.SIGHUP)
        wait_for(lambda round=round: daemon.log().count("the configuration was reloaded") >= round, 60, "the reload")
    producer.stop()
    wait_for_messages(daemon, producer.count)
    assert daemon.stop() == 0, daemon.log()
    assert_each_once(daemon, producer.count)
    assert len({r["round"] for r in archive_records(daemon.dir / "out")}) > 1, "no reload came in the middle"


# --- topics that are made anew -----------------------------------------------------------------------


def make_anew(broker, topic):
    broker.topic("delete", topic)
    broker.topic("create", topic, "--partitions", "1", "--replication-factor", "1")


@pytest.mark.parametrize("count", [20, 500])
def test_a_topic_that_is_made_anew_while_it_is_down_is_read_from_its_beginning(logboom, broker, count):
    topic = f"anew-{count}"
    broker.topic("create", topic, "--partitions", "1", "--replication-factor", "1")
    produce(broker, topic, "".join(f"old {i}\n" for i in range(100)))
    daemon = logboom(CONFIG % (broker.port, topic, f", group: {topic}" + QUICK))
    daemon.start("--exit-at-eof")
    assert daemon.wait() == 0, daemon.log()
    make_anew(broker, topic)
    produce(broker, topic, "".join(f"new {i}\n" for i in range(count)))
    for _ in range(2):
        daemon.start("--exit-at-eof")
        assert daemon.wait() == 0, daemon.log()
    assert messages(daemon) == [f"old {i}" for i in range(100)] + [f"new {i}" for i in range(count)]


@pytest.mark.parametrize("count", [20, 500])
def test_a_topic_that_is_made_anew_while_it_is_read_is_read_from_its_beginning(logboom, broker, count):
    topic = f"live-{count}"
    broker.topic("create", topic, "--partitions", "1", "--replication-factor", "1")
    produce(broker, topic, "".join(f"old {i}\n" for i in range(100)))
    daemon = logboom(CONFIG % (broker.port, topic, f", group: {topic}" + QUICK))
    daemon.start().ready()
    wait_for_messages(daemon, 100)
    make_anew(broker, topic)
    produce(broker, topic, "".join(f"new {i}\n" for i in range(count)))
    new = [f"new {i}" for i in range(count)]
    wait_for(lambda: messages(daemon)[-count:] == new, 60, "all of the new topic in order")
    assert daemon.stop() == 0, daemon.log()
    # What was read of it where the old one had ended, before that was seen, is there twice: all that came by then.
    assert messages(daemon)[:100] == [f"old {i}" for i in range(100)]
    twice = messages(daemon)[100:-count]
    assert twice == new[100:100 + len(twice)], "nothing else is there"


def test_a_topic_that_is_deleted_stops_neither_the_others_nor_the_end(logboom, broker):
    for topic in ("gone", "stays"):
        broker.topic("create", topic, "--partitions", "1", "--replication-factor", "1")
        produce(broker, topic, "".join(f"{topic} {i}\n" for i in range(100)))
    daemon = logboom(CONFIG % (broker.port, "gone, stays", ", group: gone" + QUICK))
    daemon.start().ready()
    wait_for_messages(daemon, 200)
    broker.topic("delete", "gone")
    for i in range(100, 105):
        produce(broker, "stays", f"stays {i}\n")
        wait_for(lambda: f"stays {i}" in messages(daemon), what="the other topic")
    assert daemon.stop() == 0, daemon.log()
    assert sorted(messages(daemon)) == sorted([f"gone {i}" for i in range(100)] + [f"stays {i}" for i in range(105)])


# --- what senders and brokers do -----------------------------------------------------------------------


def test_garbage_is_a_record_or_nothing_and_what_follows_comes(logboom, broker):
    broker.topic("create", "garbage", "--partitions", "1", "--replication-factor", "1", "--config",
                 "max.message.bytes=12000000")
    files = {"binary": bytes(range(256)), "nul": b"\0" * 1000, "depth": b"[" * 100000, "half": b'{"message":"never en',
             "huge": b"h" * 5_000_000, "cut": "ü".encode() * 1_500_000}
    directory = broker.directory.parent
    for name, value in files.items():
        (directory / name).write_bytes(value)
        produce(broker, "garbage", b"", "-X", "message.max.bytes=10000000", "-k", name, str(directory / name))
    produce(broker, "garbage", "|no key\n|\ngone|\n", "-K", "|", "-Z")
    produce(broker, "garbage", b"", "-k", "\x01\xff" * 100, "-H", "a=\xff\xfe", "-H", "a=again", "-H", "empty",
            str(directory / "half"))
    produce(broker, "garbage", "the last\n")
    daemon = logboom(CONFIG % (broker.port, "garbage", ", meta: [key, headers], max_line: 1MiB"))
    daemon.start("--exit-at-eof")
    assert daemon.wait() == 0, daemon.log()
    rows = archive_records(daemon.dir / "out")
    by_key = {r["kafka"].get("key"): r for r in rows}
    assert by_key["binary"]["message"].startswith("\0\1\2") and "\ufffd" in by_key["binary"]["message"]
    assert by_key["nul"]["message"] == "\0" * 1000 and by_key["half"]["message"] == '{"message":"never en'
    assert len(by_key["huge"]["message"]) == 1 << 20 and by_key["huge"]["truncated"] is True
    assert by_key["cut"]["message"] == "ü" * (1 << 19) and by_key["cut"]["truncated"] is True
    assert rows[-1]["message"] == "the last" and rows[-2]["kafka"]["headers"]["a"] == "again"
    assert len(rows) == len(files) + 3, "a tombstone is no record"


def test_a_broker_that_stands_still_loses_nothing_and_the_daemon_stays_well(logboom, broker, stalled):
    quick = (", settings: {session.timeout.ms: 6000, heartbeat.interval.ms: 1000, socket.timeout.ms: 2000, "
             "max.poll.interval.ms: 10000}")
    daemon = logboom(CONFIG % (broker.port, "stalls", ", group: stalls" + quick))
    producer = Producer(broker, "stalls")
    producer.start()
    daemon.start().ready()
    for round in range(1, 3):
        before = len(messages(daemon))
        wait_for(lambda before=before: len(messages(daemon)) > before, 60, "more messages")
        with stalled:
            wait_for(lambda round=round: daemon.log().count("no broker is reached") >= round, 60, "a complaint")
            assert daemon.get("/health")[0] in (200, 503)
    producer.stop()
    wait_for_messages(daemon, producer.count, 90)
    assert daemon.stop() == 0, daemon.log()
    assert_each_once(daemon, producer.count)


def test_it_ends_while_the_broker_stands_still_and_goes_on_where_it_was(logboom, broker, stalled):
    daemon = logboom(CONFIG % (broker.port, "ends", ", group: ends" + QUICK))
    producer = Producer(broker, "ends")
    producer.start()
    daemon.start().ready()
    wait_for_messages(daemon, 1)
    with stalled:
        assert daemon.stop(30) == 0, daemon.log()
    producer.stop()
    daemon.start().ready()
    wait_for_messages(daemon, producer.count, 90)
    assert daemon.stop() == 0, daemon.log()
    assert_each_once(daemon, producer.count)
