"""Fixtures of the black-box tests, and how they are shared out among several processes (pytest -n N --dist loadgroup)."""
import pathlib
import shutil
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from harness import CORPUS, Logboom  # noqa: E402

# The files whose tests take longest begin first, or all would wait for them in the end.
SLOW = ("test_kafka", "test_kafka_source", "test_grep", "test_reports", "test_crash", "test_losses", "test_alert_crash",
        "test_notifier", "test_self_alerts", "test_acceptance", "test_durable", "test_tail_extras", "test_spool")


def pytest_collection_modifyitems(items):
    def place(item):
        name = item.path.stem
        return SLOW.index(name) if name in SLOW else len(SLOW)

    items.sort(key=place)
    for item in items:
        # What a module makes once (a broker, an archive) is made once: its tests stay together.
        shared = any(definition.scope in ("module", "session") and definition.baseid
                     for definitions in item._fixtureinfo.name2fixturedefs.values() for definition in definitions)
        if shared and item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(item.path.stem))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    outcome = yield
    report = outcome.get_result()
    item.failed = getattr(item, "failed", False) or report.failed


@pytest.fixture
def tmp_path(tmp_path, request):
    """What a test that passed leaves behind is removed: all of it together is more than a small /tmp holds."""
    yield tmp_path
    if not request.node.failed:
        shutil.rmtree(tmp_path, ignore_errors=True)


@pytest.fixture
def logboom(tmp_path):
    """Makes a Logboom in the test's directory; whatever is left running is killed at the end."""
    made = []

    def make(config, *args, name="lb"):
        daemon = Logboom(tmp_path / name, config, *args)
        made.append(daemon)
        return daemon

    yield make
    for daemon in made:
        daemon.kill()


@pytest.fixture
def corpus():
    if not CORPUS.is_dir():
        pytest.skip(f"the log corpus is not at {CORPUS}; set LB_CORPUS")
    return CORPUS
