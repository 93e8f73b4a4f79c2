"""make conformance: every case of the log corpus through the real binary, and a table of what was right.

Goals are shares of the cases. Cases that the corpus judges wrongly stand in exceptions.json with the reason; they are
neither right nor wrong and are listed. Exit 1 when a goal is missed.
"""
import argparse
import json
import os
import pathlib
import sys

import judge_files
import judge_gelf
import judge_lines
import judge_parse
import judge_syslog

HERE = pathlib.Path(__file__).resolve().parent
CORPUS = pathlib.Path(os.environ.get("LB_CORPUS", HERE.parents[1] / "../shared/corpus")).resolve()

JUDGES = {"json": judge_parse.json_, "grok": judge_parse.grok, "parse": judge_parse.parse, "timestamps": judge_parse.timestamps,
          "syslog": judge_syslog.syslog, "gelf": judge_gelf.gelf, "container": judge_files.containers,
          "multiline": judge_files.multiline, "applog": judge_lines.applog, "formats": judge_lines.formats, "apps": judge_lines.apps,
          "beats": judge_files.beats, "encodings": judge_files.encodings}
GOALS = {"json": 1.0, "grok cases": 0.98, "grok reference": 0.97, "parse": 0.97, "timestamps": 0.97,
         "syslog rfc5424": 0.98, "syslog rfc3164": 0.98, "syslog lenient": 0.98, "syslog framing": 0.98, "syslog cases": 0.98, "gelf": 0.97, "container": 1.0, "multiline": 0.95,
         "multiline cases": 0.95, "applog": 0.97, "formats": 0.95, "apps": 0.95, "beats": 0.95, "encodings": 0.97}


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--only", action="append", choices=sorted(JUDGES), help="these folders alone")
    parser.add_argument("--quiet", action="store_true", help="the table alone, not what was wrong")
    parser.add_argument("--all", action="store_true", help="all that was wrong, not the first 20 of a folder")
    return parser.parse_args()


def tell(name, verdicts, exceptions, quiet, shown):
    """One line of the table. True if the goal was reached."""
    excused = [v for v in verdicts if v.wrong and v.name in exceptions]
    bad = [v for v in verdicts if v.wrong and v.name not in exceptions]
    judged = len(verdicts) - len(excused)
    share = (judged - len(bad)) / judged if judged else 1.0
    goal = GOALS[name]
    reached = share >= goal
    print(f"{name:20} {len(verdicts):6} {judged - len(bad):6} {len(bad):6} {len(excused):8} {share:8.2%} {goal:7.0%}  "
          f"{'' if reached else 'MISSED'}", flush=True)
    if not quiet:
        for verdict in bad[:shown]:
            print(f"    {verdict.name}: {verdict.wrong}")
        if len(bad) > shown:
            print(f"    … and {len(bad) - shown} more; --all shows them")
        for verdict in excused:
            print(f"    {verdict.name}: left out, {exceptions[verdict.name]}")
    return reached


def main():
    arguments = parse_arguments()
    if not CORPUS.is_dir():
        print(f"the log corpus is not at {CORPUS}; set LB_CORPUS. Nothing was checked.")
        return 0
    exceptions = json.loads((HERE / "exceptions.json").read_text())
    reached = True
    print(f"{'folder':20} {'cases':>6} {'right':>6} {'wrong':>6} {'excepted':>8} {'share':>8} {'goal':>7}")
    for folder, judge in JUDGES.items():
        if arguments.only and folder not in arguments.only:
            continue
        for name, verdicts in judge(CORPUS).items():
            reached = tell(name, verdicts, exceptions, arguments.quiet, 10**6 if arguments.all else 20) and reached
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())
