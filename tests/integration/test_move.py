"""A data_dir, logs and archives that were copied elsewhere, and state of another version."""
import json
import os
import shutil
import struct
import subprocess

import pytest

from harness import archive_records, wait_for, whole_lines

CONFIG = """
data_dir: {data}
commit_every: 200ms
sources:
  logs: {{type: file, include: ['{logs}/**/*.log']}}
routes:
  - to: [archive, plain]
sinks:
  archive: {{type: archive, path: '{out}/{{service}}.jsonl.zst', flush: 50ms}}
  plain: {{type: file, path: '{out}/plain.jsonl', format: json, flush: 50ms}}
"""


def lines(name, first, last):
    head = f"{name} begins here, with words of its own that fill the first bytes of the file ........................\n"
    return (head if first == 0 else "") + "".join(f"{name} line {n}\n" for n in range(first, last))


def append(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a") as log:
        log.write(text)


def config(root):
    return CONFIG.format(data=root / "data", logs=root / "logs", out=root / "out")


def archived(root):
    return [record["message"] for record in archive_records((root / "out").resolve())]


def plain(root):
    return [json.loads(line)["message"] for line in whole_lines(root / "out/plain.jsonl")]


NAMES = ["a/app.log", "b/app.log", "c/other.log"]


def fill(root, first, last):
    for name in NAMES:
        append(root / "logs" / name, lines(name, first, last))


def expected(last):
    return sorted(line for name in NAMES for line in lines(name, 0, last).splitlines())


def copy(source, to):
    subprocess.run(["cp", "-a", str(source), str(to)], check=True)


@pytest.mark.parametrize("stop", ["clean", "kill"])
@pytest.mark.parametrize("where", ["same", "other"])
def test_a_copy_elsewhere_goes_on_where_it_stopped(logboom, tmp_path, stop, where):
    old = tmp_path / "old"
    fill(old, 0, 500)
    daemon = logboom(config(old)).start().ready()
    wait_for(lambda: len(plain(old)) == 1503, 30, "the first lines")
    if stop == "kill":
        append(old / "logs" / NAMES[0], "half a li")
        daemon.kill()
        append(old / "logs" / NAMES[0], "ne\n")
    else:
        append(old / "logs" / NAMES[0], "half a line\n")
        assert daemon.stop() == 0
    new = tmp_path / "new"
    copy(old, new)
    whole = sorted(expected(600) + ["half a line"])
    if where == "other" and stop == "kill":
        # What a kill left behind the last commit is cut off where the ledger says: the archive keeps its path.
        shutil.rmtree(old)
        copy(new / "out", tmp_path / "restored")
        (tmp_path / "old").mkdir()
        (tmp_path / "restored").rename(old / "out")
        shutil.rmtree(new / "out")
        (new / "out").symlink_to(old / "out")
        text = config(new).replace(str(new / "out"), str(old / "out"))
    elif where == "same":  # as a restored backup, or a disk that was copied to a larger one
        shutil.rmtree(old)
        copy(new, old)
        shutil.rmtree(new)
        new = old
        text = config(new)
    else:  # as on another host, where the old paths are not
        shutil.rmtree(old)
        text = config(new)
    fill(new, 500, 600)
    daemon = logboom(text, name="second").start().ready()
    wait_for(lambda: len(plain(new)) >= len(whole), 30, "the lines after the move")
    assert daemon.stop() == 0
    assert sorted(archived(new)) == whole, daemon.log()
    assert sorted(plain(new)) == whole
    assert "left alone" not in daemon.log()
    # And it stays so.
    daemon.start().ready()
    fill(new, 600, 601)
    whole = sorted(expected(601) + ["half a line"])
    wait_for(lambda: len(plain(new)) >= len(whole), 30, "the last lines")
    assert daemon.stop() == 0
    assert sorted(archived(new)) == whole


def test_two_logs_that_begin_alike_are_not_mixed_up(logboom, tmp_path):
    old = tmp_path / "old"
    head = "#Version: 1.0\n#Fields: date time s-ip cs-method cs-uri-stem\n" * 6
    for name, n in (("a/x.log", 10), ("b/x.log", 20)):
        append(old / "logs" / name, head + "".join(f"{name} {i}\n" for i in range(n)))
    daemon = logboom(config(old)).start().ready()
    wait_for(lambda: len(plain(old)) == 54, 30, "the first lines")
    assert daemon.stop() == 0
    new = tmp_path / "new"
    copy(old, new)
    shutil.rmtree(old)
    for name in ("a/x.log", "b/x.log"):
        append(new / "logs" / name, f"{name} last\n")
    daemon = logboom(config(new), name="second").start().ready()
    wait_for(lambda: len(plain(new)) >= 56, 30, "two more")
    assert daemon.stop() == 0
    assert sorted(plain(new)) == sorted(archived(new))
    assert plain(new).count("a/x.log last") == 1 and plain(new).count("b/x.log last") == 1 and len(plain(new)) == 56


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def test_state_of_a_newer_version_is_refused_with_its_number(logboom, tmp_path):
    daemon = logboom(config(tmp_path)).start().ready()
    assert daemon.stop() == 0
    ledger = tmp_path / "data" / "ledger"
    data = bytearray(ledger.read_bytes())
    assert data[:8] == b"LBLEDGER" and struct.unpack("<I", data[8:12]) == (1,)
    data[8:12] = struct.pack("<I", 7)
    data[12:16] = struct.pack("<I", crc32c(bytes(data[:12])))
    ledger.write_bytes(data)
    daemon.start()
    assert daemon.wait(20) == 1
    assert "version 7" in daemon.log() and "newer" in daemon.log()
    assert ledger.read_bytes() == data, "it is left as it is"
    ledger.write_bytes(b"something else entirely, longer than a header")
    daemon.start()
    assert daemon.wait(20) == 1
    assert "is not a ledger" in daemon.log()
    assert os.path.getsize(ledger) == 45
