"""What the documentation shows is what the program does: every configuration in it is checked, every fault compared,
every example of an expression tried."""
import json
import os
import re
import subprocess

import pytest

from harness import BIN, ROOT

PAGES = sorted(ROOT.glob("docs/*.md")) + [ROOT / "README.md", ROOT / "conf/README.md", ROOT / "sinks/README.md"]
ENVIRONMENT = {"HOOK_SECRET": "whsec_" + "a2tr" * 8, "HOOK_HOST": "example.org"}


def fences(page):
    """(language, text, line) of every fenced block."""
    lines = page.read_text().splitlines(keepends=True)
    block = None
    for number, line in enumerate(lines, 1):
        if block is not None and line.rstrip() == "```":
            yield block[0], "".join(block[2]), block[1]
            block = None
        elif block is not None:
            block[2].append(line)
        elif line.startswith("```"):
            block = (line[3:].strip(), number, [])
    assert block is None, f"{page}: a block is never closed"


def completed(text):
    """A whole configuration, or one about alerts alone with a source and the sinks that it names."""
    if not re.search(r"^data_dir:", text, re.M):
        text = "data_dir: ./var/data\n" + text
    if not text.startswith("# logboom.yaml") and not re.search(r"^sources:", text, re.M):
        words = re.findall(r"\bto: *\[?([\w, -]+)", text)
        names = sorted({name.strip() for word in words for name in word.split(",")})
        text += "sources: {in: {type: stdin}}\nsinks:\n" + "".join(f"  {name}: {{type: stdout}}\n" for name in names)
    return text


def is_test(text):
    return text.split("\n")[0].endswith(".test.yaml")


def rule_tests():
    for page in PAGES:
        for language, text, line in fences(page):
            if language == "yaml" and is_test(text):
                yield pytest.param(text, id=f"{page.relative_to(ROOT)}:{line}")


def configurations():
    for page in PAGES:
        for language, text, line in fences(page):
            if language == "yaml" and not text.startswith("# faulty.yaml") and not is_test(text):
                yield pytest.param(completed(text), id=f"{page.relative_to(ROOT)}:{line}")


def faults():
    for page in PAGES:
        blocks = list(fences(page))
        for (language, text, line), (_, told, _) in zip(blocks, blocks[1:]):
            if language == "yaml" and text.startswith("# faulty.yaml"):
                yield pytest.param(text, told, id=f"{page.relative_to(ROOT)}:{line}")


def examples():
    for line in (ROOT / "docs/expressions.md").read_text().splitlines():
        row = re.match(r"\| `(.+)` \| `(\{.*\})` \| (yes|no) \|$", line)
        if row:
            yield pytest.param(row[1].replace("\\|", "|"), row[2], row[3] == "yes", id=f"{row[1]} {row[2]}")


def logboom(directory, *words):
    return subprocess.run([BIN, *words], cwd=directory, capture_output=True, text=True, timeout=60,
                          env={**os.environ, **ENVIRONMENT})


# What check tells of this machine and of who runs it: logs that are not there or are others', a data_dir that is root's.
ABSENT = r"warning: directory \S+ of the pattern"
FORBIDDEN = r"error: (cannot read \S+ \(Permission denied\)|\"data_dir\": cannot write to \S+ Permission denied)"


def passes(done):
    """Nothing is wrong with the configuration itself."""
    told = done.stderr.splitlines()
    forbidden = any(re.search(FORBIDDEN, line) for line in told)
    faults = [line for line in told if not re.search(f"{ABSENT}|{FORBIDDEN}", line) and
              not (forbidden and "nothing was started" in line)]
    return faults == [] and done.returncode == (1 if forbidden else 0)


def test_there_are_configurations_faults_and_examples():
    assert len(list(configurations())) >= 6 and len(list(faults())) >= 1 and len(list(examples())) >= 25


@pytest.mark.parametrize("text", list(configurations()))
def test_a_configuration_that_is_shown_passes(text, tmp_path):
    (tmp_path / "logboom.yaml").write_text(text)
    done = logboom(tmp_path, "check", "-c", "logboom.yaml")
    assert passes(done), done.stderr


@pytest.mark.parametrize("text,told", list(faults()))
def test_a_fault_that_is_shown_is_told_word_for_word(text, told, tmp_path):
    (tmp_path / "faulty.yaml").write_text(text)
    done = logboom(tmp_path, "check", "-c", "faulty.yaml")
    assert done.returncode == 1 and done.stderr == told


@pytest.mark.parametrize("expression,record,expected", list(examples()))
def test_an_expression_that_is_shown_does_what_is_said(expression, record, expected, tmp_path):
    json.loads(record)
    quoted = "'" + expression.replace("'", "''") + "'"
    (tmp_path / "logboom.yaml").write_text("data_dir: ./data\nsources: {in: {type: stdin, parse: json}}\n"
                                           f"routes:\n  - where: {quoted}\n    to: out\nsinks: {{out: {{type: stdout}}}}\n")
    done = logboom(tmp_path, "explain", "-c", "logboom.yaml", record)
    assert done.returncode == 0, done.stderr
    said = re.search(r"^route .*: (matches|does not match)", done.stdout, re.M)
    assert said is not None, done.stdout
    assert (said[1] == "matches") == expected, done.stdout


def test_every_page_is_in_the_list_of_pages_and_every_link_leads_somewhere():
    index = (ROOT / "docs/README.md").read_text()
    for page in ROOT.glob("docs/*.md"):
        assert page.name == "README.md" or f"({page.name})" in index, f"{page.name} is not in docs/README.md"
    for page in [*ROOT.glob("*.md"), *ROOT.glob("*/README.md"), *ROOT.glob("docs/*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.relative_to(ROOT)} links to {target}"


def test_the_examples_of_configurations_pass(tmp_path):
    for file in sorted((ROOT / "conf/examples").glob("*.yaml")):
        if file.name.endswith(".test.yaml"):
            done = logboom(tmp_path, "test", str(file))
        else:
            done = logboom(tmp_path, "check", "-c", str(file))
        assert passes(done), done.stderr


@pytest.mark.parametrize("text", list(rule_tests()))
def test_tests_of_rules_pass(text, tmp_path):
    file = tmp_path / "a.test.yaml"
    file.write_text(text)
    done = subprocess.run([BIN, "test", file], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("place", ("", "tests:", "input:", "expect:", "faults:", "records:"))
def test_each_key_of_a_file_of_tests_is_explained(place, tmp_path):
    """The program lists the keys that it knows when it meets one that is like none of them."""
    wrong = "zzzzzzzzzzzz: 1"
    texts = {"": f"{wrong}\ntests: []\n", "tests:": f"tests: [{{name: a, {wrong}}}]\n",
             "records:": f"tests: [{{name: a, line: b, records: [{{{wrong}}}]}}]\n"}
    text = texts.get(place, f"tests: [{{name: a, input: {{record: {{a: b}}}}, {place} {{{wrong}}}}}]\n")
    if place == "input:":
        text = f"tests: [{{name: a, input: {{{wrong}}}}}]\n"
    file = tmp_path / "a.test.yaml"
    file.write_text("rules: {r: {value: count(), over: 1m, high: at least 5}}\n" + text)
    done = subprocess.run([BIN, "test", file], capture_output=True, text=True, timeout=60)
    assert "unknown key" in done.stderr, done.stderr
    words = re.search(r"expected (.*)", done.stderr).group(1)
    page = (ROOT / "docs/testing.md").read_text()
    for key in re.split(r", | or ", words):
        assert f"`{key}`" in page or f"{key}:" in page, key


def event_fields():
    """The fields of alerts that docs/alerts.md lists: the first column of the table that begins with `timestamp`."""
    page = (ROOT / "docs/alerts.md").read_text()
    table = page[page.index("| `timestamp` |"):].split("\n\n")[0]
    return {name for row in table.splitlines() for name in re.findall(r"`(\w+)`", row.split("|")[1])}


def test_the_fields_of_an_alert_are_those_that_are_listed():
    source = (ROOT / "route/alert_event.c").read_text()
    written = set(re.findall(r'\badd\w*\(&?maker, "(\w+)"', source))
    assert len(written) > 25, "this test does not find them any more"
    assert written | {"timestamp", "level", "service", "message"} == event_fields()
