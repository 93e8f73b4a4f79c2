"""The main job over every log of the corpus: each event once, in order, counted as an independent reader counts."""
import collections
import json
import subprocess

import pytest

from harness import archive_records, run_to_end

SERVICE_KEYS = ("service", "service.name", "service_name", "serviceName", "app", "application")
LEVEL_KEYS = ("level", "severity", "lvl", "levelname", "loglevel", "log_level", "level_name", "log.level", "error_severity")


def unpack(corpus, directory):
    """Every input file, unpacked: {path: kind}, kind docker or lines."""
    inputs = {}
    for path in sorted((corpus / "container/docker").glob("*.log")):
        copy = directory / "docker" / path.name
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes(path.read_bytes())
        inputs[copy] = "docker"
    for path in sorted((corpus / "bench").glob("*.zst")):
        kind = "docker" if path.name.startswith("docker_") else "lines"
        copy = directory / kind / path.stem
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes(subprocess.run(["zstd", "-dcq", str(path)], capture_output=True, check=True).stdout)
        inputs[copy] = kind
    for path in sorted((corpus / "access").glob("*.log")):
        copy = directory / "lines" / f"access_{path.name}"
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes(path.read_bytes())
        inputs[copy] = "lines"
    return inputs


def docker_texts(path):
    """The texts that a container wrote, parts joined per stream; a broken line stands for itself."""
    parts = collections.defaultdict(str)
    for raw in path.read_bytes().split(b"\n"):
        line = raw.rstrip(b"\r")
        if not line:
            continue
        try:
            entry = json.loads(line)
            text, stream = entry["log"], entry.get("stream", "")
        except (ValueError, KeyError, TypeError):
            yield line.decode(errors="replace")
            continue
        parts[stream] += text
        if text.endswith("\n"):
            yield parts.pop(stream)[:-1]
    yield from (text for text in parts.values() if text)


def line_texts(path):
    for line in path.read_bytes().split(b"\n"):
        line = line[:-1] if line.endswith(b"\r") else line
        if line:
            yield line.decode(errors="replace")


def document(text):
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def texts_of(path, kind):
    return list(docker_texts(path) if kind == "docker" else line_texts(path))


LEVELS = {"error": "error", "err": "error", "warn": "warn", "warning": "warn", "info": "info", "log": "info",
          "debug": "debug", "fatal": "critical", "critical": "critical", "notice": "notice", "panic": "emergency",
          "trace": "trace", "default": None, "alert": "alert", "emergency": "emergency"}


def level_of(entry):
    """What the JSON loggers of the corpus say of their level; None if nothing."""
    for key in LEVEL_KEYS:
        value = entry.get(key)
        if isinstance(value, str) and value.lower() in LEVELS:
            return LEVELS[value.lower()]
    return None


def service_of(entry):
    for key in SERVICE_KEYS:
        value = entry.get(key)
        if isinstance(value, str):
            return value
        if key == "service" and isinstance(value, dict) and isinstance(value.get("name"), str):
            return value["name"]
    return None


@pytest.fixture(scope="module")
def run(request, tmp_path_factory):
    from harness import CORPUS
    if not CORPUS.is_dir():
        pytest.skip(f"the log corpus is not at {CORPUS}; set LB_CORPUS")
    directory = tmp_path_factory.mktemp("main_job")
    inputs = unpack(CORPUS, directory)
    run_to_end(directory / "lb", f"""
sources:
  containers: {{type: docker, include: ['{directory}/docker/*'], parse: json, add: [file, offset]}}
  lines: {{type: file, include: ['{directory}/lines/*'], parse: json, add: [file, offset]}}
routes:
  - {{to: archive}}
sinks:
  archive: {{type: archive, path: '{directory}/archive/{{file}}.jsonl.zst'}}
""")
    records = collections.defaultdict(list)
    for record in archive_records(directory / "archive"):
        records[record["file"]].append(record)
    return inputs, records


def same_text(record, text):
    """Does a record hold this text? JSON documents: every member is there; anything else: the message is the text."""
    entry = document(text)
    if entry is None:
        return record.get("message") == text
    kept = {key: value for key, value in record.items() if key not in ("timestamp", "level", "service", "host", "message")}
    return all(key in record or any(value == v for v in record.values()) for key, value in entry.items()
               if key in kept)


def test_every_event_is_there_once_and_in_order(run):
    inputs, records = run
    for path, kind in inputs.items():
        texts = texts_of(path, kind)
        found = records[str(path)]
        assert len(found) == len(texts), f"{path.name}: {len(found)} records for {len(texts)} events"
        offsets = [record["offset"] for record in found]
        assert offsets == sorted(offsets) and len(set(offsets)) == len(offsets), path.name
        for record, text in zip(found, texts):
            assert same_text(record, text), f"{path.name}:\n{text}\n{record}"


def test_counts_by_level_and_service_are_those_of_an_independent_reader(run):
    inputs, records = run
    for path, kind in inputs.items():
        entries = [document(text) or {} for text in texts_of(path, kind)]
        levels = collections.Counter(level_of(entry) for entry in entries)
        services = collections.Counter(service_of(entry) for entry in entries)
        found = records[str(path)]
        assert collections.Counter(r.get("level") for r in found) == levels, path.name
        assert collections.Counter(r.get("service") for r in found) == services, path.name


def test_members_nobody_asked_for_keep_their_bytes(run):
    inputs, records = run
    checked = 0
    for path, kind in inputs.items():
        for record, text in zip(records[str(path)], texts_of(path, kind)):
            entry = document(text)
            for key, value in (entry or {}).items():
                if key in record and key not in ("timestamp", "level", "service", "host", "message", "file", "offset"):
                    assert record[key] == value, f"{path.name}: {key}"
                    checked += 1
    assert checked > 10000
