"""Fixtures of the black-box tests."""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from harness import CORPUS, Logboom  # noqa: E402


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
