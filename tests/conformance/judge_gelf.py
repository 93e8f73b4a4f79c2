"""gelf/: payloads and datagrams sent to a real socket."""
import base64
import datetime
import socket

from pipeline import Refused, row_bytes, rows, running
from verdict import Verdict, flatten, same_time, same_value, wrong

LEVELS = "emergency alert critical error warn notice info debug".split()


def judge(row, expected, records):
    if len(expected) != len(records):
        return wrong(row["id"], expected, records)
    for one, record in zip(expected, records):
        for name, value in flatten(one).items():
            if not field_is(name, value, record):
                return wrong(row["id"], {name: value}, record)
    return Verdict(row["id"])


def field_is(name, value, record):
    if name == "version":
        return True
    if name == "timestamp":
        if isinstance(value, str):
            return same_time(value, record.get("timestamp"))
        return same_time(datetime.datetime.fromtimestamp(value, datetime.timezone.utc).isoformat(), record.get("timestamp"))
    if name == "level":
        return record.get("level") == (LEVELS[value] if isinstance(value, int) else value)
    if name in ("short_message", "message"):
        return record.get("message") == value
    got = record.get(name, record.get(name.lstrip("_"), record.get("_" + name)))
    return same_value(value, got)


def judge_invalid(row, records):
    """It is kept as text, and says why."""
    kept = len(records) == 1 and records[0].get("parse_error") and "message" in records[0]
    return Verdict(row["id"]) if kept else wrong(row["id"], "one record with a parse_error", records)


def judge_row(row, expected, records):
    return judge(row, expected, records) if expected else judge_invalid(row, records)


def send_all(row, transport, datagrams, count):
    kind = socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM
    with running({"type": "gelf", "listen": [transport + "://127.0.0.1:{port}"]}, kind) as daemon:
        with socket.socket(socket.AF_INET, kind) as sender:
            sender.connect(("127.0.0.1", daemon.port))
            for datagram in datagrams:
                sender.send(datagram)
        daemon.wait_for(count, seconds=10)
        return daemon.finish()


def gelf(corpus):
    verdicts = {"gelf": []}
    try:
        for row in rows(corpus / "gelf/cases.jsonl"):
            records = send_all(row, "udp", [row_bytes(row)], 1)
            verdicts["gelf"].append(judge_row(row, [row["expect"]] if row["valid"] else [], records))
        for row in rows(corpus / "gelf/datagrams.jsonl"):
            datagrams = [base64.b64decode(datagram) for datagram in row["datagrams_b64"]]
            records = send_all(row, row["transport"], datagrams, max(len(row["expect"]), 1))
            verdicts["gelf"].append(judge_row(row, row["expect"], records))
    except Refused as refused:
        verdicts["gelf"] = [wrong("gelf", "a source of GELF", str(refused))]
    return verdicts
