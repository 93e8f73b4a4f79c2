"""container/, multiline/, beats/ and encodings/: whole files, and the events that come out, in order."""
import base64
import json
import pathlib
import shutil
import tempfile

from pipeline import Refused, rows, run_sources
from verdict import Verdict, near_time, same_time, wrong


class File:
    """One file read by one source; `events` are the records that came, or `refusal` says why it could not be read so."""

    def __init__(self, name, data, source, expect):
        self.name, self.data, self.source, self.expect = name, data, source, expect
        self.events, self.refusal = None, None


def read(files):
    """A run for all; those whose settings are refused are told apart by runs of their own."""
    try:
        read_together(files)
    except Refused as refused:
        if len(files) == 1:
            files[0].refusal = str(refused)
            return
        read(files[:len(files) // 2])
        read(files[len(files) // 2:])


def read_together(files):
    directory = pathlib.Path(tempfile.mkdtemp(prefix="logboom-conformance-"))
    try:
        sources, parsers = {}, {}
        for number, file in enumerate(files):
            path = directory / f"s{number}.log"
            path.write_bytes(file.data)
            source = dict(file.source)
            if isinstance(source.get("parse"), dict):
                parsers[f"p{number}"] = source["parse"]
                source["parse"] = f"p{number}"
            sources[f"s{number}"] = {"type": "file", "include": [str(path)], **source}
        for file, events in zip(files, run_sources(directory, sources, parsers)):
            file.events = events
    finally:
        shutil.rmtree(directory)


def first_difference(expected, got):
    for number, (one, other) in enumerate(zip(expected, got)):
        if one != other:
            return f"event {number + 1}: {one!r}", other
    if len(expected) != len(got):
        return f"{len(expected)} events", f"{len(got)} events"
    return None


# --- containers --------------------------------------------------------------------

def container_source(row):
    source = {"parse": "none"}
    if row["format"] == "docker":
        source["type"] = "docker"
    elif row["format"] == "cri":
        source["type"] = "cri"
    else:
        source["type"] = "docker"
    rule = row.get("multiline")
    if rule:
        source["multiline"] = {"start": rule["pattern"] if isinstance(rule, dict) else rule}
    return source


def judge_container(file):
    row = file.expect
    if file.refusal:
        return wrong(file.name, row["expect"], file.refusal)
    if row["expect"] is None:
        taken = [e for e in file.events if "parse_error" not in e]
        return Verdict(file.name) if not taken else wrong(file.name, "not taken as that format", taken)
    events = [e for e in file.events if row.get("only_stream", e.get("stream")) == e.get("stream")]
    expected = [e for e in row["expect"] if not e.get("error")]
    if row.get("strict") is False:
        expected, events = by_stream(expected), by_stream(events)
    return judge_messages(file, expected, [e for e in events if "parse_error" not in e])


def by_stream(events):
    """Where a part of one stream stays open, the lines of the other may come before it."""
    return sorted(events, key=lambda event: event.get("stream") or "")


def judge_messages(file, expected, events):
    found = first_difference([e["message"] for e in expected], [e.get("message") for e in events])
    if found:
        return wrong(file.name, *found)
    for one, event in zip(expected, events):
        if one.get("stream") not in (None, event.get("stream")):
            return wrong(file.name, one, event)
        if one.get("time") and not same_time(one["time"], event.get("timestamp")):
            return wrong(file.name, one, event)
    return Verdict(file.name)


def container_bytes(row):
    if "in_b64" in row:
        return b"".join(base64.b64decode(line) + b"\n" for line in row["in_b64"])
    return "".join(line + "\n" for line in row["in"]).encode()


def containers(corpus):
    files = [File(row["id"], container_bytes(row), container_source(row), row)
             for row in rows(corpus / "container/cases.jsonl")]
    for entry in rows(corpus / "container/index.jsonl"):
        path = corpus / entry["log"]
        expect = rows(pathlib.Path(str(path) + ".expected.jsonl"))
        row = {"format": "cri" if "/cri/" in entry["log"] else "docker", "expect": expect, "strict": False}
        files.append(File(entry["log"], path.read_bytes(), container_source(row), row))
    read(files)
    return {"container": [judge_container(file) for file in files]}


# --- multi-line events ------------------------------------------------------------------

def multiline_rule(rule):
    """The rule of a case in logboom's words; None where it has none for it."""
    if rule["type"] == "auto":
        return "auto"
    if rule["type"] == "start":
        return {"start": rule["pattern"]}
    if rule["type"] == "pattern":
        return pattern_rule(rule)
    if rule["type"] == "continues":
        return {"continues": "\\\\$" if rule.get("endswith") == "\\" else rule["endswith"]}
    if rule["type"] == "count":
        return {"count": rule["lines"]}
    if rule["type"] in ("states", "while"):
        rules = rule.get("rules") or []
        return {"start": rules[0]["match"], "continuation": rules[1]["match"]} if len(rules) == 2 else {"continuation": rule.get("pattern")}
    return None


def pattern_rule(rule):
    limits = {"max_lines": rule["max_lines"]} if "max_lines" in rule else {}
    if rule["match"] == "before":
        return {("ends" if rule["negate"] else "continues"): rule["pattern"], **limits}
    if rule["negate"]:
        return {"start": rule["pattern"], **({"end": rule["flush_pattern"]} if "flush_pattern" in rule else {}), **limits}
    return {"continuation": rule["pattern"], **limits}


def multiline(corpus):
    files = []
    for entry in rows(corpus / "multiline/index.jsonl"):
        path = corpus / entry["log"]
        expect = [row["text"] for row in rows(path.with_suffix(".expected.jsonl")) if row["text"]]  # an empty line is no record
        files.append(File(entry["log"], path.read_bytes(), {"parse": "none", "multiline": multiline_rule(entry["rule"])}, expect))
    cases = [File(row["id"], "".join(line + "\n" for line in row["in"]).encode(),
                  {"parse": "none", "multiline": multiline_rule(row["rule"])}, row["expect"]) for row in rows(corpus / "multiline/cases.jsonl")]
    read(files)
    read(cases)
    return {"multiline": [v for file in files for v in judge_events(file)], "multiline cases": [judge_whole(file) for file in cases]}


def texts(file):
    return [event.get("message") for event in file.events]


def judge_whole(file):
    if file.refusal:
        return wrong(file.name, file.expect, file.refusal)
    found = first_difference(file.expect, texts(file))
    return wrong(file.name, *found) if found else Verdict(file.name)


def judge_events(file):
    """Each expected event for itself: it is right if an event of just these lines came out."""
    if file.refusal:
        return [wrong(f"{file.name}#{n + 1}", text, file.refusal) for n, text in enumerate(file.expect)]
    left, verdicts = texts(file), []
    for number, text in enumerate(file.expect):
        if text in left:
            del left[left.index(text)]
            verdicts.append(Verdict(f"{file.name}#{number + 1}"))
        else:
            verdicts.append(wrong(f"{file.name}#{number + 1}", text, "no such event"))
    return verdicts


# --- beats ----------------------------------------------------------------------------

PARSERS = {"apache": "apache", "nginx": "nginx", "haproxy": "haproxy", "postgresql": "postgres", "mysql": "mysql", "redis": "redis"}


def beats_source(module, fileset):
    return {"parse": [PARSERS[module], "auto"] if module in PARSERS else "auto", "multiline": "auto", "add": ["offset"]}


def events_by_offset(file):
    """Also at the second line of an entry of MySQL's slow log: that shipper gives its `# Time:` to the entry before."""
    by_offset = {event.get("offset"): event for event in file.events or []}
    for offset, event in list(by_offset.items()):
        line = file.data[offset:file.data.find(b"\n", offset) + 1] if offset is not None else b""
        if line.startswith(b"# Time: "):
            by_offset.setdefault(offset + len(line), event)
    return by_offset


def judge_beat(name, expect, by_offset):
    event = by_offset.get(expect["log.offset"])
    if event is None:
        return wrong(name, {"an event at": expect["log.offset"]}, "none")
    if "@timestamp" in expect and not near_time(expect["@timestamp"], event.get("timestamp", "")):
        return wrong(name, {"@timestamp": expect["@timestamp"]}, event)
    message = expect.get("message")
    if message and not message_is(message.strip(), event):
        return wrong(name, {"message": message}, event)
    return Verdict(name)


def message_is(message, event):
    """Another shipper may leave the head of a line, or a whole object, in the message; here it has become fields."""
    got = str(event.get("message", "")).strip()
    if got == message or message in json.dumps(event, ensure_ascii=False) or got and message.endswith(got):
        return True
    return message.startswith("{") and "parse_error" not in event


def beats(corpus):
    files = []
    for entry in rows(corpus / "beats/index.jsonl"):
        path = corpus / entry["log"]
        files.append(File(entry["log"], path.read_bytes(), beats_source(entry["module"], entry["fileset"]),
                          rows(pathlib.Path(str(path) + ".expected.jsonl"))))
    read(files)
    verdicts = []
    for file in files:
        by_offset = events_by_offset(file)
        for number, expect in enumerate(file.expect):
            name = f"{file.name}#{number + 1}"
            verdicts.append(wrong(name, "an event", file.refusal) if file.refusal else judge_beat(name, expect, by_offset))
    return {"beats": verdicts}


# --- encodings --------------------------------------------------------------------------

def encodings(corpus):
    files = []
    for entry in rows(corpus / "encodings/index.jsonl"):
        source = {"parse": "none"}
        if entry["encoding"] not in ("utf-8", "utf-8-bom"):
            source["encoding"] = entry["encoding"]
        files.append(File(entry["log"], (corpus / entry["log"]).read_bytes(), source, entry["lines_utf8"]))
    read(files)
    return {"encodings": [judge_whole(file) for file in files]}
