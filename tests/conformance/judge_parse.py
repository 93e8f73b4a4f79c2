"""parse/, grok/, timestamps/ and json/: one line each, read by one parser."""
import re

from pipeline import Case, Setup, check_parser, row_bytes, rows, run, run_filters, setup_for
from verdict import Verdict, flatten, level_word, nanoseconds, same_time, same_value, wrong

LEADING = ("timestamp", "level", "service", "host", "message")
OF_LOGBOOM = set(LEADING) | {"stream", "container", "parse_error"}


# --- grok ---------------------------------------------------------------------

def grok_setup(row, data):
    names = "ecs" if row["mode"] == "ecs-v1" else "legacy"
    return setup_for(data, {"type": "grok", "pattern": row["pattern"], "names": names})


def judge_grok(case):
    record, row = case.record, case.expect
    if record is None:
        return wrong(case.name, row["expect"], case.refusal)
    if not row["match"]:
        return Verdict(case.name) if "parse_error" in record else wrong(case.name, "no match", record)
    if "parse_error" in record:
        return wrong(case.name, row["expect"], record["parse_error"])
    for name, value in flatten(row["expect"]).items():
        if not capture_is(record, name, value):
            return wrong(case.name, {name: value}, record)
    return Verdict(case.name)


def capture_is(record, name, value):
    """What became a record's own (time, level, message …) is compared as that."""
    if name in record and same_value(value, record[name]):
        return True
    if name + "_" in record and same_value(value, record[name + "_"]):
        return True
    last = name.split(".")[-1]
    if "time" in last or last in ("ts", "date"):
        return "timestamp" in record and not isinstance(value, list)
    if last in ("level", "loglevel", "lvl", "severity"):
        return level_word(value) == record.get("level")
    if last == "event" and record.get("message") == value:
        return True
    for own, names in (("message", ("message", "msg")), ("host", ("host", "hostname", "logsource", "name")),
                       ("service", ("service", "program", "name"))):
        if last in names and record.get(own) == value:
            return True
    return False


def grok(corpus):
    verdicts = {}
    for part in ("cases", "reference"):
        cases = []
        for row in rows(corpus / f"grok/{part}.jsonl"):
            data = row_bytes(row)
            cases.append(Case(row["id"], data, grok_setup(row, data), row))
        run(cases)
        verdicts[f"grok {part}"] = [judge_grok(case) for case in cases]
    return verdicts


# --- parse ----------------------------------------------------------------------

# Names of the projects → logboom's.
NAMES = {
    "apache": {"host": "client_ip", "client": "client_ip", "identity": "ident", "size": "bytes", "code": "status", "agent": "user_agent",
               "referer": "referrer", "severity": "level", "port": "client_port", "thread": "tid", "time": "timestamp"},
    "nginx": {"client": "client_ip", "remote": "client_ip", "size": "bytes", "body_bytes_size": "bytes", "code": "status",
              "agent": "user_agent", "referer": "referrer", "severity": "level", "compression": "gzip_ratio", "time": "timestamp",
              "host": "request_host", "cid": "connection", "request_length": "request_bytes", "http_x_forwarded_for": "forwarded_for", "remote_addr": "client_ip"},
    "klog": {"id": "tid", "file": "source_file"},
    "logfmt": {"msg": "message"},
    "key_value": {"msg": "message"},
    "cef": {"cefVersion": "cef_version", "deviceVendor": "device_vendor", "deviceProduct": "device_product",
            "deviceVersion": "device_version", "deviceEventClassId": "event_class_id", "name": "message"},
    "csv": {},
}
KINDS = {"apache_log": "apache", "common_log": "apache", "apache2": "apache", "nginx_log": "nginx", "nginx": "nginx", "klog": "klog",
         "glog": "klog", "logfmt": "logfmt", "logfmt-stream": "logfmt", "key_value": "key_value", "cef": "cef", "csv": "csv"}
ALB = ("type timestamp elb client target request_processing_time target_processing_time response_processing_time elb_status_code "
       "target_status_code received_bytes sent_bytes request user_agent ssl_cipher ssl_protocol target_group_arn trace_id domain_name "
       "chosen_cert_arn matched_rule_priority request_creation_time actions_executed redirect_url error_reason target_port_list "
       "target_status_code_list classification classification_reason traceability_id").split()
VPC = ("version account_id interface_id srcaddr dstaddr srcport dstport protocol packets bytes start end action log_status").split()


def parser_of(row):
    args = row.get("args") or {}
    kind = row["kind"]
    if kind == "key_value":
        options = {"type": "key_value"}
        if "key_value_delimiter" in args:
            options["separator"] = args["key_value_delimiter"]
        if "field_delimiter" in args:
            options["delimiter"] = args["field_delimiter"]
        return options if len(options) > 1 else "key_value"
    if kind == "csv":
        return {"type": "csv", **({"delimiter": args["delimiter"]} if "delimiter" in args else {})}
    if kind == "cef" and args.get("translate_custom_fields"):
        return {"type": "cef", "labels": True}
    if kind in ("grok", "groks"):
        return {"type": "grok", "pattern": args.get("patterns") or args["pattern"], "definitions": args.get("aliases") or {}}
    if kind == "aws_alb_log":
        return {"type": "csv", "delimiter": " ", "columns": ALB}
    if kind == "aws_vpc_flow_log":
        return {"type": "csv", "delimiter": " ", "columns": (args.get("format") or " ".join(VPC)).split()}
    if kind in ("duration", "bytes", "int", "float"):
        return {"type": "regex", "pattern": "^(?<v>.*)$", "types": {"v": kind}}
    return KINDS.get(kind)
ALB_NAMES = {"client_host": "client", "target_host": "target"}
NGINX_NAMES = {"proxy_upstream_name": "upstream", "upstream_addr": "upstream_address", "req_id": "request_id", "remote_user": "user", "http_referer": "referrer", "http_user_agent": "user_agent"}
CONSUMED = {"rt": "timestamp", "devTime": "timestamp"}  # what becomes the record's own time


def parse_setup(row, data):
    parser = parser_of(row)
    if row.get("types"):
        parser = {"type": parser, "types": row["types"]}
    return setup_for(data, parser)


def unit_of(row):
    """What one of the unit that a case asks for is in seconds or bytes."""
    seconds = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
    unit = (row.get("args") or {}).get("unit", "s")
    if unit in seconds:
        return seconds[unit]
    power = "BKMGTPEZY".index(unit.upper()[0])
    return (1024 if "i" in unit else 1000) ** power if power else 1


def judge_number(case):
    row, value = case.expect, case.record.get("v")
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not row["valid"]:
        return wrong(case.name, "no number", value) if is_number else Verdict(case.name)
    unit = unit_of(row) if row["kind"] in ("duration", "bytes") else 1
    return Verdict(case.name) if is_number and same_value(row["expect"], value / unit) else wrong(case.name, row["expect"], value)


def judge_fields(case, names):
    record, row = case.record, case.expect
    if record is None:
        return wrong(case.name, row.get("expect"), case.refusal) if row["valid"] else Verdict(case.name)
    if not row["valid"]:
        return Verdict(case.name) if "parse_error" in record else wrong(case.name, "refused", record)
    if "parse_error" in record:
        return wrong(case.name, row.get("expect"), record["parse_error"])
    for name, value in pairs_of(row["expect"]):
        if name in CONSUMED and CONSUMED[name] in record or name == "request_time" and record.get("duration_ms") == value * 1000:
            continue
        if row["kind"] == "nginx" and name == "host":
            name = "ident"  # another order of the first two words
        if not field_is(record, names.get(name, name), name, value):
            return wrong(case.name, {name: value}, record)
    return Verdict(case.name)


def pairs_of(expect):
    if isinstance(expect, dict):
        return list(flatten_keeping_times(expect).items())
    if expect and isinstance(expect[0], str):
        return [(f"column_{i + 1}", value) for i, value in enumerate(expect)]
    return [(name, value) for event in expect for name, value in event]


def flatten_keeping_times(expect):
    flat = {}
    for key, value in expect.items():
        if isinstance(value, dict) and "$time" not in value:
            flat.update({f"{key}.{inner}": v for inner, v in flatten(value).items()})
        else:
            flat[key] = value
    return flat


def field_is(record, name, theirs, value):
    if value is None or value == "-" or value == "":
        return name not in record or record[name] in (None, "", "-", True)
    got = record.get(name, record.get(theirs))
    if name == "level" and got is not None:
        return level_word(got) == level_word(value)
    if isinstance(got, list) and not isinstance(value, list):
        return any(same_value(value, one) for one in got)
    if same_value(value, got):
        return True
    if theirs in ("request", "message") and isinstance(value, str):
        return request_is(record, value) or record.get("message", "").startswith(value)
    return False


def request_is(record, value):
    request = " ".join(str(record[part]) for part in ("method", "path", "protocol") if part in record)
    return value in (record.get("request"), record.get("message"), request)


def judge_alb(case):
    record, row = case.record, dict(case.expect["expect"])
    row["request"] = " ".join(row.pop(part) for part in ("request_method", "request_url", "request_protocol"))
    for listed in ("target_port_list", "target_status_code_list"):
        row[listed] = " ".join(row.get(listed) or [])
    for name, value in row.items():
        if not field_is(record, ALB_NAMES.get(name, name), name, value):
            return wrong(case.name, {name: value}, record)
    return Verdict(case.name)


def parse(corpus):
    cases, verdicts, others = [], [], []
    for row in rows(corpus / "parse/cases.jsonl"):
        data = row_bytes(row)
        if parser_of(row) is None or is_fault_of_configuration(row):
            others.append(row)
        else:
            cases.append(Case(row["id"], data, parse_setup(row, data), row))
    run(cases)
    for case in cases:
        kind = case.expect["kind"]
        if kind in ("duration", "bytes", "int", "float"):
            verdicts.append(judge_number(case))
        elif kind == "aws_alb_log":
            verdicts.append(judge_alb(case))
        else:
            verdicts.append(judge_fields(case, {**NAMES.get(KINDS.get(kind, ""), {}), **(NGINX_NAMES if "nginx" in kind else {})}))
    verdicts += [judge_other(row) for row in others]
    return {"parse": verdicts}


def is_fault_of_configuration(row):
    """What must be refused before any line is read."""
    return row["name"] in ("invalid_grok", "invalid_delimiter", "err_timezone_args") or row["kind"] == "timestamp"


def judge_other(row):
    """The kinds that are no parser but a filter, and settings that `check` must refuse."""
    name = row["id"]
    if row["kind"] in ("url", "query_string", "json-flatten"):
        return judge_filtered(row)
    if is_fault_of_configuration(row):
        said = check_parser(refused_parser(row))
        return Verdict(name) if said != "" else wrong(name, "an error of `logboom check`", "accepted")
    return wrong(name, f"a parser for {row['kind']}", "none")


def refused_parser(row):
    args = row.get("args") or {}
    if row["kind"] == "timestamp":
        return {"type": "regex", "pattern": "(?<timestamp>.*)", "timestamp": {"format": args["format"], "timezone": args["timezone"]}}
    return parser_of(row)


def judge_filtered(row):
    steps = {"url": [{"copy": {"v": "message"}}, {"decode": {"field": "v", "as": "url"}}],
             "query_string": [{"copy": {"v": "message"}}, {"decode": {"field": "v", "as": "query"}}],
             "json-flatten": [{"parse": "json"}, {"flatten": "*"}]}[row["kind"]]
    (record,) = run_filters(row_bytes(row), steps)
    if row["kind"] == "json-flatten":
        failed = "parse_error" in record or record.get("message") == row["in"]
        good = failed != row["valid"] and all(record.get(k) == v for k, v in (row.get("expect") or {}).items())
        return Verdict(row["id"]) if good else wrong(row["id"], row.get("expect"), record)
    got = record.get("v")
    for key, value in row["expect"].items():
        have = got.get(key) if isinstance(got, dict) else None
        if value in (None, "", {}) and have in (None, "", {}):
            continue
        if key == "path" and value == "/" and have in (None, "/"):
            continue
        if have != value:
            return wrong(row["id"], row["expect"], got)
    return Verdict(row["id"])


# --- timestamps ------------------------------------------------------------------

def time_setup(row):
    timestamp = {}
    if row["format"] == "unix-auto":
        timestamp["format"] = "guess"
    elif row["format"] != "auto":
        timestamp["format"] = row["format"]
    offset = row.get("assume_utc_offset")
    if offset is not None:
        timestamp["timezone"] = "%s%02d:%02d" % ("-" if offset < 0 else "+", abs(offset) // 3600, abs(offset) % 3600 // 60)
    return Setup({"type": "regex", "pattern": "^(?<timestamp>.*)$", **({"timestamp": timestamp} if timestamp else {})})


def expected_nanoseconds(row):
    if "epoch_ns" in row:
        return int(row["epoch_ns"])
    return int(row["epoch"]) * 10**9 + round(row.get("frac", 0) * 10**9)


def judge_time(case):
    row, record = case.expect, case.record
    taken = "parse_error" not in record and "timestamp_" not in record
    got = record.get("timestamp")
    if "time" in row and row["time"] is None:
        return wrong(case.name, "no time", got) if taken else Verdict(case.name)
    if not taken:
        return wrong(case.name, row.get("time", row.get("epoch")), record)
    if "time" in row:
        good = same_time(row["time"], got)
    else:
        good = nanoseconds(got) == expected_nanoseconds(row) or "year" in row and same_but_year(expected_nanoseconds(row), got)
    return Verdict(case.name) if good else wrong(case.name, row.get("time", row.get("epoch")), got)


def same_but_year(expected, got):
    import datetime
    moment = datetime.datetime.fromtimestamp(expected // 10**9, datetime.timezone.utc)
    return re.sub(r"^....", "????", got)[:19] == moment.strftime("????-%m-%dT%H:%M:%S")


def timestamps(corpus):
    cases = [Case(row["id"], row_bytes(row), time_setup(row), row) for row in rows(corpus / "timestamps/cases.jsonl")]
    run(cases)
    return {"timestamps": [judge_time(case) for case in cases]}


# --- json ---------------------------------------------------------------------------

def json_cases(corpus, part):
    """Each document as the one member of an object, as log lines are objects."""
    cases = []
    for path in sorted((corpus / "json" / part).iterdir()):
        data = b'{"v":' + path.read_bytes() + b"}"
        cases.append(Case(f"json/{part}/{path.name}", data, Setup("json", "docker", max_line="1MiB")))
    run(cases)
    return cases


def json_(corpus):
    verdicts = []
    for part, right in (("accept", True), ("reject", False), ("either", None), ("transform", True)):
        for case in json_cases(corpus, part):
            accepted = "parse_error" not in case.record
            ok = right is None or accepted == right
            verdicts.append(Verdict(case.name) if ok else wrong(case.name, "accepted" if right else "refused", case.record))
    return {"json": verdicts}
