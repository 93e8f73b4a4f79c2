"""kill -9 and SIGTERM at random moments, while a writer writes and rotates without end.

In the end the archive and the file sink hold every line once and in order, Kafka and the webhook miss none and repeat
only under the same id; and at every moment between, each tool that reads zstd could read the archives.
"""
import os
import random
import signal
import time

import pytest

from harness import Logboom, wait_for
from trials import FILES, Hook, MockKafka, Prober, RealKafka, Writer, check_complete, check_files, check_ids, first_run

CRASHES = int(os.environ.get("LB_CRASHES", "20"))
ROUND = min(CRASHES, 20)  # ends in one trial; more of them take more trials, each with a seed of its own
SEED = int(os.environ.get("LB_SEED", "1"))

CONFIG = """
data_dir: {dir}/data
commit_every: 50ms
sources:
  app: {{type: file, include: ['{dir}/log/app.log{rest}']}}
  web: {{type: file, include: ['{dir}/log/web.log']}}
routes:
  - {{to: [archive, bus]}}
  - {{where: 'level >= error', to: problems}}
  - {{where: 'level >= critical', to: hook}}
sinks:
  archive: {{type: archive, path: '{dir}/archive/{{service}}/%Y-%m-%d.jsonl.zst', rotate: {{size: 256KiB}}}}
  problems: {{type: file, path: '{dir}/out/problems.out', format: json}}
  bus: {{type: kafka, brokers: ['{kafka}'], topic: {topic}, key: '{{service}}'}}
  hook: {{type: webhook, url: '{hook}', retry: {{first: 20ms, max: 200ms}}}}
"""


@pytest.fixture(scope="module")
def real_kafka(tmp_path_factory):
    broker = RealKafka(tmp_path_factory.mktemp("kafka"))
    yield broker if os.environ.get("LB_KAFKA") != "mock" and broker.start() else None
    broker.close()


@pytest.fixture
def kafka(real_kafka, tmp_path):
    broker = real_kafka or MockKafka(tmp_path)
    print("with", broker.kind)
    yield broker
    if broker is not real_kafka:
        broker.close()


def committed(daemon):
    return daemon.metric("logboom_sink_records_total", sink="archive")


def wait_for_some(daemon, rng):
    """Half of the ends come at any moment from the start on, the others after something was committed."""
    if rng.random() < 0.5:
        time.sleep(rng.uniform(0.0, 0.8))  # the moment is random on purpose
        return
    daemon.ready()
    wait_for(lambda: committed(daemon) > 0, 60, "records in the archive")
    time.sleep(rng.uniform(0.0, 0.3))


def end(daemon, rng):
    if rng.random() < 0.2:
        # Before it watches for signals, SIGTERM is the end of it too: nothing was begun then.
        daemon.process.send_signal(signal.SIGTERM)
        code = daemon.wait(60)
        assert code in (0, -signal.SIGTERM), daemon.log()
        return "SIGTERM"
    daemon.kill()
    return "kill"


def check_all(directory, written, kafka, topic, hook):
    check_files(directory, written)
    rows = kafka.rows(topic, sum(written.values()))
    bus = check_complete([record for _, record in rows], written, "kafka", once=False)
    check_ids(rows, "kafka")
    posts = check_complete([record for _, record in hook.rows], written, "webhook", step=50, once=False)
    check_ids(hook.rows, "webhook")
    print(f"lost 0, doubled 0; repeated under the same id: {bus} by kafka, {posts} by the webhook")


@pytest.mark.parametrize("seed", range(SEED, SEED + -(-CRASHES // ROUND)))
def test_every_line_once_over_kill_9_and_sigterm(tmp_path, kafka, seed):
    rng = random.Random(seed)
    hook = Hook(seed)
    topic = f"trial-{seed}"
    config = CONFIG.format(dir=tmp_path, rest=rng.choice(["", "*"]), kafka=kafka.address, topic=topic, hook=hook.url)
    (tmp_path / "log").mkdir()
    writer = Writer(seed, rename=tmp_path / "log/app.log", copytruncate=tmp_path / "log/web.log")
    prober = Prober(tmp_path / "archive", tmp_path, seed)
    daemon = Logboom(tmp_path, config)
    try:
        first_run(daemon, writer)
        ends = []
        for _ in range(ROUND):
            daemon.start()
            wait_for_some(daemon, rng)
            ends.append(end(daemon, rng))
        written = writer.stop()
        assert daemon.start("--exit-at-eof").wait(120) == 0, daemon.log()
        print("seed", seed, "written", written, "rotations", writer.rotations, "ends", ends)
        print("reads of the archives meanwhile:", prober.stop())
        check_all(tmp_path, written, kafka, topic, hook)
    finally:
        writer.kill()
        daemon.kill()
        hook.close()


def test_every_line_once_over_reloads_and_kills(tmp_path):
    """SIGHUP at random moments, with a pattern or a rotation that changed, and kill -9 after some of them."""
    rng = random.Random(SEED)
    variants = [FILES.format(dir=tmp_path, rest=rest).replace("256KiB", size)
                for rest in ("", "*") for size in ("256KiB", "100KiB")]
    (tmp_path / "log").mkdir()
    daemon = Logboom(tmp_path, variants[0])
    writer = Writer(SEED, rename=tmp_path / "log/app.log", copytruncate=tmp_path / "log/web.log")
    prober = Prober(tmp_path / "archive", tmp_path, SEED)
    reloads = 0
    try:
        first_run(daemon, writer)
        for _ in range(max(ROUND // 2, 1)):
            daemon.start().ready()
            for _ in range(rng.randint(0, 4)):
                daemon.write_config(rng.choice(variants))
                daemon.process.send_signal(signal.SIGHUP)
                reloads += 1
                time.sleep(rng.uniform(0.0, 0.3))  # the moment of the next one is random on purpose
            assert daemon.process.poll() is None, daemon.log()
            daemon.kill()
        written = writer.stop()
        assert daemon.start("--exit-at-eof").wait(120) == 0, daemon.log()
        print("seed", SEED, "reloads", reloads, "written", written, "reads of the archives meanwhile:", prober.stop())
        check_files(tmp_path, written)
    finally:
        writer.kill()
        daemon.kill()
