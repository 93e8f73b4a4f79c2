"""Rules of another engine with their events and matches (rules/traces.jsonl of the corpus), as rules of logboom.

Each instance is written as a test file and run by `logboom test`. What fires must be what matched there, at the same
moment; where logboom differs on purpose the case is named in DIFFERENCES, with what it does and why.
"""
import datetime
import json
import os
import pathlib
import subprocess

import pytest

from harness import BIN

CORPUS = os.environ.get("LB_CORPUS")
TRACES = pathlib.Path(CORPUS or "/nowhere") / "rules/traces.jsonl"

pytestmark = pytest.mark.skipif(not TRACES.exists(), reason="LB_CORPUS does not name the corpus")

# What cannot be said: events are not in the trace, only what a data base answered (or what was known before it).
UNTOLD = {"test_freq_count-1": "what it is fed is no event, it must be refused there",
          "NewTermsRule": "the terms that were known before are not in the trace",
          "PercentageMatchRule": "counts of a data base, not events", "MetricAggregationRule": "numbers of a data base, not events",
          "SpikeRule": "compares with what came before the window; spike() is judged in windows that end together"}


def traces():
    cases = [json.loads(line) for line in TRACES.read_text().splitlines()] if TRACES.exists() else []
    seen = {}
    for case in cases:
        seen[case["test"]] = seen.get(case["test"], 0) + 1
        name = f"{case['test']}-{seen[case['test']]}"
        if case["class"] not in UNTOLD and name not in UNTOLD:
            yield pytest.param(name, case, id=name)


def moment(text):
    time = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    return time if time.tzinfo else time.replace(tzinfo=datetime.timezone.utc)


def stamp(time):
    return time.astimezone(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def seconds(config):
    return f"{round(config['timeframe']['seconds'] * 1000)}ms"


def rule_of(case):
    """The rule, and the fields that a record of it is made of."""
    config, kind = case["config"], case["class"]
    by = {"by": config["query_key"]} if "query_key" in config else {}
    if kind == "AnyRule":
        return {"when": "each", "severity": "high", "cooldown": "0s"}
    if kind == "BlacklistRule":
        words = ", ".join(json.dumps(word) for word in config["blacklist"])
        return {"where": f"{config['compare_key']} in ({words})", "when": "each", "severity": "high", "cooldown": "0s"}
    if kind == "ChangeRule":
        return {"when": "change(compared)", "severity": "high", **by}
    if kind == "FrequencyRule":
        return {"value": "count()", "over": seconds(config), "high": f"at least {config['num_events']}", **by}
    if kind == "FlatlineRule":
        return {"value": "count()", "over": seconds(config), "high": f"below {config['threshold']}", **by}
    field = config["cardinality_field"]
    limit = f"above {config['max_cardinality']}" if "max_cardinality" in config else f"below {config['min_cardinality']}"
    return {"value": f"distinct({field})", "over": seconds(config), "high": limit, **by}


def prepared(case, event):
    """Both fields of a compound key as one; a record without them, as the rule takes nulls."""
    fields = {key: value for key, value in event.items() if not key.startswith("@")}
    if case["class"] != "ChangeRule":
        return fields
    values = [event.get(key) for key in case["config"]["compound_compare_key"]]
    if None in values and case["config"]["ignore_null"]:
        return fields
    return {**fields, "compared": json.dumps(values)}


def asked(ticks):
    return ticks[-1] if ticks else None


def events_of(case):
    """(time, fields, when the engine was last asked) of each event, and the times at which it was only asked."""
    name = case["config"].get("timestamp_field", "@timestamp")
    key = case["config"].get("query_key", "term")
    events, ticks = [], []
    for step in case["steps"]:
        for argument in step["args"]:
            if step["op"] == "add_data":
                argument = argument[0] if isinstance(argument[0], list) else argument
                events += [(moment(event[name]), prepared(case, event), asked(ticks)) for event in argument]
            elif step["op"] == "add_count_data":
                for time, count in argument.items():
                    events += [(moment(time), {}, asked(ticks))] * count
                    ticks.append(moment(time))
            elif step["op"] == "add_terms_data":
                for time, terms in argument.items():
                    events += [(moment(time), {key: term["key"]}, asked(ticks)) for term in terms
                               for _ in range(term["doc_count"])]
            elif isinstance(argument, str):
                ticks.append(moment(argument))
    return events, ticks


def run(case, tmp_path):
    events, ticks = events_of(case)
    first = min([event[0] for event in events] + ticks)
    newest, inputs = first, []
    for time, fields, tick in events:
        newest = max(newest, time, tick or time)      # an event that is older than what came before it comes late
        inputs.append({"from": stamp(time), "arrive": stamp(newest), "record": {"message": "m", **fields}})
    last = max([newest] + ticks)
    file = tmp_path / "a.test.yaml"
    file.write_text(json.dumps({
        "alerting": {"lateness": "1s", "max_age": "7d", "routes": [{"to": "told"}], "rules": {"r": rule_of(case)}},
        "tests": [{"name": case["test"], "start": stamp(first), "until": stamp(last + datetime.timedelta(seconds=2)),
                   "input": inputs, "never": [{"state": "summary"}]}]}))
    done = subprocess.run([BIN, "test", "--json", str(file)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    notices = json.loads(done.stdout)["results"][0]["notices"]
    return [each["record"] for each in notices if each["record"]["state"] != "resolved"]


def matches_of(case):
    """(key, time) of each match."""
    name, key = case["config"].get("timestamp_field", "@timestamp"), case["config"].get("query_key")
    for step in case["steps"]:
        for match in step["new_matches"]:
            match = match[0] if isinstance(match, list) else match
            yield (match.get(key, match.get("key")) if key else None,
                   moment(match[name if name in match else "@timestamp"]).replace(microsecond=0))


# While it lasts an alert is one, not a match for every event or every time that somebody asks (F11, F12): the first of
# each key is compared. What is missing is found when it is missing, not when somebody asks.
ONCE = ("FrequencyRule", "CardinalityRule", "FlatlineRule", "ChangeRule")

DIFFERENCES = {
    "test_change-4": (1, "a timeframe of 1 s: the value before is older and does not count there; change() has no such limit"),
}


def firsts(pairs):
    found = {}
    for key, time in pairs:
        found.setdefault(key if isinstance(key, str) else json.dumps(key), time)
    return found


@pytest.mark.parametrize("name,case", list(traces()))
def test_a_rule_fires_where_it_matched(name, case, tmp_path):
    key = case["config"].get("query_key")
    fired = [(record["key"].get(key) if key else None, moment(record["timestamp"]).replace(microsecond=0))
             for record in run(case, tmp_path)]
    matched = list(matches_of(case))
    if name in DIFFERENCES:
        assert len(fired) == DIFFERENCES[name][0] and fired != matched
    elif "below" in json.dumps(rule_of(case)):
        ticks = [tick.replace(microsecond=0) for tick in events_of(case)[1]]
        for which, time in firsts(matched).items():
            before = max([tick for tick in ticks if tick < time], default=time - datetime.timedelta(hours=1))
            assert before <= firsts(fired)[which] <= time, (which, fired, matched)
        assert set(firsts(fired)) == set(firsts(matched))
    elif case["class"] in ONCE:
        assert firsts(fired) == firsts(matched)
    else:
        assert [time for _, time in fired] == [time for _, time in matched]


def test_nothing_is_left_out_silently():
    cases = [json.loads(line) for line in TRACES.read_text().splitlines()]
    assert (len(cases), len(list(traces()))) == (43, 14)
    assert set(DIFFERENCES) <= {param.id for param in traces()}
