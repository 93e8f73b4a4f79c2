"""Rules of another engine with their events and matches (rules/traces.jsonl of the corpus), as rules of logboom.

Each instance is written as a test file and run by `logboom test`. What fires must be what matched there, at the same
moment. Where logboom differs DIFFERENCES says what it does instead and why, and the test holds it to that.

Steps that fed that engine what a data base had answered are turned back into records that a data base would answer so
for: an average is a record of that value, a percentage so many records of each kind, a number of documents so many
records at that moment. Such steps came microseconds apart, each for a buffer of its own, so here they stand apart.
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

# Its only argument is a word where a count belongs, which that engine's function must refuse: there is no event in it.
WITHOUT_EVENTS = {"test_freq_count-1"}


def named_cases():
    cases = [json.loads(line) for line in TRACES.read_text().splitlines()] if TRACES.exists() else []
    seen = {}
    for case in cases:
        seen[case["test"]] = seen.get(case["test"], 0) + 1
        yield f"{case['test']}-{seen[case['test']]}", case


def traces():
    return [pytest.param(name, case, id=name) for name, case in named_cases() if name not in WITHOUT_EVENTS]


def moment(text):
    time = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    return time if time.tzinfo else time.replace(tzinfo=datetime.timezone.utc)


def stamp(time):
    return time.astimezone(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def seconds(config, key="timeframe"):
    return f"{round(config[key]['seconds'] * 1000)}ms"


def keys_of(config):
    return config.get("compound_query_key") or ([config["query_key"]] if "query_key" in config else [])


# --- rules ----------------------------------------------------------------------------------------------------------

def spike_rules(case):
    """Up and down as a rule each. What alerts on new data is a key that was not there in the first two windows."""
    config, over = case["config"], datetime.timedelta(seconds=case["config"]["timeframe"]["seconds"])
    factor = f"{config['spike_height']:g}x"
    least = f" and count() >= {config['threshold_cur']}" if "threshold_cur" in config else ""
    common = {"over": seconds(config), "severity": "high", "hold": "0s", "min_count": config.get("threshold_ref", 1)}
    if config["spike_type"] in ("up", "both"):
        when, extra = f"spike(count(), {factor})", {}
        if config.get("alert_on_new_data"):
            events, key = events_of(case)[0], config["query_key"]
            known = {fields[key] for time, fields, _ in events if time < events[0][0] + 2 * over}
            when, extra = f"({when} or new({key}))", {"learn": "0s", "known": sorted(known)}
        yield "up", {"when": when + least, **common, **extra}
    if config["spike_type"] in ("down", "both"):
        yield "down", {"when": f"drop(count(), {factor})" + least, **common}


def new_term_rules(case):
    """A rule for each field or composite of fields, and one for each that must not be missing."""
    for fields in case["config"]["fields"]:
        fields = fields if isinstance(fields, list) else [fields]
        name = "new " + ",".join(fields)
        yield name, {"when": f"new({', '.join(fields)})", "severity": "high", "learn": "0s", "cooldown": "0s",
                     "known": known_terms(case, fields)}
        if case["config"].get("alert_on_missing_field"):
            yield f"missing {fields[0]}", {"where": f"not has {fields[0]}", "when": "each", "severity": "high", "cooldown": "0s"}


def known_terms(case, fields):
    """What the data base already had: all that was not told when it came first."""
    known, told = set(), set()
    for step in case["steps"]:
        events = [event for _, event, _ in events_of_step(case, step, None)]
        values = {", ".join(valued(event, field) for field in fields) for event in events
                  if all(valued(event, field) for field in fields)}
        if any(match.get("new_field") in (fields, fields[0]) for match in step["new_matches"]):
            told |= values
        known |= values - told
    return sorted(known)


def valued(event, field):
    for part in field.split("."):
        event = event.get(part) if isinstance(event, dict) else None
    return event


def metric_rule(config):
    """Both bounds as one condition; a script of two fields is arithmetic of two averages."""
    field = config["metric_agg_key"]
    value = f"p95({field})" if config["metric_agg_type"] == "percentiles" else f"avg({field})"
    if "metric_agg_script" in config:
        value = f"avg(some_threshold) - avg({field})"
    bounds = {"min_threshold": "<", "max_threshold": ">"}
    when = " or ".join(f"{value} {sign} {config[name]}" for name, sign in bounds.items() if name in config)
    window = "bucket_interval_timedelta" if "bucket_interval" in config else "buffer_time"
    return {"when": when, "over": seconds(config, window), "severity": "high"}


def percentage_rule(config):
    value = "ratio(term == term_val)"
    return {"when": f"{value} < {config['min_percentage']}% or {value} > {config['max_percentage']}%",
            "over": seconds(config, "buffer_time"), "severity": "high"}


def rule_of(case):
    config, kind = case["config"], case["class"]
    if kind == "AnyRule":
        return {"when": "each", "severity": "high", "cooldown": "0s"}
    if kind == "BlacklistRule":
        words = ", ".join(json.dumps(word) for word in config["blacklist"])
        return {"where": f"{config['compare_key']} in ({words})", "when": "each", "severity": "high", "cooldown": "0s"}
    if kind == "ChangeRule":
        return {"when": "change(compared)", "severity": "high"}
    if kind == "FrequencyRule":
        return {"value": "count()", "over": seconds(config), "high": f"at least {config['num_events']}"}
    if kind == "FlatlineRule":
        return {"value": "count()", "over": seconds(config), "high": f"below {config['threshold']}"}
    if kind in ("MetricAggregationRule", "PercentageMatchRule"):
        return metric_rule(config) if kind == "MetricAggregationRule" else percentage_rule(config)
    field = config["cardinality_field"]
    limit = f"above {config['max_cardinality']}" if "max_cardinality" in config else f"below {config['min_cardinality']}"
    return {"value": f"distinct({field})", "over": seconds(config), "high": limit}


def rules_of(case):
    several = {"NewTermsRule": new_term_rules, "SpikeRule": spike_rules}.get(case["class"])
    rules = dict(several(case)) if several else {"r": rule_of(case)}
    by = {"by": keys_of(case["config"])} if keys_of(case["config"]) and case["class"] != "NewTermsRule" else {}
    return {name: {**rule, **by} for name, rule in rules.items()}


# --- records --------------------------------------------------------------------------------------------------------

def prepared(case, event):
    """Both fields of a compound key as one; a record without them, as the rule takes nulls."""
    fields = {key: value for key, value in event.items() if not key.startswith("@")}
    if case["class"] != "ChangeRule":
        return fields
    values = [event.get(key) for key in case["config"]["compound_compare_key"]]
    if None in values and case["config"]["ignore_null"]:
        return fields
    return {**fields, "compared": json.dumps(values)}


def answered(case, answer, keys):
    """(time or None, fields) of records that a data base would give this answer for."""
    if "interval_aggs" in answer:
        for bucket in answer["interval_aggs"]["buckets"]:
            time = datetime.datetime.fromtimestamp(int(bucket["key"]) / 1000, datetime.timezone.utc)
            yield from ((time, fields) for _, fields in answered(case, bucket, keys))
    elif "bucket_aggs" in answer:
        for bucket in answer["bucket_aggs"]["buckets"]:
            yield from answered(case, bucket, keys + [bucket["key"]])
    else:
        by = dict(zip(keys_of(case["config"]), keys))
        yield from ((None, {**by, **fields}) for fields in measured(case["config"], answer))


def measured(config, answer):
    """Three times as many documents as there were, since they have thirds; a value as it is, or nothing."""
    if "percentage_match_aggs" in answer:
        buckets = answer["percentage_match_aggs"]["buckets"].items()
        counts = {"term_val" if kind == "match_bucket" else "other": round(3 * bucket["doc_count"]) for kind, bucket in buckets}
        mixed = sorted((place / count, term) for term, count in counts.items() for place in range(count))
        return [{"term": term} for _, term in mixed]
    value = next(value for name, value in answer.items() if name.startswith("metric_"))
    value = value["value"] if "value" in value else next(iter(value["values"].values()))
    if value is None:
        return []
    if "metric_agg_script" in config:
        return [{"some_threshold": 0, config["metric_agg_key"]: -value}]
    return [{config["metric_agg_key"]: value}]


def apart(case, step):
    """When a step asked a data base, moved so that what the step before has raised is over."""
    return moment(step["args"][0]) + datetime.timedelta(seconds=1000 * case["steps"].index(step))


def spread(case, step, records):
    """A window begins with the first and ends with the last of them, so that all of it was watched."""
    end, by_key = apart(case, step), {}
    over = datetime.timedelta(seconds=case["config"]["buffer_time"]["seconds"])
    for own, fields in records:
        if own:
            yield own, fields
        else:
            by_key.setdefault(tuple(fields.get(key) for key in keys_of(case["config"])), []).append(fields)
    for several in by_key.values():
        several = several if len(several) > 1 else several * 10
        for place, fields in enumerate(several):
            yield end - over + over * place / (len(several) - 1), fields


def events_of_step(case, step, tick):
    """(time, fields, when the engine was last asked) of each event of a step."""
    name, key = case["config"].get("timestamp_field", "@timestamp"), case["config"].get("query_key", "term")
    if step["op"] == "check_matches":
        _, which, answer = step["args"]
        records = spread(case, step, answered(case, answer, [which] if which else []))
        yield from sorted(((time, fields, None) for time, fields in records), key=lambda record: record[0])
        return
    for argument in step["args"]:
        if step["op"] == "add_data":
            argument = argument[0] if isinstance(argument[0], list) else argument
            yield from ((moment(event[name]), prepared(case, event), tick) for event in argument)
        elif step["op"] == "add_count_data" and isinstance(argument, dict):
            yield from ((moment(time), {}, tick) for time, count in argument.items() for _ in range(count))
        elif step["op"] == "add_terms_data":
            yield from ((moment(time), {key: term["key"]}, tick) for time, terms in argument.items() for term in terms
                        for _ in range(term["doc_count"]))


def ticks_of_step(step):
    for argument in step["args"]:
        if step["op"] in ("add_count_data", "add_terms_data") and isinstance(argument, dict):
            yield from map(moment, argument)
        elif step["op"] not in ("add_data", "check_matches", "add_count_data", "add_terms_data") and isinstance(argument, str):
            yield moment(argument)


def events_of(case):
    """All events, and the times at which the engine was only asked."""
    events, ticks = [], []
    for step in case["steps"]:
        events += events_of_step(case, step, ticks[-1] if ticks else None)
        ticks += ticks_of_step(step)
    return events, ticks


def settled(case):
    """How long after the last record all of it is judged: two seconds, and until a window is over where one is awaited."""
    config, more = case["config"], 0
    if case["class"] == "SpikeRule":
        more = config["timeframe"]["seconds"] / 12 + 1
    elif case["class"] in ("MetricAggregationRule", "PercentageMatchRule"):
        more = 5
    return datetime.timedelta(seconds=2 + more)


def run(case, tmp_path):
    events, ticks = events_of(case)
    first = min([event[0] for event in events] + ticks)
    newest, inputs = first, []
    for time, fields, tick in events:
        newest = max(newest, time, tick or time)      # an event that is older than what came before it comes late
        inputs.append({"from": stamp(time), "arrive": stamp(newest), "record": {"message": "m", **fields}})
    last = max([newest] + ticks) + settled(case)
    file = tmp_path / "a.test.yaml"
    file.write_text(json.dumps({
        "alerting": {"lateness": "1s", "max_age": "7d", "routes": [{"to": "told"}], "rules": rules_of(case)},
        "tests": [{"name": case["test"], "start": stamp(first), "until": stamp(last),
                   "input": inputs, "never": [{"state": "summary"}]}]}))
    done = subprocess.run([BIN, "test", "--json", str(file)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    notices = json.loads(done.stdout)["results"][0]["notices"]
    return [each["record"] for each in notices if each["record"]["state"] != "resolved"]


def key_of(case, source):
    """As text, since a value may be a list; a match of terms has it as `key`."""
    keys = keys_of(case["config"]) if case["class"] != "NewTermsRule" else []
    values = [valued(source, key) or source.get(key, source.get("key")) for key in keys]
    return tuple(value if isinstance(value, str) else json.dumps(value) for value in values)


def fired_of(case, records):
    return [(key_of(case, record["key"]), moment(record["timestamp"]).replace(microsecond=0)) for record in records]


def matches_of(case):
    """(key, time) of each match."""
    name = case["config"].get("timestamp_field", "@timestamp")
    for step in case["steps"]:
        for match in step["new_matches"]:
            match = match[0] if isinstance(match, list) else match
            time = apart(case, step) if step["op"] == "check_matches" else moment(match[name if name in match else "@timestamp"])
            yield key_of(case, match), time.replace(microsecond=0)


def firsts(pairs):
    found = {}
    for key, time in pairs:
        found.setdefault(key, time)
    return found


# --- judging --------------------------------------------------------------------------------------------------------

# What logboom does instead, and how often it fires then.
DIFFERENCES = {
    "test_change-4": (1, "a timeframe of 1 s: the value before is older and does not count there; change() has no such limit"),
    "test_spike_terms-1": (3, "both users send nothing for 15 minutes, which is a drop for each; there the window before is that "
                              "of the records before. The spike is the same"),
    "test_metric_aggregation_complex_query_key_bucket_interval-1": (
        2, "of five minutes in a row four are above; there each is a match, here the first two are one alert and the last two "
           "another"),
}


def check_same(case, fired, matched):
    assert [time for _, time in fired] == [time for _, time in matched]


def check_once(case, fired, matched):
    """While it lasts an alert is one, not a match for every event (F11, F12): the first of each key is compared."""
    assert firsts(fired) == firsts(matched)


def check_missing(case, fired, matched):
    """What is missing is found when it is missing, not when somebody asks the next time."""
    ticks = [tick.replace(microsecond=0) for tick in events_of(case)[1]]
    for which, time in firsts(matched).items():
        before = max([tick for tick in ticks if tick < time], default=time - datetime.timedelta(hours=1))
        assert before <= firsts(fired)[which] <= time, (which, fired, matched)
    assert set(firsts(fired)) == set(firsts(matched))


def check_spikes(case, fired, matched):
    """There the time of a spike is that of the first record of its window, here of the one that made it so many; of a drop
    there it is when the next record comes, here when the window is over."""
    over = datetime.timedelta(seconds=case["config"]["timeframe"]["seconds"])
    assert [key for key, _ in fired] == [key for key, _ in matched]
    for (_, ours), (_, theirs) in zip(fired, matched):
        assert theirs - 2 * over <= ours <= theirs + over, (fired, matched)


def check_answers(case, fired, matched):
    """It fires within the window that the data base was asked for, and for no other."""
    over = datetime.timedelta(seconds=case["config"]["buffer_time"]["seconds"] + 2)
    assert sorted(key for key, _ in fired) == sorted(key for key, _ in matched)
    for (_, ours), (_, theirs) in zip(sorted(fired), sorted(matched)):
        assert theirs - over <= ours <= theirs + over, (fired, matched)


CHECKS = {"FrequencyRule": check_once, "CardinalityRule": check_once, "ChangeRule": check_once, "FlatlineRule": check_missing,
          "SpikeRule": check_spikes, "MetricAggregationRule": check_answers, "PercentageMatchRule": check_answers}


@pytest.mark.parametrize("name,case", traces())
def test_a_rule_fires_where_it_matched(name, case, tmp_path):
    records = run(case, tmp_path)
    fired, matched = fired_of(case, records), list(matches_of(case))
    if name in DIFFERENCES:
        assert len(fired) == DIFFERENCES[name][0] and fired != matched
        assert case["class"] != "SpikeRule" or [pair for pair, record in zip(fired, records) if record["rule"] == "up"] == matched
        return
    check = check_missing if "min_cardinality" in case["config"] else CHECKS.get(case["class"], check_same)
    check(case, fired, matched)
    if case["class"] == "NewTermsRule":      # and by the rule of the field that was new, or was not there
        told = [match.get("new_field", match.get("missing_field")) for step in case["steps"] for match in step["new_matches"]]
        assert [record["rule"].split()[1] for record in records] == [",".join(each) if isinstance(each, list) else each
                                                                    for each in told]


def test_nothing_is_left_out_silently():
    cases = dict(named_cases())
    assert (len(cases), len(traces())) == (43, 42) and set(DIFFERENCES) <= {param.id for param in traces()}
    for name in WITHOUT_EVENTS:
        assert events_of(cases[name]) == ([], []) and list(matches_of(cases[name])) == []
