"""A new sink is one file and one line: adds one to a copy of the tree, builds it, and lets it count."""
import pathlib
import shutil
import subprocess

import pytest

from harness import ROOT

COUNTER = ROOT / "tests/data/sink_counter.c"
LINES = 1234


def run(*command, cwd, seconds=600):
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=seconds)
    assert done.returncode == 0, f"{' '.join(command)}:\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done.stdout


def copy_tree(target):
    """The files that git knows, and what a release build of them left, so that make has little to do."""
    names = [name for name in run("git", "ls-files", "-z", cwd=ROOT).split("\0") if name]
    for name in names:
        source = ROOT / name
        if source.is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target / name)
    if (ROOT / "build/release").is_dir():
        shutil.copytree(ROOT / "build/release", target / "build/release",
                        ignore=lambda folder, files: [f for f in files if not (
                            f.endswith((".o", ".d")) or (pathlib.Path(folder) / f).is_dir())])
    identity = ["-c", "user.name=test", "-c", "user.email=test@localhost", "-c", "commit.gpgsign=false"]
    run("git", "init", "-q", cwd=target)
    run("git", "add", "-A", cwd=target)
    run("git", *identity, "commit", "-q", "-m", "before", cwd=target)


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    target = tmp_path_factory.mktemp("tree")
    copy_tree(target)
    shutil.copy(COUNTER, target / "sinks/sink_counter.c")
    with open(target / "sinks/sinks.def", "a") as out:
        out.write("LB_SINK(counter)\n")
    run("make", "-j2", "BUILD=release", "build/release/logboom", cwd=target)
    return target


def test_the_readme_quotes_the_sink_that_is_tested():
    assert f"```c\n{COUNTER.read_text()}```\n" in (ROOT / "sinks/README.md").read_text()


def test_one_file_and_one_line_were_added(tree):
    run("git", "add", "-A", cwd=tree)
    changes = [line.split("\t") for line in run("git", "diff", "--cached", "--numstat", cwd=tree).splitlines()]
    lines = len(COUNTER.read_text().splitlines())
    assert sorted(changes) == sorted([[str(lines), "0", "sinks/sink_counter.c"], ["1", "0", "sinks/sinks.def"]])
    assert "2 files changed" in run("git", "diff", "--cached", "--stat", cwd=tree)


def test_help_and_reference_know_it(tree):
    text = run("build/release/logboom", "help", "sink.counter", cwd=tree)
    assert "ounts records" in text and "path" in text and "the file that gets the count" in text
    assert "The file that gets the count" in run("build/release/logboom", "help", "--reference", cwd=tree)


def test_it_counts_every_record(tree, tmp_path):
    (tmp_path / "in.log").write_text("".join(f"line {i}\n" for i in range(LINES)))
    config = tmp_path / "logboom.yaml"
    config.write_text(f"""
data_dir: {tmp_path}/data
sources: {{in: {{type: file, include: ['{tmp_path}/in.log']}}}}
routes: [{{to: tally}}]
sinks: {{tally: {{type: counter, path: '{tmp_path}/count'}}}}
""")
    run("build/release/logboom", "check", "-c", str(config), cwd=tree)
    run("build/release/logboom", "run", "-c", str(config), "--exit-at-eof", cwd=tree)
    assert (tmp_path / "count").read_text() == f"{LINES}\n"


def test_its_options_are_checked_like_all_others(tree, tmp_path):
    config = tmp_path / "logboom.yaml"
    config.write_text(f"""data_dir: {tmp_path}/data
sources: {{in: {{type: stdin}}}}
routes: [{{to: tally}}]
sinks: {{tally: {{type: counter, pth: x}}}}
""")
    done = subprocess.run(["build/release/logboom", "check", "-c", str(config)], cwd=tree, capture_output=True,
                          text=True, timeout=60)
    assert done.returncode == 1 and '"pth"' in done.stderr and '"path"' in done.stderr
