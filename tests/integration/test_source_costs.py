"""No source allocates for each record in the long run, and none makes its libraries do so, but for two that cannot help it."""
import pathlib
import sys

import pytest

from harness import BIN, ROOT

sys.path.insert(0, str(ROOT / "tests/bench"))
import sources  # noqa: E402

LINES = 30000
# libsystemd and librdkafka allocate for each entry, each message.
LIBRARIES = {"journald": 5, "kafka": 3}


@pytest.fixture(autouse=True)
def plain(monkeypatch):
    monkeypatch.setattr(sources.Udp, "rate", 20000)
    if any(name in BIN for name in ("/asan/", "/tsan/")):
        monkeypatch.setattr(sources, "MALLOCS", pathlib.Path("/nonexistent"))  # sanitizers have an allocator of their own


@pytest.mark.parametrize("name", sources.ROWS)
def test_a_source_allocates_nothing_for_a_record(name, tmp_path):
    try:
        row = sources.measure(name, LINES, tmp_path)
    except sources.NotHere as reason:
        pytest.skip(str(reason))
    print(row)
    assert row["allocs"] < 0.1, row
    assert row["mallocs"] is None or row["mallocs"] < LIBRARIES.get(name, 0.5), row


def test_every_source_has_a_row():
    types = {line.split("(")[1].split(")")[0] for line in (ROOT / "ingest/sources.def").read_text().splitlines()
             if line.startswith("LB_SOURCE(")}
    assert types == {name.split("-")[0] for name in sources.ROWS} | set(sources.OTHERS)
