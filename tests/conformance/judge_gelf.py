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


def send_all(row, transport, datagrams):
    kind = socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM
    with running({"type": "gelf", "listen": [transport + "://127.0.0.1:{port}"]}, kind) as daemon:
        with socket.socket(socket.AF_INET, kind) as sender:
            sender.connect(("127.0.0.1", daemon.port))
            for datagram in datagrams:
                sender.send(datagram)
        daemon.wait_for(len(row.get("expect") or []) if isinstance(row.get("expect"), list) else 1, seconds=3)
        return daemon.finish()


def gelf(corpus):
    verdicts = {"gelf": []}
    try:
        for row in rows(corpus / "gelf/cases.jsonl"):
            records = send_all(row, "udp", [row_bytes(row)])
            kept = [r for r in records if "parse_error" not in r]
            verdicts["gelf"].append(judge(row, [row["expect"]] if row["valid"] else [], kept))
        for row in rows(corpus / "gelf/datagrams.jsonl"):
            records = send_all(row, row["transport"], [base64.b64decode(d) for d in row["datagrams_b64"]])
            verdicts["gelf"].append(judge(row, row["expect"], [r for r in records if "parse_error" not in r]))
    except Refused as refused:
        verdicts["gelf"] = [wrong("gelf", "a source of GELF", str(refused))]
    return verdicts
