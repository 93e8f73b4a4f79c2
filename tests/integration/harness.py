"""What the black-box tests share: a running logboom, waiting for conditions, reading archives.

The binary is LB_BIN (build/release/logboom unless set). Nothing here sleeps for a fixed time to "let things
happen": wait_for() polls a condition and fails with what was seen.
"""
import collections
import contextlib
import json
import os
import pathlib
import random
import re
import signal
import socket
import subprocess
import textwrap
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = os.environ.get("LB_BIN", str(ROOT / "build/release/logboom"))
CORPUS = pathlib.Path(os.environ.get("LB_CORPUS", ROOT / "../shared/corpus"))
if not CORPUS.is_absolute():
    CORPUS = (ROOT / CORPUS).resolve()


PATIENCE = 60  # seconds that everything is waited for at least: a busy machine stands still for some of them


def wait_for(condition, seconds=PATIENCE, what="the condition"):
    """Polls until condition() is true and returns its value. `what`: a text, or a function that makes one."""
    seconds = max(seconds, PATIENCE)
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"{what() if callable(what) else what} did not hold within {seconds} s"
        time.sleep(0.02)


# Ports that this process gave to tests, each held by a name of its own (an abstract socket: it goes with the process).
claims = collections.deque()
CLAIMS_MAX = 200  # by then the tests that had the first ones are over
PORTS_FROM = 10000  # below are those of known services


def claim(port):
    """False if the tests of another process have it. Between here and its use a port is not bound."""
    name = socket.socket(socket.AF_UNIX)
    try:
        name.bind(f"\0logboom-tests/{port}")
    except OSError:
        name.close()
        return False
    claims.append(name)
    if len(claims) > CLAIMS_MAX:
        claims.popleft().close()
    return True


def unasked_ports():
    """Those that the kernel gives to nobody who did not ask for them: neither to a connection nor to a server at port 0."""
    try:
        low, high = map(int, pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    except OSError:
        low, high = 32768, 60999
    ports = range(PORTS_FROM, low)
    return ports if len(ports) >= 1000 else range(high + 1, 65536) if 65535 - high >= 1000 else range(PORTS_FROM, 65536)


def is_free(port):
    """By TCP and by UDP, at every address."""
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as s:
            try:
                s.bind(("", port))
            except OSError:
                return False
    return True


def free_port(kind=None, together=1):
    """The first of so many that follow each other. It is free for TCP and for UDP, whatever kind is meant."""
    del kind
    rng = random.SystemRandom()  # a test's seed must not lead two processes to the same ports
    ports = unasked_ports()
    while True:
        port = rng.choice(ports[:-together])
        if all(is_free(port + i) and claim(port + i) for i in range(together)):
            return port


def zstd_text(*paths):
    """The raw text of .zst files through the zstd program, as a user reads them. Fails on any damage."""
    return b"".join(map(zstd_text_of, paths))


def zstd_text_of(path):
    """Who comes while a frame is being written sees a part of it, for a file system shows a large write page by page; and
    who comes while one that could not be written is cut off again, too. So a read that fails is repeated for a while."""
    ended = time.monotonic() + 10
    while True:
        run = subprocess.run(["zstd", "-dcq", str(path)], capture_output=True)
        if run.returncode == 0:
            return run.stdout
        if not os.path.exists(path):
            return b""  # a restart took it back, or it is too old
        assert time.monotonic() < ended, f"zstd -dc {path}: {run.stderr.decode()}"
        time.sleep(0.2)


def whole_lines(path):
    """The lines of a file that may be written to just now: the last one may lack its end."""
    text = path.read_text(errors="replace") if path.exists() else ""
    return text.split("\n")[:-1]


def archive_records(directory):
    """Every record of every archive below a directory, in order of file name and line."""
    files = sorted(pathlib.Path(directory).rglob("*.zst"), key=archive_order)
    return [json.loads(line) for line in zstd_text(*files).splitlines()]


def openssl(directory, *arguments):
    subprocess.run(["openssl", *arguments], cwd=directory, check=True, capture_output=True)


def make_certificate(directory, name, subject, authority=None):
    """name.pem and name.key: of its own, or signed by the authority."""
    openssl(directory, "req", "-x509" if authority is None else "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key",
            "-out", f"{name}.pem" if authority is None else f"{name}.csr", "-subj", subject,
            *(["-days", "2"] if authority is None else []), "-addext", "subjectAltName=IP:127.0.0.1")
    if authority is not None:
        openssl(directory, "x509", "-req", "-in", f"{name}.csr", "-CA", f"{authority}.pem", "-CAkey", f"{authority}.key",
                "-CAcreateserial", "-copy_extensions", "copy", "-days", "2", "-out", f"{name}.pem")


def archive_order(path):
    """2026-01-01.jsonl.zst before 2026-01-01.2.jsonl.zst before …10…"""
    parts = re.match(r"(.*?)(?:\.(\d+))?((?:\.[a-z]+)?\.zst)$", path.name)
    return (str(path.parent), parts.group(1), int(parts.group(2) or 1))


def two_free_ports():
    """The first of two that follow each other."""
    return free_port(together=2)


class Logboom:
    """One logboom over a directory of its own. `config` is YAML text; {dir} and {http} in it are replaced."""

    def __init__(self, directory, config, *args):
        self.dir = pathlib.Path(directory)
        self.dir.mkdir(parents=True, exist_ok=True)
        self.http = free_port()
        self.args = args
        self.config = self.dir / "logboom.yaml"
        self.write_config(config)
        self.process = None
        self.environment = {}  # added to that of the tests
        self.log_path = self.dir / "stderr.log"

    def write_config(self, config):
        text = textwrap.dedent(config).replace("{dir}", str(self.dir)).replace("{http}", f"127.0.0.1:{self.http}")
        if not re.search(r"^data_dir:", text, re.M):
            text = f"data_dir: {self.dir}/data\n" + text
        if not re.search(r"^http:", text, re.M):
            text = f"http: {{listen: '127.0.0.1:{self.http}'}}\n" + text
        self.config.write_text(text)

    def start(self, *args):
        log = open(self.log_path, "ab")
        self.process = subprocess.Popen([BIN, "run", "-c", str(self.config), *self.args, *args], stderr=log,
                                        stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
                                        env=self.surroundings())
        log.close()
        return self

    def surroundings(self):
        """With LB_PAUSES its threads stand still now and then: see tests/faults/pauses.c."""
        result = {**os.environ, **self.environment}
        if "LB_PAUSES" in os.environ:
            result["LD_PRELOAD"] = f"{ROOT / 'build/release/tests/faults/pauses.so'} {result.get('LD_PRELOAD', '')}"
        return result

    def ready(self, seconds=PATIENCE):
        """Waits until /health answers."""
        def answers():
            assert self.process.poll() is None, f"logboom ended at start:\n{self.log()}"
            try:
                return self.get("/health")[0] in (200, 503)
            except OSError:
                return False
        wait_for(answers, seconds, "/health")
        return self

    def get(self, path, method="GET", body=None):
        request = urllib.request.Request(f"http://127.0.0.1:{self.http}{path}", method=method, data=body)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def metric(self, name, **labels):
        """The sum of all samples of that name whose labels include the given ones."""
        total = 0.0
        for line in self.get("/metrics")[1].splitlines():
            match = re.match(r"([a-z_]+)(?:\{(.*)\})? ([0-9eE.+-]+)$", line)
            if not match or match.group(1) != name:
                continue
            found = dict(re.findall(r'([a-z_]+)="((?:[^"\\]|\\.)*)"', match.group(2) or ""))
            if all(found.get(key) == value for key, value in labels.items()):
                total += float(match.group(3))
        return total

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def wait(self, seconds=120):
        seconds = max(seconds, PATIENCE)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"logboom did not end within {seconds} s:\n{self.log()}") from None

    def stop(self, seconds=PATIENCE):
        if self.process is None or self.process.poll() is not None:
            return self.process and self.process.returncode
        self.process.send_signal(signal.SIGTERM)
        return self.wait(seconds)

    def kill(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    @contextlib.contextmanager
    def standing_still(self):
        """What is sent to it meanwhile is there before it looks, however slow the test is."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)


def run_to_end(directory, config, seconds=300):
    """logboom run --exit-at-eof; returns the finished Logboom. Fails if it does not exit with 0."""
    daemon = Logboom(directory, config).start("--exit-at-eof")
    code = daemon.wait(seconds)
    assert code == 0, f"exit {code}:\n{daemon.log()}"
    return daemon
