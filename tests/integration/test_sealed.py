"""Sealed archives: what other tools make of them, what damage costs, what the index says; sidecars of foreign files."""
import gzip
import hashlib
import json
import os
import pathlib
import re
import shutil
import struct
import subprocess

import pytest
from harness import BIN, ROOT, zstd_text
from test_archive_tools import flip, frame, record, run, texts

SEAL = pathlib.Path(BIN).parent / "tests/bench/seal"
BLOCK = 20000
INDEX, SEEK, HOLE = 0x184D2A5B, 0x184D2A5E, 0x184D2A5C


def seal(path, block=BLOCK):
    done = subprocess.run([SEAL, "-b", str(block), path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return dict(pair.split("=") for pair in done.stdout.split()[1:])


@pytest.fixture
def live(tmp_path):
    path = tmp_path / "root/2026-01-31.jsonl.zst"
    path.parent.mkdir()
    path.write_bytes(b"".join(map(frame, texts(6))))
    return path


@pytest.fixture
def sealed(live):
    seal(live)
    os.chmod(live, 0o644)
    return live


TEXT = "".join(texts(6))


def seek_table(data):
    """By the text of the seekable format: entries of (offset, compressed size, decompressed size)."""
    count, descriptor, magic = struct.unpack("<IBI", data[-9:])
    assert magic == 0x8F92EAB1 and descriptor == 0
    table = data[len(data) - 9 - 8 * count - 8:]
    assert struct.unpack("<II", table[:8]) == (SEEK, len(table) - 8)
    entries, at = [], 0
    for i in range(count):
        packed, raw = struct.unpack_from("<II", table, 8 + 8 * i)
        entries.append((at, packed, raw))
        at += packed
    assert at == len(data) - len(table)
    return entries


def test_the_seek_table_leads_to_every_block(sealed):
    zstandard = pytest.importorskip("zstandard")
    data = sealed.read_bytes()
    entries = seek_table(data)
    text = b""
    for at, packed, raw in entries[:-1]:
        block = zstandard.ZstdDecompressor().decompress(data[at:at + packed], max_output_size=1 << 24)
        assert len(block) == raw <= BLOCK and block.endswith(b"\n")
        assert zstandard.get_frame_parameters(data[at:at + packed]).has_checksum
        text += block
    assert text.decode() == TEXT and len(entries) > 10
    at, packed, raw = entries[-1]
    assert struct.unpack_from("<II4s", data, at) == (INDEX, packed - 8, b"LBX1") and raw == 0


def test_sealing_keeps_every_byte_and_the_time_of_the_file(live):
    os.utime(live, (1000000, 1000000))
    told = seal(live)
    data = live.read_bytes()
    assert told["sha256"] == hashlib.sha256(data).hexdigest() and int(told["packed"]) == len(data)
    assert int(told["raw"]) == len(TEXT) and int(told["lines"]) == TEXT.count("\n") and told["damaged"] == "0"
    assert live.stat().st_mtime == 1000000 and live.stat().st_mode & 0o777 == 0o440
    assert os.listdir(live.parent) == [live.name]
    again = seal(live)
    assert again == told and live.read_bytes() == data
    assert run("cat", live)[0] == TEXT


@pytest.mark.parametrize("command", [["zstdcat"], ["bsdcat"], ["zstd", "-dcq"], ["lnav", "-n"]])
def test_other_tools_print_every_line(sealed, command):
    if not shutil.which(command[0]):
        pytest.skip(f"{command[0]} is not installed")
    assert subprocess.run(["zstd", "-tq", sealed]).returncode == 0
    done = subprocess.run([*command, sealed], capture_output=True, text=True,
                          env={**os.environ, "HOME": str(sealed.parent), "TMPDIR": str(sealed.parent)})
    assert done.returncode == 0 and done.stdout == TEXT, done.stderr


def test_zstdgrep_and_rg_find_lines_in_several_files(sealed, tmp_path):
    second = tmp_path / "second.jsonl.zst"
    shutil.copy(sealed, second)
    wanted = TEXT.count('"level":"error"')
    out = subprocess.run(["zstdgrep", "-c", '"level":"error"', sealed], capture_output=True, text=True).stdout
    assert int(out) == wanted
    if not shutil.which("rg"):
        pytest.skip("rg is not installed")
    out = subprocess.run(["rg", "-zc", '"level":"error"', sealed, second], capture_output=True, text=True).stdout
    assert [int(line.rsplit(":", 1)[1]) for line in out.splitlines()] == [wanted, wanted]


def test_a_streaming_reader_of_python_reads_across_frames(sealed):
    zstandard = pytest.importorskip("zstandard")
    with open(sealed, "rb") as file:
        reader = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True)
        assert reader.read().decode() == TEXT


def test_hist_answers_from_the_index_alone(sealed):
    entries = seek_table(sealed.read_bytes())
    data = bytearray(sealed.read_bytes())
    for at, packed, raw in entries[:-1]:  # nothing is left of the lines
        data[at + 12:at + packed] = bytes(packed - 12)
    sealed.write_bytes(data)
    run("cat", sealed, rc=2)
    for other in [["--service", "none"], ["--level", "critical"], ["--since", "2027-01-01"], ["--until", "2026-01-31"]]:
        assert run("cat", *other, sealed) == ("", "")
        assert run("tail", "--dir", sealed.parent, *other) == ("", "")
    rows = [json.loads(line) for line in run("hist", "--json", "--every", "1d", sealed)[0].splitlines()]
    assert [row["levels"] for row in rows] == [{level: 300 for level in ["error", "warn", "info", "debug"]}]
    rows = [json.loads(line) for line in
            run("hist", "--json", "--every", "1d", "--by", "service", sealed)[0].splitlines()]
    assert [row["services"] for row in rows] == [{"shop": 1200}]
    rows = [json.loads(line) for line in
            run("hist", "--json", "--every", "1d", "--level", "error", sealed)[0].splitlines()]
    assert [row["count"] for row in rows] == [300]


@pytest.mark.parametrize("place", [4, 5, 9, 60])  # in the frame's header, its first block's, its text
def test_damage_costs_one_block_and_after_a_repair_nobody_is_warned(sealed, place):
    entries = seek_table(sealed.read_bytes())
    at, packed, raw = entries[3]
    flip(sealed, at + place)
    before = sum(entry[2] for entry in entries[:3])
    rest = TEXT[:before] + TEXT[before + raw:]
    lost = TEXT[before:before + raw].count("\n")

    out, err = run("cat", sealed, rc=2)
    assert out == rest and f"block at byte {at} ({lost} lines of " in err
    assert subprocess.run(["zstd", "-tq", sealed], capture_output=True).returncode != 0
    assert f"1 block, {packed} bytes" in run("repair", sealed)[0]
    assert run("cat", sealed) == (rest, "")
    for command in ["zstdcat", "bsdcat"]:
        if shutil.which(command):
            assert subprocess.run([command, sealed], capture_output=True, text=True, check=True).stdout == rest
    assert run("verify", "--deep", sealed)[1] == ""
    assert seek_table(sealed.read_bytes())[3] == (at, packed, 0)
    rows = [json.loads(line) for line in run("hist", "--json", "--every", "1d", sealed)[0].splitlines()]
    assert sum(row["count"] for row in rows) == TEXT.count("\n") - lost
    assert "nothing to repair" in run("repair", sealed)[0]


def test_a_block_that_was_damaged_before_sealing_goes_over_as_it_is(live):
    pieces = list(map(frame, texts(6)))
    flip(live, len(pieces[0]) + 700)
    assert seal(live)["damaged"] == "1"
    os.chmod(live, 0o644)
    rest = "".join(texts(6)[:1] + texts(6)[2:])
    out, err = run("cat", live, rc=2)
    assert out == rest and "is left out" in err
    damaged = bytearray(pieces[1])
    damaged[700] ^= 0x40
    assert bytes(damaged) in live.read_bytes()
    run("repair", live)
    assert run("cat", live) == (rest, "")
    assert subprocess.run(["zstdcat", live], capture_output=True, text=True, check=True).stdout == rest
    assert run("verify", "--deep", live)[1] == ""


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


class Index:
    """The tables of the index by docs/archive-format.md."""

    def __init__(self, path):
        self.path = path
        self.data = bytearray(path.read_bytes())
        at, packed, _ = seek_table(bytes(self.data))[-1]
        self.at = at + 8
        self.blocks, self.segments = struct.unpack_from("<II", self.data, self.at + 12)

    def block(self, number):
        return self.at + 128 + 88 * number

    def segment(self, number):
        return self.at + 128 + 88 * self.blocks + 64 * number

    def write(self):
        """With checksums that fit."""
        first = self.block(0)
        struct.pack_into("<I", self.data, self.at + 72, crc32c(self.data[first:first + 88 * self.blocks]))
        struct.pack_into("<I", self.data, self.at + 124, crc32c(self.data[self.at:self.at + 124]))
        self.path.write_bytes(self.data)


def test_the_index_says_what_its_blocks_hold(sealed):
    index = Index(sealed)
    text = TEXT
    for i, (at, packed, raw) in enumerate(seek_table(sealed.read_bytes())[:-1]):
        offset, size, length, first, last, lines, *levels = struct.unpack_from("<QIIqqI10I", index.data, index.block(i))
        block, text = text[:raw], text[raw:]
        records = [json.loads(line) for line in block.splitlines()]
        assert (offset, size, length, lines) == (at, packed, raw, len(records))
        assert last - first == (len(records) - 1) * 10**9
        assert levels[3] == sum(r["level"] == "error" for r in records) and sum(levels) == lines


GRAM, WINDOW, ONES = 6, 7, 2**64 - 1


def hash_of(number):
    mixed = number * 0x9E3779B97F4A7C15 & ONES
    return ((mixed ^ mixed >> 32) * 0xD6E8FEB86659FD93 & ONES) >> 32 or 1


def hashes(run, streaks):
    """What is noted of an id, by docs/archive-format.md."""
    pieces = [hash_of(int.from_bytes(run[i:i + GRAM].lower(), "big")) for i in range(len(run) - GRAM + 1)]
    least = [min(pieces[i:i + WINDOW]) for i in range(len(pieces) - WINDOW + 1)]
    noted = set(least)
    for i in range(len(run) - 15 if streaks else 0):
        if len(set(least[i:i + 5])) == 1 and not re.search(rb"[-_]", run[i:i + 16]):
            noted.add(hash_of(2**48 + least[i]))
    return noted


class Reader(Index):
    """Asks the index as docs/archive-format.md says, and in no other way."""

    def section(self, zstandard, at):
        offset, packed, raw, crc = struct.unpack_from("<4I", self.data, self.segment(0) + at)
        data = bytes(self.data[self.at + offset:self.at + offset + packed])
        assert crc32c(data) == crc
        text = zstandard.ZstdDecompressor().decompress(data)
        assert len(text) == raw
        return text

    def postings(self, data):
        def varint():
            nonlocal at
            value = shift = 0
            while True:
                byte, at = data[at], at + 1
                value |= (byte & 127) << shift
                shift += 7
                if byte < 128:
                    return value
        at = 0
        every = set(range(self.blocks))
        while at < len(data):
            head = varint()
            end, blocks, last = at + head // 4, set(), 0
            if head % 4 == 3:
                blocks = {n for n in every if data[at + n // 8] >> n % 8 & 1}
                at = end
            while at < end:
                last += varint()
                blocks.add(last)
            yield blocks if head % 4 in (1, 3) else every - blocks

    def with_words(self, zstandard, literal):
        words = self.section(zstandard, 16).split(b"\n")[1:-1]
        postings = list(self.postings(self.section(zstandard, 32)))
        assert words == sorted(words) and len(words) == len(postings)
        found = set(range(self.blocks))
        for run in re.finditer(rb"[a-zA-Z]{3,}", literal):
            piece = run.group().lower()
            if not re.search(rb"[g-z]", piece):
                continue
            left, right = run.start() > 0, run.end() < len(literal)
            found &= set().union(*(blocks for word, blocks in zip(words, postings) if
                                   (word == piece if left and right else word.startswith(piece) if left else
                                    word.endswith(piece) if right else piece in word)))
        return found

    def with_ids(self, literal):
        rows = struct.unpack_from("<I", self.data, self.segment(0) + 12)[0]
        offset, size, each, more = struct.unpack_from("<IIII", self.data, self.segment(0) + 48)
        bits = b""
        for at in range(0, size, 4096):
            page = self.data[self.at + offset + at:self.at + offset + min(at + 4096, size)]
            assert crc32c(page[:-4]) == struct.unpack("<I", page[-4:])[0]
            bits += page[:-4]
        found = set(range(self.blocks))
        for run in re.findall(rb"[0-9A-Za-z_-]{12,}", literal):
            if not re.search(rb"[0-9]", run):
                continue
            for value in hashes(run, more & 1):
                mixed = value * 0x9E3779B97F4A7C15 & ONES
                for i in range(each):
                    place = (mixed >> 32) + i * (mixed & 0xFFFFFFFF | 1) & 0xFFFFFFFF
                    row = (place * rows >> 32) * self.blocks
                    found &= {n for n in found if bits[(row + n) // 8] >> (row + n) % 8 & 1}
        return found


def test_a_reader_written_by_the_page_finds_every_block(live):
    zstandard = pytest.importorskip("zstandard")
    words = ["alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel", "india", "juliett"]
    lines = [record(i).replace('"message":"', f'"message":"{words[i // 20 % 10]}{words[i // 40 % 10]} at ')
             for i in range(1500)]
    live.write_bytes(b"".join(frame("".join(lines[i:i + 300])) for i in range(0, 1500, 300)))
    seal(live, 4000)
    reader = Reader(live)
    blocks, text = [], "".join(lines).encode()
    for _, _, raw in seek_table(live.read_bytes())[:-1]:
        blocks.append(text[:raw])
        text = text[raw:]
    assert len(blocks) == reader.blocks > 50
    fewer = 0
    for i in range(0, 1500, 97):
        line = lines[i].encode()
        message, trace = json.loads(line)["message"].encode(), json.loads(line)["trace"].encode()
        for literal in [trace, trace[5:30], trace[-20:].upper(), message, b'"' + message[:9], message[2:14]]:
            true = {n for n, block in enumerate(blocks) if literal.lower() in block.lower()}
            found = reader.with_ids(literal) & reader.with_words(zstandard, literal)
            assert true <= found, literal
            fewer += len(found) < len(blocks)
    assert fewer > 60


def test_an_archive_from_before_streaks_were_noted_is_searched_as_ever(tmp_path):
    """data/sealed-before-streaks.zst was sealed by the version before: 100 lines with an id each, in blocks of 500 bytes."""
    path = tmp_path / "old.jsonl.zst"
    shutil.copyfile(ROOT / "tests/data/sealed-before-streaks.zst", path)
    reader = Reader(path)
    assert struct.unpack_from("<I", reader.data, reader.segment(0) + 60)[0] == 0
    lines = zstd_text(path).decode().splitlines()
    spared = 0
    for line in lines:
        trace = json.loads(line)["trace"]
        out, told = run("grep", "--stats", trace, path)
        assert out == line + "\n"
        spared += int(re.search(r"(\d+) of \d+ blocks", told).group(1)) < reader.blocks / 2
    assert len(lines) == spared == 100
    assert json.loads(run("verify", "--json", "--deep", path)[0])["problems"] == 0


def test_verify_finds_an_index_that_does_not_tell_the_truth(sealed):
    whole = sealed.read_bytes()

    def problems(*options, rc=1):
        sealed.write_bytes(whole)
        return [json.loads(line) for line in run("verify", "--json", *options, sealed, rc=rc)[0].splitlines()]

    assert problems("--deep", rc=0)[-1]["problems"] == 0
    for at, value, word in [(36 + 4 * 3, None, "levels"), (16, 2**62, "times"), (80, 0, "services")]:
        sealed.write_bytes(whole)
        index = Index(sealed)
        place = index.block(2) + at
        if value is None:  # an error less, a warning more
            error, warn = struct.unpack_from("<II", index.data, place)
            struct.pack_into("<II", index.data, place, error - 1, warn + 1)
        else:
            struct.pack_into("<Q", index.data, place, value)
            if at == 16:
                struct.pack_into("<Q", index.data, place + 8, value + 1)
        index.write()
        told = run("verify", "--json", "--deep", sealed, rc=1)[0]
        assert f"other {word} than its index says" in told, told


def test_a_damaged_index_is_told_and_made_anew(sealed):
    whole = sealed.read_bytes()
    index = Index(sealed)
    words, postings = (struct.unpack_from("<I", index.data, index.segment(0) + at)[0] for at in (16, 32))
    ids = struct.unpack_from("<I", index.data, index.segment(0) + 48)[0]
    for place in [index.at + 1, index.at + 20, index.block(2) + 9, index.segment(0) + 1]:
        sealed.write_bytes(whole)
        flip(sealed, place)
        out, err = run("cat", sealed)
        assert out == TEXT and "index is" in err and "read without its index" in err
        assert "index" in run("verify", "--quick", sealed, rc=1)[0]
    for place in [words + 5, postings + 5, ids + 100]:
        sealed.write_bytes(whole)
        flip(sealed, index.at + place)
        assert run("cat", sealed) == (TEXT, "")
        assert "its index is damaged" in run("verify", "--quick", sealed, rc=1)[0]
        assert run("cat", "--level", "error", sealed)[0].count("\n") == 300
    assert "index" in run("repair", sealed)[0]
    assert run("verify", "--deep", sealed)[1] == "" and run("cat", sealed) == (TEXT, "")


def test_lines_that_other_tools_cut_into_frames_stay_whole(tmp_path):
    text = "".join(texts(2))
    path = tmp_path / "cut.zst"
    path.write_bytes(b"".join(frame(text[i:i + 1001]) for i in range(0, len(text), 1001)))
    assert run("cat", path) == (text, "")
    path.write_bytes(frame(text) + frame("the last line has no end"))
    assert run("cat", path) == (text + "the last line has no end\n", "")


# --- sidecars -----------------------------------------------------------------------------


@pytest.fixture
def foreign(tmp_path):
    path = tmp_path / "foreign.log.zst"
    path.write_bytes(b"".join(map(frame, texts(4))))
    return path


def test_a_sidecar_is_used_for_the_file_it_was_made_of_and_no_other(foreign):
    foreign.write_bytes(b"".join(map(frame, texts(4))) + frame("x" * 200000 + "\n"))
    run("index", foreign)
    sidecar = foreign.with_name(foreign.name + ".lbx")
    assert sidecar.read_bytes()[:4] == b"LBX1" and sorted(os.listdir(foreign.parent)) == [foreign.name, sidecar.name]
    text = "".join(texts(4)) + "x" * 200000 + "\n"
    assert run("cat", foreign) == (text, "")
    assert run("cat", foreign.parent)[0] == text  # the sidecar is no log
    run("verify", "--deep", foreign)
    assert run("cat", "--level", "error", foreign)[0].count("\n") == 200

    os.utime(foreign, (1, 1))
    out, err = run("cat", foreign)
    assert out == text and "another state of the file" in err
    run("index", foreign)
    assert run("cat", foreign) == (text, "")
    with open(foreign, "ab") as file:
        file.write(frame("more\n"))
    out, err = run("cat", foreign)
    assert out == text + "more\n" and "another state of the file" in err
    sidecar.write_bytes(sidecar.read_bytes()[:-3])
    assert "the index beside it is damaged" in run("cat", foreign)[1]


def test_what_cannot_be_indexed_is_refused_with_the_reason(tmp_path, sealed):
    def refused(name, data):
        path = tmp_path / name
        path.write_bytes(data)
        err = run("index", path, rc=2)[1]
        assert not path.with_name(path.name + ".lbx").exists()
        return err

    text = "".join(texts(2)).encode()
    assert "a single frame" in refused("one.zst", frame(text.decode()))
    assert "only files of several zstd frames" in refused("a.gz", gzip.compress(text))
    assert "only files of several zstd frames" in refused("a.log", text)
    assert "ends of lines" in refused("split.zst", frame(text[:1000].decode()) + frame(text[1000:].decode()))
    assert "its index inside" in run("index", sealed, rc=2)[1]
