"""logboom grep beside grep over the same bytes: every option, any substring, random patterns, with and without index.

LB_GREP_N (60) is how many random substrings are looked for, and a tenth of it random patterns; LB_GREP_N=10000 is the
long form.
"""
import gzip
import json
import os
import pty
import random
import re
import select
import subprocess

import pytest
from harness import BIN, wait_for
from test_archive_tools import flip, frame, sealed
from test_sealed import SEAL

COUNT = int(os.environ.get("LB_GREP_N", "60"))
SEED = int(os.environ.get("LB_SEED", "20260101"))
WORDS = ("timeout refused session failed login Login request error state connection handler started thread socket "
         "worker event disk cache été Kelvin ſtate NULLs").split()
LEVELS = ["info"] * 14 + ["debug"] * 4 + ["warn"] * 2 + ["error"]


def lines_of(seed, count, service="shop"):
    """Lines as logboom writes them, and some that it never would."""
    rng = random.Random(seed)
    made = []
    for i in range(count):
        words = " ".join(rng.choices(WORDS, k=rng.randint(2, 9)))
        if rng.random() < 0.03:
            made.append(rng.choice(["", " ", f"\tat com.shop.{words.replace(' ', '.')}(A.java:{i})", words, "{",
                                    "x" * rng.randint(1, 3000), "[1, 2]"]).encode())
            continue
        record = {"timestamp": "2026-01-31T%02d:%02d:%02d.%03dZ" % (i // 3600, i // 60 % 60, i % 60, i % 1000),
                  "level": rng.choice(LEVELS), "service": service, "host": f"h{i % 5}",
                  "message": f"{words} ip=10.{rng.randrange(9)}.{rng.randrange(200)}.1 id={rng.getrandbits(64):016x}",
                  "duration_ms": rng.randrange(2000)}
        line = json.dumps(record, separators=(",", ":"), ensure_ascii=False).encode()
        if rng.random() < 0.01:
            line += rng.choice([b"\xff\xfe broken", b" trailing\r", b"nul\0nul", "K ſ".encode()])
        made.append(line)
    return made


def packed(lines, rng):
    """Frames of a few lines to some hundred: borders of blocks everywhere."""
    pieces = []
    while lines:
        count = rng.choice([1, 2, 7, 150, 400])
        pieces.append(b"".join(line + b"\n" for line in lines[:count]))
        lines = lines[count:]
    return b"".join(subprocess.run(["zstd", "-qc", f"--stream-size={len(p)}"], input=p, stdout=subprocess.PIPE,
                                   check=True).stdout for p in pieces)


class World:
    """The same lines as plain text, .gz, .zst of one frame, live archive, sealed archive, archive with a sidecar."""

    def __init__(self, root):
        self.root = root
        self.lines = lines_of(SEED, 3000)
        self.text = b"".join(line + b"\n" for line in self.lines)
        self.plain = root / "plain.log"
        self.plain.write_bytes(self.text)
        self.gz = root / "old.log.gz"
        self.gz.write_bytes(gzip.compress(self.text[:100000]) + gzip.compress(self.text[100000:]))
        self.one = root / "one.zst"
        self.one.write_bytes(subprocess.run(["zstd", "-qc"], input=self.text, stdout=subprocess.PIPE).stdout)
        self.live = root / "live.jsonl.zst"
        self.live.write_bytes(packed(self.lines, random.Random(SEED)))
        self.sealed = root / "sealed.jsonl.zst"
        self.sealed.write_bytes(self.live.read_bytes())
        subprocess.run([SEAL, "-b", "9000", self.sealed], check=True, stdout=subprocess.DEVNULL)
        self.sidecar = root / "sidecar.jsonl.zst"
        self.sidecar.write_bytes(self.live.read_bytes())
        subprocess.run([BIN, "index", self.sidecar], check=True, stdout=subprocess.DEVNULL)
        self.kinds = [self.plain, self.gz, self.one, self.live, self.sealed, self.sidecar]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return World(tmp_path_factory.mktemp("grep"))


def logboom(*args, stdin=None):
    done = subprocess.run([BIN, "grep", *map(os.fspath, args)], capture_output=True, input=stdin)
    return done.returncode, done.stdout, done.stderr.decode()


def found(*args, rc=0, stdin=None):
    code, out, err = logboom(*args, stdin=stdin)
    assert code == rc, (args, code, out[-300:], err)
    return out


def grep(*args, stdin=None):
    done = subprocess.run(["grep", "-a", *map(os.fspath, args)], capture_output=True, input=stdin,
                          env={**os.environ, "LC_ALL": "C.UTF-8"})
    return done.returncode, done.stdout


def same(path, plain, *args):
    code, out, err = logboom(*args, path)
    assert (code, out) == grep(*args, plain), (path, args, err)
    return code, out


OPTIONS = [[], ["-v"], ["-c"], ["-vc"], ["-n"], ["-q"], ["-o"], ["-on"], ["-w"], ["-x"], ["-i"], ["-m", "3"],
           ["-m1", "-A4"], ["-m0"], ["-A1"], ["-B1"], ["-C2"], ["-nC3"], ["-nB40"], ["-nA40"], ["-nC200"], ["-vnC1"],
           ["-2"], ["-H"], ["-hn"], ["-vm", "5"], ["-c", "-m2"], ["-io"], ["-nwi"]]
WORD = r"(?<![\p{L}\p{N}_])(?:%s)(?![\p{L}\p{N}_])"
PATTERNS = ["session", "id=0", "Failed|login", "ip=10\\.3\\..*id=[0-9a-f]*0\"", "zzqxnotthere", "^$", "", "^\\s*at ",
            "(?=.*failed)(?!.*login)session", "\\bstate\\b", "state$", "(disk|cache) \\w+ (event|socket)", "10.1..1.1 id",
            "[^a-z0-9]{4}", "x{40,}", "é", "k\\b", "(\\w)\\1\\w* \\w*(\\w)\\2", "handler.*?started", "\\x00", "\\r$"]


@pytest.mark.parametrize("options", OPTIONS, ids=" ".join)
def test_every_option_does_what_it_does_in_grep(world, options):
    for pattern in PATTERNS:
        args = [*options, "-P", "-e", pattern]
        if pattern == "" and options == ["-vc"]:
            continue  # grep prints no 0 here
        if any("w" in option for option in options):  # to grep -P, é is no part of a word
            options_without = [option.replace("w", "") for option in options if option != "-w"]
            expected = grep(*options_without, "-P", "-e", WORD % pattern, world.plain)
        else:
            expected = grep(*args, world.plain)
        for path in world.kinds:
            code, out, err = logboom(*args, path)
            wanted = expected[1].replace(os.fsencode(world.plain), os.fsencode(path))
            assert (code, out) == (expected[0], wanted), (path, args, err)


def test_plain_text_several_patterns_and_files_of_them(world, tmp_path):
    words = tmp_path / "words"
    words.write_text("disk cache\nstate.*\n(\n10.3.\n")
    for args in [["-F", "-f", words], ["-F", "-e", "a.b", "-e", "failed login"], ["-Fi", "-e", "SESSION f"],
                 ["-Fx", "-e", ""], ["-Fw", "-e", "id"], ["-Fo", "-e", "10.", "-e", "10.3"], ["-Fv", "-f", "/dev/null"],
                 ["-F", "-f", "/dev/null"], ["-F", "ip=10.4.\nip=10.5."], ["-Fc", "{"]]:
        for path in [world.plain, world.sealed]:
            same(path, world.plain, *args)
    many = tmp_path / "many"
    many.write_bytes(b"".join(line[-40:-20] + b"\n" for line in world.lines[::7] if len(line) > 60))
    same(world.sealed, world.plain, "-Fc", "-f", many)
    # \1 in each pattern means its own group, and a comment ends where its pattern does.
    out = found("-c", "-e", r"(session) \1", "-e", r"(login) \1", world.sealed)
    assert out == grep("-cE", r"session session|login login", world.plain)[1]
    assert found("-cw", "(?x) session # a comment", world.live) == grep("-cw", "session", world.plain)[1]


def test_any_substring_of_a_line_is_found_with_and_without_the_index(world):
    rng = random.Random(SEED)
    for i in range(COUNT):
        line = rng.choice([line for line in (rng.choice(world.lines) for _ in range(9)) if len(line) > 5] or [b"{"])
        start = rng.randrange(len(line))
        piece = line[start:start + rng.choice([1, 2, 3, 5, 8, 13, 20, 40])].replace(b"\0", b"")
        args = ["-nF" + rng.choice(["", "", "i", "w", "c"]), "-e", piece]
        if not piece.isascii():
            args[0] = "-nF"  # what case and words are beyond ASCII is not the same everywhere
        expected = grep(*args, world.plain)
        for path in [world.sealed, world.sidecar, world.live]:
            assert logboom(*args, path)[:2] == expected, (SEED, i, path, args)
        assert logboom("--no-index", *args, world.sealed)[:2] == expected, (SEED, i, args)
        if path.suffix == ".zst" and i % 20 == 0:
            pipe = subprocess.run(["zstdcat", world.sealed], stdout=subprocess.PIPE, check=True).stdout
            assert grep(*args, "-", stdin=pipe) == expected


def random_pattern(rng, lines):
    """Pieces of real lines between constructs, so that some of them match."""
    def piece():
        line = rng.choice(lines).decode(errors="ignore")
        start = rng.randrange(max(1, len(line)))
        text = re.escape(line[start:start + rng.randint(1, 9)])
        return text.replace("\0", "")

    made = piece()
    for _ in range(rng.randrange(4)):
        made += rng.choice([".*", "", ".{0,5}", "\\w+", "\\s", "[a-f0-9]+", "(?:%s|%s)" % (piece(), piece()),
                            "(%s)?" % piece(), "[%s]" % re.escape(rng.choice("abcxyz019")), "\\b", "(?=.*%s)" % piece(),
                            "(?!%s)" % piece(), "\\d{2,}", "|"]) + piece()
    return rng.choice(["", "", "", "^", "(?i)"]) + made + rng.choice(["", "", "$", "+"])


def test_any_pattern_finds_the_same_lines_as_grep(world):
    rng = random.Random(SEED + 1)
    tried = 0
    while tried < max(COUNT // 10, 6):
        pattern = random_pattern(rng, world.lines)
        expected = grep("-nP", "-e", pattern, world.plain)
        if expected[0] > 1:
            continue  # no pattern, or one that grep gives up
        tried += 1
        for args in [[], ["--no-index"]]:
            code, out, err = logboom("-n", *args, "-e", pattern, world.sealed)
            assert (code, out) == expected, (SEED, pattern, err)


def test_names_of_files_and_counts_of_several(world, tmp_path):
    root = tmp_path / "archive"
    for service in ["shop", "web"]:
        (root / service).mkdir(parents=True)
        path = root / service / "2026-01-31.jsonl.zst"
        path.write_bytes(b"".join(map(frame, ["one match here\n", "nothing\n" if service == "web" else "a match\n"])))
        subprocess.run([SEAL, path], check=True, stdout=subprocess.DEVNULL)
    (root / "shop/.hidden").write_text("match\n")
    (root / "empty.log").write_text("")
    shop, web, empty = (str(p) for p in [root / "shop/2026-01-31.jsonl.zst", root / "web/2026-01-31.jsonl.zst",
                                         root / "empty.log"])
    assert found("match", root).decode().splitlines() == [f"{shop}:one match here", f"{shop}:a match",
                                                          f"{web}:one match here"]
    assert found("-c", "match", root).decode().splitlines() == [f"{empty}:0", f"{shop}:2", f"{web}:1"]
    assert found("-l", "a match", root).decode() == f"{shop}\n"
    assert found("-L", "a match", root).decode().splitlines() == [empty, web]
    assert found("-hm1", "match", root) == b"one match here\none match here\n"
    assert found("-h", "match", web) == b"one match here\n" and found("match", web, shop).count(b":") == 3
    assert found("--json", "-n", "a match", root).decode() == f'{{"path":"{shop}","line":2,"text":"a match"}}\n'
    assert found("--json", "-c", "match", web).decode() == f'{{"path":"{web}","count":1}}\n'
    assert found("match", "-", stdin=b"a match\nnone\n") == b"a match\n"
    assert found("-H", "match", stdin=gzip.compress(b"a match\nnone\n")) == b"(standard input):a match\n"
    assert found("-c", "x", rc=1, stdin=b"") == b"0\n"
    assert found("-c", "x", empty, rc=1) == b"0\n"


def expected_records(lines, condition):
    for line in lines:
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict) and condition(record):
            yield line + b"\n"


def test_records_are_chosen_by_level_time_service_and_expression(world):
    bad = ("error",)
    worse = ("warn", "error")
    for path in world.kinds:
        for args, condition in [
                (["--level", "error"], lambda r: r["level"] in bad),
                (["--level", "warn", "-e", "session"], lambda r: r["level"] in worse and "session" in r["message"]),
                (["--service", "shop,web", "--level=error"], lambda r: r["level"] in bad),
                (["--host", "h1,h3", "--level", "warn", "-e", "state"],
                 lambda r: r["level"] in worse and r["host"] in ("h1", "h3") and "state" in r["message"]),
                (["--host=h4"], lambda r: r["host"] == "h4"),
                (["--where", "duration_ms > 1500 and host == h3"],
                 lambda r: r["duration_ms"] > 1500 and r["host"] == "h3"),
        ]:
            wanted = list(expected_records(world.lines, condition))
            assert found(*args, path) == b"".join(wanted), (path, args)
            assert found("-c", *args, path) == b"%d\n" % len(wanted), (path, args)
            assert found("-c", "--no-index", *args, path) == b"%d\n" % len(wanted), (path, args)
        assert found("--service", "web", path, rc=1) == b""


def test_a_line_without_a_time_has_that_of_the_line_before(world):
    wanted, inside = [], False
    for line in world.lines:
        match = re.match(rb'\{"timestamp":"2026-01-31T(\d\d:\d\d):', line)
        if match:
            inside = b"00:10" <= match.group(1) < b"00:12"
        if inside:
            wanted.append(line + b"\n")
    times = ["--since", "2026-01-31T00:10:00Z", "--until", "2026-01-31T00:12:00Z"]
    for path in [world.plain, world.gz, world.one]:
        assert found(*times, path) == b"".join(wanted)
        assert found("-e", "at com", *times, path, rc=0 if any(b"at com" in w for w in wanted) else 1) == \
            b"".join(w for w in wanted if b"at com" in w)


def test_formats_and_json_say_what_cat_does(world):
    for format in ["json", "logfmt", "text", "raw"]:
        cat = subprocess.run([BIN, "cat", "--format", format, "--level", "error", world.sealed], capture_output=True)
        assert found("--format", format, "--level", "error", world.sealed) == cat.stdout
    rows = [json.loads(line) for line in found("--json", "-nC1", "-e", "socket failed", world.sealed).splitlines()]
    numbers = [row["line"] for row in rows if not row.get("context")]
    assert numbers == [int(line.split(b":")[0]) for line in grep("-n", "socket failed", world.plain)[1].splitlines()]
    for row in rows:
        assert row["path"] == str(world.sealed)
        if "record" in row:
            assert row["record"] == json.loads(world.lines[row["line"] - 1])


def test_sorting_by_time_merges_files(world, tmp_path):
    for i, service in enumerate(["a", "b", "c"]):
        lines = [line for line in lines_of(i + 1, 2000, service) if re.fullmatch(rb'{"timestamp.*}', line)]
        path = tmp_path / f"{service}.jsonl.zst"
        path.write_bytes(packed(lines, random.Random(i)))
        if i < 2:
            subprocess.run([SEAL, "-b", "5000", path], check=True, stdout=subprocess.DEVNULL)
    plain = found("-h", "session", tmp_path).splitlines()
    merged = found("-h", "--sort", "time", "session", tmp_path).splitlines()
    times = [json.loads(line)["timestamp"] for line in merged]
    assert times == sorted(times) and sorted(merged) == sorted(plain) and len(merged) > 1000
    named = found("-n", "--sort=time", "session", tmp_path).splitlines()
    assert sorted(named) == sorted(found("-n", "session", tmp_path).splitlines())
    assert len(found("-m2", "--sort", "time", "session", tmp_path).splitlines()) == 6


def test_the_index_spares_blocks(world):
    identity = re.search(rb"id=([0-9a-f]{16})", world.lines[1234] + world.lines[1235]).group(1).decode()
    for path in [world.sealed, world.sidecar]:
        def blocks(*args):
            err = logboom("--stats", *args, path)[2]
            match = re.search(r"(\d+) of (\d+) blocks read", err)
            return int(match.group(1)), int(match.group(2))

        assert 0 < blocks(identity)[0] < blocks(identity)[1] / 5
        assert 0 < blocks(identity[2:15])[0] < blocks(identity)[1] / 5
        assert blocks("zzqxnotthere")[0] == 0 and blocks("-i", "ZZQXNOT|qqxzno")[0] == 0
        assert blocks("-c", "--level", "error")[0] == 0
        assert blocks("-c", "")[0] == 0
        assert blocks("--since", "2026-01-31T00:40:00Z")[0] < blocks("")[0] / 2
        assert blocks("--no-index", identity)[0] == blocks(identity)[1]


def test_a_damaged_block_costs_itself_and_the_exit_code(tmp_path):
    texts = ["".join(f"block {b} line {i} match\n" for i in range(50)) for b in range(5)]
    data, frames = sealed(texts)
    good = tmp_path / "a.jsonl.zst"
    bad = tmp_path / "b.jsonl.zst"
    good.write_bytes(data)
    bad.write_bytes(data)
    at = sum(frames[:2])
    flip(bad, at + 2)  # the head of the third frame
    code, out, err = logboom("-h", "match", bad, good)
    assert code == 2 and f"{bad}: block at byte {at}" in err and "left out" in err
    assert out.decode() == "".join(texts[:2] + texts[3:]) + "".join(texts)
    code, out, err = logboom("-c", "line 7 ", bad, good)
    assert code == 2 and out.decode().splitlines() == [f"{bad}:4", f"{good}:5"]
    assert logboom("-q", "match", bad)[0] == 0
    assert logboom("-hC1", "block 3 line 0 ", bad)[1].decode() == "block 3 line 0 match\nblock 3 line 1 match\n"


def test_what_cannot_be_read_is_told_and_the_rest_goes_on(world, tmp_path):
    code, out, err = logboom("-c", "session", tmp_path / "missing", world.plain)
    assert code == 2 and "missing: No such file" in err and out.startswith(os.fsencode(world.plain))
    if os.geteuid() != 0:
        (tmp_path / "closed").write_text("x")
        (tmp_path / "closed").chmod(0)
        assert "Permission denied" in logboom("x", tmp_path / "closed")[2]
    torn = tmp_path / "torn.log.gz"
    torn.write_bytes(world.gz.read_bytes()[:-500])
    code, out, err = logboom("-c", "session", torn)
    assert code == 2 and int(out) > 100 and "the rest cannot be read" in err


@pytest.mark.parametrize("args,message", [
    (["("], "is wrong at byte"), (["-e", "a", "-e", "[b"], '"[b" is wrong at byte'), ([], "nothing to look for"),
    (["-A", "x", "p"], "no number of lines"), (["--nonsense", "p"], "no option"), (["-Z", "p"], "no option"),
    (["-o", "--format", "json", "p"], "-o prints parts"), (["--sort", "size", "p"], 'not "time"'),
    (["--level", "loud"], "no level"), (["-f", "/nonexistent"], "/nonexistent: No such file"), (["-e"], "needs a value"),
])
def test_what_is_wrong_is_said(args, message):
    code, out, err = logboom(*args, stdin=b"")
    assert code == 2 and out == b"" and message in err and len(err.splitlines()) == 1, err


def test_help_teaches_with_examples():
    out = subprocess.run([BIN, "grep", "--help"], capture_output=True, text=True)
    assert out.returncode == 0 and out.stdout.startswith("logboom grep ") and out.stdout.count("  logboom grep ") >= 4
    assert max(map(len, out.stdout.splitlines())) <= 110
    assert "\n  grep " in subprocess.run([BIN, "--help"], capture_output=True, text=True).stdout


def test_a_pattern_that_backtracks_without_end_is_given_up(tmp_path):
    path = tmp_path / "a.log"
    path.write_text("b\n" + "a" * 5000 + "!\n")
    code, out, err = logboom("(a+)+$|b", path)
    assert code == 2 and "given up" in err and "too many steps" in err


def test_who_reads_no_more_ends_it_quietly(world):
    head = subprocess.Popen(["head", "-n1"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    done = subprocess.run([BIN, "grep", "", *[world.plain] * 50], stdout=head.stdin, stderr=subprocess.PIPE)
    head.stdin.close()
    assert head.wait(20) == 0 and done.stderr == b""


def test_a_match_ends_quiet_search_of_a_pipe_that_stays_open():
    process = subprocess.Popen([BIN, "grep", "-q", "found"], stdin=subprocess.PIPE)
    try:
        process.stdin.write(b"is found\n" * 300000)
        process.stdin.flush()
    except BrokenPipeError:
        pass
    assert process.wait(20) == 0


def test_a_line_of_a_pipe_is_printed_before_the_next_one_comes():
    process = subprocess.Popen([BIN, "grep", "-n", "line"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        for i in range(1, 4):
            process.stdin.write(b"a line\nother\n")
            process.stdin.flush()
            assert select.select([process.stdout], [], [], 20)[0], i
            assert process.stdout.readline() == b"%d:a line\n" % (2 * i - 1)
        process.stdin.close()
        assert process.wait(20) == 0
    finally:
        process.kill()


def on_terminal(*args):
    main, child = pty.openpty()
    process = subprocess.Popen([BIN, "grep", *map(os.fspath, args)], stdout=child, stderr=subprocess.DEVNULL,
                               env={**os.environ, "TERM": "xterm"})
    os.close(child)
    out = b""
    while select.select([main], [], [], 20)[0]:
        try:
            piece = os.read(main, 65536)
        except OSError:
            break
        if not piece:
            break
        out += piece
    os.close(main)
    process.wait(20)
    return out.replace(b"\r\n", b"\n")


def test_colours_only_where_somebody_sees_them(world, tmp_path):
    path = tmp_path / "a.log"
    path.write_text("one fish two fish\nnone\n")
    assert on_terminal("fish", path) == b"one \x1b[1;31mfish\x1b[0m two \x1b[1;31mfish\x1b[0m\n"
    assert on_terminal("--color=never", "fish", path) == found("fish", path) == b"one fish two fish\n"
    out = found("--color", "-Hn", "fish", path)
    assert out.startswith(b"\x1b[35m" + os.fsencode(path) + b"\x1b[0m\x1b[36m:\x1b[0m\x1b[32m1\x1b[0m\x1b[36m:\x1b[0m")
    assert found("--color", "-o", "two", path) == b"\x1b[1;31mtwo\x1b[0m\n"
    plain = re.sub(rb"\x1b\[[0-9;]*m", b"", found("--color", "-nC2", "-e", "session|id=", world.sealed))
    assert plain == grep("-nC2", "-P", "session|id=", world.plain)[1]


CONFIG = """
commit_every: 50ms
sources:
  in: {type: file, include: ['{dir}/in.log']}
routes:
  - {to: archive}
sinks:
  archive: {type: archive, path: '{dir}/archive/{service}/%Y-%m-%d.jsonl.zst', flush: 50ms}
"""


def test_the_archive_of_a_configuration_is_searched_while_it_grows(logboom, tmp_path):
    daemon = logboom(CONFIG)

    def write(text):
        with open(daemon.dir / "in.log", "a") as out:
            out.write(json.dumps({"service": "shop", "message": text}) + "\n")

    def count(text, *where):
        return subprocess.run([BIN, "grep", "-hc", text, *map(os.fspath, where)], capture_output=True).stdout
    write("the first")
    daemon.start().ready()
    wait_for(lambda: count("the first", "--config", daemon.config) == b"1\n", 30, "the record by the configuration")
    for i in range(20):
        write(f"another {i}")
        wait_for(lambda: count(f"another {i}$|another {i}\"", daemon.dir / "archive") == b"1\n", 30, f"record {i}")


def test_what_a_daemon_still_holds_in_memory_is_found(logboom, tmp_path):
    daemon = logboom(CONFIG.replace("50ms", "60s"))

    def write(text):
        with open(daemon.dir / "in.log", "a") as out:
            out.write(json.dumps({"service": "shop", "message": text}) + "\n")

    def count(text, *where):
        return subprocess.run([BIN, "grep", "-hc", text, *map(os.fspath, where)], capture_output=True).stdout
    write("the first")
    daemon.start().ready()
    wait_for(lambda: count("the first", "--config", daemon.config) == b"1\n", 30, "the record by the configuration")
    archive = next((daemon.dir / "archive").rglob("*.zst"))
    for i in range(3):
        write(f"needle {i}.")
        wait_for(lambda: count(f"needle {i}[.]", archive) == b"1\n", 30, "a record by its file")
