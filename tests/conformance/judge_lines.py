"""applog/, formats/ and apps/: lines of applications, read by `parse: auto` as users would leave it."""
from pipeline import Case, Setup, row_bytes, rows, run
from verdict import Verdict, level_word, near_time, same_time, same_value, wrong


def lines(corpus, name, stream):
    """Lines of one `stream` are one file, as one application would write it."""
    cases = []
    for row in rows(corpus / name):
        data = row_bytes(row)
        cases.append(Case(row["id"], data, Setup("auto", "docker" if b"\n" in data else "file", stream(row)), row))
    run(cases)
    return cases


def level_is(value, record):
    """The worst of a logger with six levels may be any of the worst three here."""
    if value == "fatal":
        return record.get("level") in ("critical", "alert", "emergency")
    return level_word(value) == record.get("level")


def judge_applog(case):
    row, record = case.expect, case.record
    if row.get("json") is False:
        return Verdict(case.name) if "parse_error" not in record else wrong(case.name, "text", record)
    expect = row["expect"]
    checks = {"level": level_is, "time": lambda value, r: same_time(value, r.get("timestamp")),
              "message": lambda value, r: value == r.get("message"), "service": lambda value, r: value == r.get("service")}
    for name, value in expect.items():
        if name in checks and value is not None and not checks[name](value, record):
            return wrong(case.name, {name: value}, record)
    return fields_are(case)


def fields_are(case):
    known = {"msg": "message", "time": "timestamp", "ts": "timestamp", "t": "timestamp", "Timestamp": "timestamp", "lvl": "level",
             "SeverityText": "level", "Body": "message", "severity": "level",
             "service.name": "service"}
    for name, value in (case.expect.get("fields") or {}).items():
        if known.get(name, name) in ("timestamp", "level", "message", "service", "host"):
            continue
        if not same_value(value, case.record.get(name)):
            return wrong(case.name, {name: value}, case.record)
    return Verdict(case.name)


def applog(corpus):
    return {"applog": [judge_applog(case) for case in lines(corpus, "applog/lines.jsonl", lambda row: row["src"] + row["style"])]}


def formats(corpus):
    """Level where it is stated; nothing else is."""
    return {"formats": [Verdict(case.name) if level_is(case.expect["level"], case.record) else
                        wrong(case.name, {"level": case.expect["level"]}, case.record)
                        for case in lines(corpus, "formats/samples.jsonl", lambda row: row["format"]) if "level" in case.expect]}


def judge_app(case):
    row, record = case.expect, case.record
    if "time" in row and not near_time(row["time"], record.get("timestamp")):
        return wrong(case.name, {"time": row["time"]}, record)
    if row["type"] == "syslog":
        fields = {"service": row["fields"].get("program"), "pid": row["fields"].get("pid"), "host": row["meta"].get("machine")}
        for name, value in fields.items():
            if value and str(record.get(name)) != value:
                return wrong(case.name, {name: value}, record)
    return Verdict(case.name)


def apps(corpus):
    return {"apps": [judge_app(case) for case in lines(corpus, "apps/lines.jsonl", lambda row: row["test"] + row["parser"])
                     if "time" in case.expect or case.expect["type"] == "syslog"]}
