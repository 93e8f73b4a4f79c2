"""Attacks in logs of many programs (alerts/ of the corpus), found by rules of logboom.

There a bucket of `capacity` events leaks one every `leakspeed`, one for each source; here the rule is
`count() over capacity * leakspeed by client_ip at least capacity + 1`. What of each log counts is said by the words of
a failed login, or by SCENARIOS where its own words are needed; addresses are found in the line as it stands.

Buckets of distinct values (users, paths, ports) are `distinct(target)`, where the target is found by DISTINCT.

Not here, and counted as such by the last test: single events, and conditions that look things up elsewhere (where an
address is). Where a source is not found for a reason, DIFFERENCES says it.
"""
import json
import os
import pathlib
import re

import pytest

from harness import run_to_end

CORPUS = os.environ.get("LB_CORPUS")
EXPECTED = pathlib.Path(CORPUS or "/nowhere") / "alerts/expected.jsonl"

pytestmark = pytest.mark.skipif(not EXPECTED.exists(), reason="LB_CORPUS does not name the corpus")

ANY = "."
FAILED = r"(?i)fail|unsuccess|invalid|incorrect|wrong|denied|reject|unauthor|refused|not found|no such|bad |error"

FOUR = r"(?<client_ip>(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d.]))"
SIX = (r"(?<![\w:.])(?<client_ip>(?=[0-9a-fA-F:]*::|(?:[0-9a-fA-F]{1,4}:){7})[0-9a-fA-F]{0,4}(?::[0-9a-fA-F]{0,4}){2,7})"
       r"(?![\w:]|\.\d)")
ADDRESS = f"(?|{FOUR}|{SIX})"

# What counts, and where the address stands if it is not the first one in the line.
SCENARIOS = {
    "CVE-2022-46169-bf": (r"remote_agent\.php\?.*local_data_ids", None),
    "http-apiscp-bf": (r'"POST /apps/login HTTP/\S+" 200', None),
    "auditd-postexploit-rm": (r'exe="/(usr/)?bin/rm"', r"ppid=(?<client_ip>\d+)"),
    "http-bad-user-agent": (r"Nikto|zgrab", r"(?|client: (?<client_ip>[\d.]+)|remote_address\":\"(?<client_ip>[\d.]+)|"
                                            r"^(?:\S+ )*?(?<client_ip>\d+\.\d+\.\d+\.\d+)(?::\d+ | - ))"),
    "endlessh-bf": ("ACCEPT host=", None),
    "exchange-bf": (FAILED, r":\d+,(?<client_ip>[\d.]+):\d+,"),
    "freeswitch-user-enumeration": ("Can't find user", None),
    "gotify-bf": (r"\| 401 \|", None),
    "mailscanner-highscore-spam": (r"score=[2-9]\d\.", None),
    "navidrome-bf": ("httpStatus=401", None),
    "nextcloud-bf": ("Login failed|Bruteforce attempt", r'"remoteAddr":"(?<client_ip>[^"]+)"'),
    "nextcloud-bf_domain_error": ("Trusted domain error", r'"remoteAddr":"(?<client_ip>[^"]+)"'),
    "opensearch-dashboard-bf": ('"statusCode":401', r'"remoteAddress":"(?<client_ip>[^"]+)"'),
    "sabnzbd-bf": ("Unsuccessful login|Mislukte login",
                   r"(?|X-Forwarded-For: (?<client_ip>[\d.]+)|(?:from|van) (?<client_ip>[\d.]+) (?!\(X))"),
    "smb-bf": ("NT_STATUS_(NO_SUCH_USER|WRONG_PASSWORD|LOGON_FAILURE)", r"remote host \[ipv4:(?<client_ip>[\d.]+)"),
    "ssh-cve-2024-6387": ("Timeout before authentication|ssh_dispatch_run_fatal", None),
    "sympa_ww-http-scan": ("Unknown action", None),
    "zoneminder_cve-2022-39291": (r"POST /zm/index\.php.*request=log&task=create", None),
    "CVE-2024-38475": (r'(?i)"GET [^? "]*%3f HTTP', None),
    "asterisk_user_enum": ("InvalidAccountID", r'RemoteAddress="IPV4/[A-Z]+/(?<client_ip>[\d.]+)/'),
    "mikrotik-scan-multi_ports": (ANY, r", (?<client_ip>[\d.]+):\d+->"),
    "iptables-scan-multi_ports": ("^(?!.*UFW AUDIT)", r"SRC=(?<client_ip>[\d.]+)"),
    "adguardhome-bf": (FAILED, r"(?|from ip (?<client_ip>[\d.]+)|POST (?<client_ip>[\d.]+) (?!.*from ip))"),
}
SCENARIOS["sabnzbd-slow-bf"] = SCENARIOS["sabnzbd-bf"]

# What has to differ, by the field that does there.
USER = (r"(?i)(?|\buser(?:name)?=([^,)\s]+)|AccountID=\"([^\"]+)|username\\*\": ?\\*\"([^\"\\]+)|uid_field\": \"([^\"]+)|"
        r"for user \"?([^\s\"]+)|attempt for (\S+)|login:\s?\"?([^\s\"]+)|USER (\S+?):|for \[([^\]]+)|"
        r"failed: ([^\s(]+) \(|^[\d-]+ [\d:]+ (\S+) [\d.]+ failed|\] (\S+) - [\d.]+ global|principalName\":\"([^\"]+))")
REQUEST = r'(?|\"[A-Z]+ ([^\" ]+)|x-envoy-origin-path\":\"([^\"]+)|- (?:- )?\[[^\]]+\] \"([^\"]*)\")'
DISTINCT = {
    "target_user": USER, "username": USER, "user": USER, "request": REQUEST, "http_path": REQUEST,
    "http_args": REQUEST, "file_name": REQUEST, "http_user_agent": r'\"([^\"]+)\"(?: \"-\")?$',
    "dst_port": r"(?|DPT=(\d+)|->[\d.]+:(\d+)|,[\d.]+,[\d.]+,\d+,(\d+),)",
    "authentication_database": r'authenticationDatabase\":\"([^\"]+)',
}
DIFFERENCES = {
    ("gitea-bf", "2.2.2.2"): "its six lines are an hour apart by their own times, which go back; time here is theirs (F16)",
    ("gitea-bf_user-enum", "2.2.2.2"): "the same lines",
    ("freeswitch-user-enumeration", "1.2.3.4"): "six lines, and a rule that says it takes more than twenty",
}

CONFIG = """
    sources: {{in: {{type: file, include: ['{log}'], parse: none}}}}
    parsers:
      address: {{type: regex, pattern: '{address}'}}
      target: {{type: regex, pattern: '{target}'}}
    filters:
      - copy: {{line: message}}
      - parse: {{with: address, field: line}}
      - parse: {{with: target, field: line}}
      - parse: {{with: auto}}
    routes: [{{to: all}}]
    sinks:
      all: {{type: file, path: '{{dir}}/all.log'}}
      told: {{type: file, path: '{{dir}}/told.log'}}
    alerting:
      lateness: 1h
      max_age: 36500d
      rules: {{r: {rule}}}
"""


def seconds(text):
    number, unit = re.match(r"([\d.]+)([hms])$", text).groups()
    return float(number) * {"h": 3600, "m": 60, "s": 1}[unit]


def buckets():
    """(log, scenario, rule, its sources) of every bucket."""
    for row in map(json.loads, EXPECTED.read_text().splitlines()) if EXPECTED.exists() else ():
        found = {}
        for alert in row["alerts"]:
            rule = alert.get("rule") or {}
            if rule.get("type") == "leaky":
                name = alert["scenario"].split("/")[-1]
                found.setdefault(name, (rule, set()))[1].update(source.removeprefix("::ffff:") for source in alert["sources"])
        for name, (rule, sources) in found.items():
            yield row["log"], name, rule, sources


def sources_found(directory, log, scenario, bucket):
    distinct = (bucket.get("distinct") or "").split(".")[-1]
    plain = not distinct or DISTINCT[distinct] is USER
    where, address = SCENARIOS.get(scenario, (FAILED if plain else ANY, None))
    target = re.sub(r"(?<!\\)\((?!\?)", "(?<target>", DISTINCT.get(distinct, "^(.)"))
    rule = {"where": f"line ~ {json.dumps(where)}", "value": "distinct(target)" if distinct else "count()", "by": "client_ip", "to": "told",
            "over": f"{min(seconds(bucket['leakspeed']) * bucket['capacity'], 86400):g}s",
            "high": f"at least {bucket['capacity'] + 1}"}
    run_to_end(directory, CONFIG.format(log=pathlib.Path(CORPUS).resolve() / log, rule=json.dumps(rule),
                                        address=(address or ADDRESS).replace("'", "''"),
                                        target=target.replace("'", "''")))
    told = directory / "told.log"
    rows = [json.loads(line) for line in told.read_text().splitlines()] if told.exists() else []
    return {row["key"]["client_ip"].removeprefix("::ffff:") for row in rows if row["state"] == "firing"}


def test_the_expected_sources_are_found(tmp_path):
    expected = missed = more = 0
    for number, (log, scenario, bucket, sources) in enumerate(buckets()):
        found = sources_found(tmp_path / str(number), log, scenario, bucket)
        expected += len(sources)
        missed += len(sources - found)
        assert not found & {source for name, source in DIFFERENCES if name == scenario}, "differs no more"
        more += len(found - sources)
        if found != sources:
            print(f"{log} {scenario}: missed {sorted(sources - found)}, more {sorted(found - sources)}")
    print(f"{expected} sources: {expected - missed} found, {more} others")
    assert expected > 90 and missed <= 0.05 * expected and more <= 0.05 * expected


def test_nothing_is_left_out_silently():
    rules = [(alert.get("rule") or {}) for row in map(json.loads, EXPECTED.read_text().splitlines()) for alert in row["alerts"]]
    plain = [rule for rule in rules if rule.get("type") == "leaky" and not rule.get("distinct")]
    distinct = [rule for rule in rules if rule.get("type") == "leaky" and rule.get("distinct")]
    assert (len(rules), len(plain), len(distinct)) == (213, 106, 35)
