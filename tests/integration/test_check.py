"""`logboom check` with the real modules: every fault in one run, word for word, exit 1; a whole file, exit 0.

The first nine are those that a dry run of another shipper is known to let pass.
"""
import os
import subprocess
import textwrap

import pytest

from harness import BIN

SOURCES = "sources: {app: {type: file, include: ['{dir}/in/*.log']}}\n"
SINKS = "sinks: {archive: {type: archive, path: '{dir}/out/x.zst'}}\n"
ROUTES = "routes: [{to: archive}]\n"
WHOLE = SOURCES + SINKS + ROUTES


@pytest.fixture
def check(tmp_path):
    """Runs check over a configuration (on line 1 stands data_dir); gives the exit status and the lines told."""
    for file in ("in/x.log", "out/other.log"):
        (tmp_path / file).parent.mkdir()
        (tmp_path / file).touch()

    def run(text, data_dir="{dir}/data", **environment):
        text = f"data_dir: {data_dir}\n" + textwrap.dedent(text)
        file = tmp_path / "a.yaml"
        file.write_text(text.replace("{dir}", str(tmp_path)))
        process = subprocess.run([BIN, "check", "-c", str(file)], capture_output=True, text=True, timeout=30,
                                 env={**os.environ, **environment})
        assert process.returncode in (0, 1), process.stderr
        told = process.stderr.replace(str(tmp_path) + "/", "")
        return process.returncode, [line for line in told.splitlines() if "nothing was started" not in line]

    return run


def test_a_whole_configuration_passes(check):
    assert check(WHOLE) == (0, [])


def test_says_what_happens_while_a_sink_lags(tmp_path):
    file = tmp_path / "a.yaml"
    file.write_text(f"""
data_dir: {tmp_path}/data
sources: {{net: {{type: syslog, listen: ['tcp://127.0.0.1:0']}}}}
routes: [{{to: [archive, hook, bin, old]}}]
sinks:
  archive: {{type: archive, path: '{tmp_path}/a.zst'}}
  hook: {{type: webhook, url: 'http://127.0.0.1:1/'}}
  bin: {{type: webhook, url: 'http://127.0.0.1:1/', spool: {{max_size: 20GiB, then: drop_oldest}}}}
  old: {{type: stdout, when_full: drop_oldest}}
""")
    done = subprocess.run([BIN, "check", "-c", str(file)], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1:] == [
        "  archive  archive  when full: block: its sources wait",
        "  hook     webhook  when full: spool to disk, 1.0 GiB at most, then block",
        "  bin      webhook  when full: spool to disk, 20 GiB at most, then drop the oldest",
        "  old      stdout   when full: drop the oldest, counted",
    ]


NINE = {
    "missing path": (
        SINKS + ROUTES + "sources: {app: {type: file}}\n",
        'a.yaml:4:16: error: source "app": missing "include"'),
    "unknown parser": (
        SINKS + ROUTES + "sources: {app: {type: file, include: '{dir}/in/x.log', parse: nginxx}}\n",
        'error: source "app": "parse": unknown parser "nginxx"'),
    "a route to a sink that is not there": (
        SOURCES + SINKS + "routes: [{to: archiv}]\n",
        'a.yaml:4:15: error: route: "to": unknown sink "archiv"; did you mean "archive"?'),
    "a pattern that does not compile": (
        SINKS + ROUTES + "sources: {app: {type: file, include: '{dir}/in/x.log', parse: mine}}\n"
        "parsers: {mine: {type: regex, pattern: '(?<message>.*'}}\n",
        "a.yaml:5:"),
    "banana as a size": (
        WHOLE + "memory: {pool: banana}\n",
        'a.yaml:5:16: error: "memory.pool": expected a size such as 64KiB or 1MB, got "banana"'),
    "maybe as a choice": (
        SINKS + ROUTES + "sources: {app: {type: file, include: '{dir}/in/x.log', read_from: maybe}}\n",
        'error: source "app": "read_from": expected head or end, got "maybe"'),
    "an unknown top-level key": (
        WHOLE + "service: {flush: 1s}\n",
        'a.yaml:5:1: error: unknown key "service"; expected '),
    "no outputs": (
        SOURCES,
        'a.yaml:2:10: error: 1 source, but no route sends records anywhere; add for example "routes: [{to: archive}]"'),
}


@pytest.mark.parametrize("name", NINE)
def test_finds_what_dry_runs_let_pass(check, name):
    text, told = NINE[name]
    code, lines = check(text)
    assert code == 1
    assert any(told in line for line in lines), lines


def test_finds_that_data_dir_cannot_be_written(check):
    assert check(WHOLE, data_dir="/dev/null/data") == (
        1, ['a.yaml:1:11: error: "data_dir": "/dev/null" is not a directory'])


def test_tells_all_faults_in_one_run(check):
    code, lines = check("""\
        http: {listen: nowhere}
        sources:
          app:
            type: file
            includ: [/x]
          two: {type: fiel}
        sinks:
          archive:
            type: archive
            path: '{dir}/out/{service}.zst'
            rotate: {size: banana, every: 5}
        routes:
          - {to: archive, stop: true}
          - {to: archve}
        sorces: {}
        """)
    assert code == 1
    assert [line for line in lines if "missing \"include\"" not in line] == [
        'a.yaml:2:16: error: "http.listen": expected host:port such as 127.0.0.1:8686, got "nowhere"',
        'a.yaml:6:5: error: source "app": unknown key "includ"; did you mean "include"?',
        'a.yaml:7:15: error: source "two": unknown type "fiel"; did you mean "file"?',
        'a.yaml:12:20: error: sink "archive": "rotate.size": expected a size such as 64KiB or 1MB, got "banana"',
        'a.yaml:12:35: error: sink "archive": "rotate.every": give a unit, for example 5s',
        'a.yaml:15:5: error: this route is never reached: the one at line 14 takes every record and stops',
        'a.yaml:15:10: error: route: "to": unknown sink "archve"; did you mean "archive"?',
        'a.yaml:16:1: error: unknown key "sorces"; did you mean "sources"?',
    ]


def test_points_into_an_expression(check):
    code, lines = check(SOURCES + SINKS + "routes: [{where: 'level >= warn and and', to: archive}]\n")
    assert code == 1
    assert len(lines) == 1 and lines[0].startswith("a.yaml:4:37: error: "), lines


def test_a_route_that_can_never_match_is_a_fault(check):
    code, lines = check(SOURCES + SINKS + "routes: [{where: 'false', to: archive}, {to: archive}]\n")
    assert (code, lines) == (1, ['a.yaml:4:19: error: this route is never taken: no record can match "false"'])


def test_refuses_to_read_what_it_writes(check):
    code, lines = check(SINKS + ROUTES + "sources: {app: {type: file, include: ['{dir}/out/*']}}\n")
    assert code == 1
    assert any('source "app": "out/*" matches what sink "archive" writes (out/x.zst); leave it out with "exclude"' in
               line for line in lines), lines
    assert check(SINKS + ROUTES + "sources: {app: {type: file, include: ['{dir}/out/*'], "
                                  "exclude: ['{dir}/out/*.zst']}}\n") == (0, [])


def test_variables_come_from_the_environment(check):
    text = SOURCES + ROUTES + "sinks: {archive: {type: archive, path: '{dir}/${LB_TEST_PATH}'}}\n"
    assert check(text, LB_TEST_PATH="out/x.zst") == (0, [])
    code, lines = check(text)
    assert code == 1
    assert any('error: variable "LB_TEST_PATH" is not set; set it, or give a default: ${LB_TEST_PATH:-default}' in line
               for line in lines), lines


def test_reads_standard_input(tmp_path):
    process = subprocess.run([BIN, "check", "-c", "-"], input="a: b: c\n", capture_output=True, text=True, timeout=30)
    assert process.returncode == 1
    assert 'stdin:1:5: error: a second ": " on this line; quote the value if it is a part of it' in process.stderr
