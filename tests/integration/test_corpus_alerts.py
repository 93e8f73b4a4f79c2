"""Attacks in logs of many programs (alerts/ of the corpus), found by rules of logboom.

There a bucket of `capacity` events leaks one every `leakspeed`, one for each source; here the rule is
`count() over capacity * leakspeed by client_ip at least capacity + 1`. What of each log counts is said by the words of
a failed login, or by SCENARIOS where its own words are needed; addresses are found in the line as it stands.
Buckets of distinct values (users, paths, ports) are `distinct(target)`, where the target is found by DISTINCT.

What one event is enough for, and what asks for several kinds of events, is in EVENTS. Where that engine's condition is
not in the corpus it is what the name of the scenario says (the request of a CVE).

All logs are read in one run, each by a source of its own, and each rule looks at the records of its log. Where a
source is not found for a reason, DIFFERENCES says it; what cannot be said at all is in UNSAID.
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
        r"failed: ([^\s\(]+) \(|^[\d-]+ [\d:]+ (\S+) [\d.]+ failed|\] (\S+) - [\d.]+ global|principalName\":\"([^\"]+))")
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
    ("aws-cloudtrail-postexploit", "arn:aws:iam::<accountId>:user/<username>"): "its third event is three hours before them",
}

def request(pattern, more=""):
    return {"where": f"path ~ {json.dumps('(?i)' + pattern)}{more}"}


def words(pattern, **more):
    return {"where": f"line ~ {json.dumps(pattern)}", **more}


# A rule for each scenario that is no bucket: `when: each` by the address, unless it says otherwise.
EVENTS = {
    "CVE-2022-26134": request("(@|%40)java.lang.Runtime(@|%40)getRuntime(%28|\\()"),
    "CVE-2022-35914": request("/vendor/htmlawed/htmlawed/htmLawedTest\\.php"),
    "fortinet-cve-2022-40684": request("^/api/v2/cmdb/system/admin/", ' and user_agent == "Report Runner"'),
    "CVE-2022-46169-cmd": request("/remote_agent\\.php\\?.*poller_id=(;|%3b)"),
    "CVE-2023-22518": request("/json/setup-restore\\.action", " and method == POST"),
    "CVE-2024-0012": request("\\.php/(.*/)?\\.js\\.map"),
    "CVE-2024-9474": request("createRemoteAppwebSession\\.php/.*\\.js\\.map"),
    "amavis-blocked": words("Blocked INFECTED"),
    "http-cve-2021-41773": words("(?i)/(\\.|%2e)%2e/(\\.|%2e)%2e"),
    "apache_log4j2_cve-2021-44228": {
        "where": " or ".join(f'{field} ~ "(?i)[$][{{]jndi:"' for field in ("path", "user_agent", "referrer"))},
    "aws-cloudtrail-nwo-nwd-console-login": {
        "where": 'eventName == ConsoleLogin and line ~ "eventTime.{3}[0-9-]+T(0[0-7]|2[0-3]):"', "by": "userIdentity.arn"},
    "CVE-2022-37042": request("/mboximport\\?.*ow=", " and method == POST and status in (401, 404)"),
    "f5-big-ip-cve-2020-5902": request("/tmui/login\\.jsp/(\\.\\.|%2E%2E);/tmui/locallb/workspace/"),
    "grafana-cve-2021-43798": request("/public/plugins/[^/]+/(\\.\\.|%2E%2E)/"),
    "http-cve-probing": request("/_ignition/execute-solution|/setup\\.cgi|/cgi/networkDiag\\.cgi"),
    "http-dos-invalid-http-versions": {"where": 'protocol ~ "^HTTP/" and protocol !~ "/(0\\.9|1\\.0|1\\.1|2\\.0|3\\.0)$"'},
    "http-generic-test": {"where": 'path == "/crowdsec-test-NtktlJHV4TfBSK3wvlhiOBnl"'},
    "http-technology-probing": request("^/cgi-bin/.*\\.cgi|^/crx/packmgr/", " and status in (403, 404)"),
    "jira_cve-2021-26086": request("/_/;/(META|WEB)-INF/"),
    "k8s-audit-pod-exec": {"where": "objectRef.subresource == exec and objectRef.resource == pods"},
    "mailcow-f2b-feed": words("Banning|to denylist"),
    "mailscanner-blacklisted": words("is spam \\(blacklisted\\)"),
    "mailu-admin-bf": words("has been rate-limited"),
    "http-open-proxy": {"where": 'status in (400, 405) and (method == CONNECT or path ~ "^https?://")'},
    "palo-alto-threat": words(",THREAT,.*,(medium|high|critical),"),
    "postfix-non-smtp-command": words("non-SMTP command from"),
    "pulse-secure-sslvpn-cve-2019-11510": request("/dana-na/(\\.\\.|%2E%2E)/.*/etc/passwd"),
    "spring4shell_cve-2022-22965": request("class\\.module\\.classLoader\\."),
    "ssh-generic-test": words("Invalid user crowdsec-test-NtktlJHV4TfBSK3wvlhiOBnl "),
    "ssh-refused-conn": words("sshd\\[\\d+\\]: refused connect from"),
    "vmware-cve-2022-22954": request("catalog-portal(/|%2F)ui(/|%2F)oauth(/|%2F)verify.*deviceUdid"),
    "vmware-vcenter-vmsa-2021-0027": request("/ui/vcav-bootstrap/rest/vcav-providers/provider-logo\\?url=(file|http)"),
    "zoneminder_cve-2022-39285": request("/zm/index\\.php\\?.*request=log&task=create.*script", " and method == POST"),
    "zoneminder_cve-2022-39290": request("action=", " and method == GET"),
    "openvpn-bf": words("TLS Error: incoming packet authentication failed", value="count()", over="1m", high="at least 4"),
    "auditd-postexploit-exec-from-net": {
        "when": 'count(exe ~ "/(wget|curl)$") >= 1 and count(exe endswith "/chmod") >= 1 and count(exe startswith "/tmp/") >= 1',
        "over": "1s", "by": "ppid"},
    "auditd-base64-exec-behavior": {
        "when": 'count(SYSCALL.comm == base64) >= 1 and count(SYSCALL.comm in (sh, bash, python3, perl)) >= 1', "over": "1s",
        "by": "SYSCALL.ppid"},
    "auditd-suid-crash": {"when": "seq(SYSCALL.EUID == root and SYSCALL.auid != 0 -> has ANOM_ABEND within 1s)", "by": "program"},
    "aws-cloudtrail-postexploit": {"where": 'eventName in (ListBuckets, ListFunctions20150331, GetCallerIdentity)',
                                   "value": "distinct(eventName)", "over": "1m", "high": "at least 3", "by": "userIdentity.arn"},
}
UNSAID = {"impossible-travel": "how far two addresses are apart is in a data base of places",
          "impossible-travel-user": "the same"}


PROGRAM = r'"exe":"(?<program>[^"]+)"'


def seconds(text):
    number, unit = re.match(r"([\d.]+)([hms])$", text).groups()
    return float(number) * {"h": 3600, "m": 60, "s": 1}[unit]


def scenarios():
    """(log, scenario, that engine's rule, its sources or as many as there were) of every scenario that fires in a log."""
    for row in map(json.loads, EXPECTED.read_text().splitlines()) if EXPECTED.exists() else ():
        found = {}
        for number, alert in enumerate(row["alerts"]):
            sources = alert["sources"] if "sources" in alert and alert["sources"] else [f"unnamed {number}"]
            found.setdefault(alert["scenario"].split("/")[-1], (alert.get("rule") or {}, set()))[1].update(
                source.removeprefix("::ffff:") for source in sources)
        for name, (rule, sources) in found.items():
            yield row["log"], name, rule, sources


def is_bucket(rule):
    return rule.get("type") == "leaky"


class Plan:
    """One configuration for all: a source for each log, what is cut out of lines, and a rule for each scenario."""

    def __init__(self):
        self.sources, self.cuts, self.rules, self.expected = {}, {ADDRESS: "client_ip", PROGRAM: "program"}, {}, []

    def cut(self, pattern, name):
        """The field that has what the pattern finds in a line. Every line is looked at, each rule looks at its own log."""
        return self.cuts.setdefault(pattern, f"{name}{len(self.cuts)}")

    def bucket(self, name, bucket):
        distinct = (bucket.get("distinct") or "").split(".")[-1]
        where, address = SCENARIOS.get(name, (FAILED if not distinct or DISTINCT[distinct] is USER else ANY, None))
        value = f"distinct({self.cut(DISTINCT[distinct], 'target')})" if distinct else "count()"
        return {"where": f"line ~ {json.dumps(where)}", "value": value, "high": f"at least {bucket['capacity'] + 1}",
                "by": self.cut((address or ADDRESS).replace("?<client_ip>", "?<found>"), "found"),
                "over": f"{min(seconds(bucket['leakspeed']) * bucket['capacity'], 86400):g}s"}

    def parsers(self):
        """The group of a pattern gets the name of its field; a pattern of DISTINCT has groups without a name."""
        def with_name(pattern, field):
            if "(?<" in pattern.replace("(?<!", ""):
                return re.sub(r"\(\?<(client_ip|found|program)>", f"(?<{field}>", pattern)
            return re.sub(r"(?<!\\)\((?!\?)", f"(?<{field}>", pattern)
        return {f"p{place}": {"type": "regex", "pattern": with_name(pattern, field)}
                for place, (pattern, field) in enumerate(self.cuts.items())}

    def add(self, log, name, rule, sources):
        self.sources.setdefault(log, {"type": "file", "include": [str(pathlib.Path(CORPUS).resolve() / log)], "parse": "none",
                                      "fields": {"log": log}})
        if is_bucket(rule):
            made = self.bucket(name, rule)
        else:
            made = {"by": "client_ip", **EVENTS[name]}
            if "value" not in made:
                made = {"when": "each", "cooldown": "0s", "severity": "high", **made}
        made["where"] = f'log == "{log}" and ({made["where"]})' if "where" in made else f'log == "{log}"'
        self.rules[f"r{len(self.rules)}"] = {**made, "to": "told"}
        self.expected.append((log, name, rule, sources, made["by"]))

    def config(self):
        parsers = self.parsers()
        cuts = [{"parse": {"with": name, "field": "line"}} for name in parsers]
        parts = {
            "sources": {f"s{place}": source for place, source in enumerate(self.sources.values())}, "parsers": parsers,
            "filters": [{"copy": {"line": "message"}}, *cuts, {"parse": {"with": "auto"}}], "routes": [{"to": "all"}],
            "sinks": {name: {"type": "file", "path": f"{{dir}}/{name}.log"} for name in ("all", "told")},
            "alerting": {"lateness": "1h", "max_age": "36500d", "rules": self.rules}}
        return "".join(f"{name}: {json.dumps(part)}\n" for name, part in parts.items())


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    """(log, scenario, that engine's rule, its sources, ours) of each."""
    plan, directory = Plan(), tmp_path_factory.mktemp("attacks")
    for log, name, rule, sources in scenarios():
        if name not in UNSAID:
            plan.add(log, name, rule, sources)
    run_to_end(directory, plan.config())
    rows = [json.loads(line) for line in (directory / "told.log").read_text().splitlines()]
    found = [set() for _ in plan.expected]
    for row in rows:
        if row["state"] in ("firing", "repeated"):
            place = int(row["rule"][1:])
            found[place].add(str(row["key"][plan.expected[place][4]]).removeprefix("::ffff:"))
    return [(*each[:4], ours) for each, ours in zip(plan.expected, found)]


def missed_and_more(judged):
    expected = missed = more = 0
    for log, name, _, sources, found in judged:
        if any(source.startswith("unnamed") for source in sources):      # it is not said which, but how many
            sources = set(sorted(found)[:len(sources)]) | {f"unnamed {place}" for place in range(len(found), len(sources))}
        expected += len(sources)
        missed += len(sources - found)
        more += len(found - sources)
        assert not found & {source for which, source in DIFFERENCES if which == name}, "differs no more"
        if found != sources:
            print(f"{log} {name}: missed {sorted(sources - found)}, more {sorted(found - sources)}")
    print(f"{expected} sources: {expected - missed} found, {more} others")
    return expected, missed, more


def test_the_sources_of_buckets_are_found(judged):
    expected, missed, more = missed_and_more([each for each in judged if is_bucket(each[2])])
    assert expected > 90 and missed <= 0.05 * expected and more <= 0.05 * expected


def test_the_sources_of_single_events_and_conditions_are_found(judged):
    expected, missed, more = missed_and_more([each for each in judged if not is_bucket(each[2])])
    assert expected > 60 and missed <= 0.05 * expected and more <= 0.05 * expected


def test_nothing_is_left_out_silently():
    alerts = [alert for row in map(json.loads, EXPECTED.read_text().splitlines()) for alert in row["alerts"]]
    buckets = [alert["rule"] for alert in alerts if is_bucket(alert.get("rule") or {})]
    others = [alert["scenario"].split("/")[-1] for alert in alerts if not is_bucket(alert.get("rule") or {})]
    assert (len(alerts), len(buckets), len([rule for rule in buckets if rule.get("distinct")]), len(others)) == (213, 141, 35, 72)
    assert set(others) == set(EVENTS) | set(UNSAID)
    assert len([name for name in others if name in UNSAID]) == 3
