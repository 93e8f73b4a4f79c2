"""syslog/: messages by the parser, streams and PROXY headers over a real TCP connection."""
import base64
import socket

from pipeline import Case, Refused, row_bytes, rows, running
from verdict import Verdict, flatten, level_word, same_time, same_value, wrong

FACILITIES = ("kern user mail daemon auth syslog lpr news uucp cron authpriv ftp ntp audit alert clock local0 local1 local2 local3 "
              "local4 local5 local6 local7").split()
FACILITY_ALIASES = {"security": "auth", "logaudit": "audit", "logalert": "alert", "cron2": "clock", "console": "alert"}
SEVERITIES = "emergency alert critical error warn notice info debug".split()
NIL = (None, "", {}, "-")
NAMES = {"hostname": "host", "appname": "service", "procid": "pid", "msgid": "msgid"}


def facility_is(value, got):
    if isinstance(value, int):
        return value < len(FACILITIES) and FACILITIES[value] == FACILITY_ALIASES.get(got, got)
    return value == got


def severity_is(value, got):
    return (SEVERITIES[value] if isinstance(value, int) else level_word(value)) == got


def difference(expect, record):
    """The first thing that is not as expected; None if all is."""
    data = {}
    for name, value in expect.items():
        if name in ("priority", "version", "format", "flags", "year_inferred", "note"):
            continue
        if isinstance(value, dict) and "$time" not in value and "b64" not in value:
            data.update(value if name in ("structured_data", "sd") else {name: value})
        elif not field_is(name, value, record):
            return {name: value}
    if flatten(data) != flatten(record.get("structured_data") or {}):
        return {"structured_data": data}
    return None


def field_is(name, value, record):
    if name == "timestamp":
        time = value["$time"] if isinstance(value, dict) else value
        return time is None or time_is(time, record)
    if name in ("facility", "facility_name"):
        return facility_is(value, record.get("facility"))
    if name == "severity":
        return severity_is(value, record.get("level"))
    if name == "hostname" and value is None:
        return record.get("host") in (None, "127.0.0.1")  # the sender's address stands in
    if name == "message":
        return text_of(value) == text_of(record.get("message"))
    got = record.get(NAMES.get(name, name))
    return value in NIL and got in NIL or same_value(value, got) or str(value) == str(got)


def text_of(value):
    """Invalid UTF-8 is U+FFFD, byte by byte; the mark of UTF-8 and blanks at the ends are no text."""
    if isinstance(value, dict):
        value = base64.b64decode(value["b64"]).decode("utf-8", "replace")
    return (value or "").lstrip("\ufeff").strip(" \0")


def time_is(time, record):
    """A year that the input does not have may be any."""
    got = record.get("timestamp", "")
    return same_time(time, got) or same_time("????" + time[4:], got)


def judge_message(case):
    row = case.expect
    expect = row.get("expect") or row.get("partial") or {}
    found = difference(expect, case.record) if row.get("valid", True) or row.get("expect") else partly(expect, case.record)
    return Verdict(case.name) if found is None else wrong(case.name, found, case.record)


def partly(expect, record):
    """Of a broken message the parts that a lenient reader saves; how much of the rest is the message is a matter of choice."""
    for name in ("facility", "severity"):
        if name in expect and not field_is(name, expect[name], record):
            return {name: expect[name]}
    return None


def messages(corpus, part):
    """Each as one datagram of one sender, so they come in order."""
    cases = [Case(row["id"], row_bytes(row), None, row) for row in rows(corpus / f"syslog/{part}.jsonl")
             if row.get("kind", "message") == "message" and ("in" in row or "in_b64" in row)]
    with running({"type": "syslog", "listen": ["udp://127.0.0.1:{port}"]}, socket.SOCK_DGRAM) as daemon:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for case in cases:
                sender.sendto(case.data, ("127.0.0.1", daemon.port))
        daemon.wait_for(len(cases))
        records = daemon.finish()
    assert len(records) == len(cases), f"{len(cases)} datagrams, {len(records)} records"
    for case, case.record in zip(cases, records):
        pass
    return [judge_message(case) for case in cases]


# --- streams ---------------------------------------------------------------------

def unpack(parts):
    return b"".join((base64.b64decode(text["b64"]) if isinstance(text, dict) else text.encode()) * count for text, count in parts)


def stream_bytes(row):
    return unpack(row["in_parts"]) if "in_parts" in row else row_bytes(row)


def send(daemon, port, data):
    """Sends one connection's bytes, ends it, and waits until logboom has ended it too."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        try:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(4096):
                pass
        except OSError:
            pass  # reset, or not connected any more: closed at a framing error: that is one of the right answers


def frames_of(row):
    if "frames_parts" in row["expect"]:
        return [unpack(parts).decode("utf-8", "replace") for parts in row["expect"]["frames_parts"]]
    return [base64.b64decode(f["b64"]).decode("utf-8", "replace") if isinstance(f, dict) else f for f in row["expect"]["frames"]]


def judge_stream(row, records, frames):
    """How much of a frame is its message is not asked here: each must end one frame, in order, and none may be missing."""
    got = [record.get("message", "").rstrip() for record in records]
    right = len(got) == len(frames) and all(frame.rstrip().endswith(message) for frame, message in zip(frames, got))
    return Verdict(row["id"]) if right else wrong(row["id"], frames, got)


def streams(corpus):
    wanted = [row for row in rows(corpus / "syslog/cases.jsonl") if row["kind"] == "stream"]
    verdicts = []
    for row in wanted:
        with running({"type": "syslog", "listen": ["tcp://127.0.0.1:{port}"], "max_line": "64KiB"}) as daemon:
            send(daemon, daemon.port, stream_bytes(row))
            verdicts.append(judge_stream(row, daemon.finish(), frames_of(row)))
    return verdicts


def best_effort(row):
    return [result["message"] for result in row["best_effort"] if "message" in result]


def framing(corpus):
    """A strict reader's or a lenient one's result; error texts are nobody's business. Only messages that were given out count."""
    verdicts = []
    for row in rows(corpus / "syslog/framing.jsonl"):
        with running({"type": "syslog", "listen": ["tcp://127.0.0.1:{port}"]}) as daemon:
            send(daemon, daemon.port, row_bytes(row))
            got = [(record.get("facility"), record.get("level")) for record in daemon.finish() if "facility" in record]
        lenient = [(FACILITIES[m["facility"]], SEVERITIES[m["severity"]]) for m in best_effort(row)]
        good = got == lenient or row.get("max_message_length") and len(got) == 1
        verdicts.append(Verdict(row["id"]) if good else wrong(row["id"], lenient, got))
    return verdicts


def proxies(corpus):
    """A header in front of one message: taken, or the connection refused and nothing read."""
    verdicts = []
    for row in rows(corpus / "syslog/cases.jsonl"):
        if row["kind"] != "proxy":
            continue
        with running({"type": "syslog", "listen": ["tcp://127.0.0.1:{port}"], "proxy_protocol": True}) as daemon:
            send(daemon, daemon.port, row_bytes(row) + b"<34>Oct 11 22:14:15 mymachine su: one\n")
            got = [record.get("message") for record in daemon.finish()]
        expected = ["one"] if row["expect"]["valid"] else []
        verdicts.append(Verdict(row["id"]) if got == expected else wrong(row["id"], expected, got))
    return verdicts


def over_network(judge, corpus):
    """What cannot even be configured is wrong as a whole."""
    try:
        return judge(corpus)
    except Refused as refused:
        return [wrong(judge.__name__, "a source that can do it", str(refused))]


def syslog(corpus):
    return {"syslog rfc5424": messages(corpus, "rfc5424"), "syslog rfc3164": messages(corpus, "rfc3164"),
            "syslog lenient": messages(corpus, "lenient"), "syslog framing": over_network(framing, corpus),
            "syslog cases": messages(corpus, "cases") + over_network(streams, corpus) + over_network(proxies, corpus)}
