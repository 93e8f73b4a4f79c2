"""What the black-box tests share: a running logboom, waiting for conditions, reading archives.

The binary is LB_BIN (build/release/logboom unless set). Nothing here sleeps for a fixed time to "let things
happen": wait_for() polls a condition and fails with what was seen.
"""
import collections
import contextlib
import json
import os
import pathlib
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


def wait_for(condition, seconds=30, what="the condition"):
    """Polls until condition() is true and returns its value."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"{what} did not hold within {seconds} s"
        time.sleep(0.02)


# Ports that this process gave to tests, each held by a name of its own (an abstract socket: it goes with the process).
claims = collections.deque()
CLAIMS_MAX = 200  # by then the tests that had the first ones are over


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


def free_port(kind=socket.SOCK_STREAM):
    while True:
        with socket.socket(socket.AF_INET, kind) as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        if claim(port):
            return port


def zstd_text(*paths):
    """The raw text of .zst files through the zstd program, as a user reads them. Fails on any damage."""
    out = b""
    for path in paths:
        run = subprocess.run(["zstd", "-dcq", str(path)], capture_output=True)
        assert run.returncode == 0, f"zstd -dc {path}: {run.stderr.decode()}"
        out += run.stdout
    return out


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
    while True:
        port = free_port()
        with socket.socket() as first, socket.socket() as second:
            try:
                first.bind(("127.0.0.1", port))
                second.bind(("127.0.0.1", port + 1))
                if claim(port + 1):
                    return port
            except (OSError, OverflowError):
                pass  # somebody has the second one


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
                                        env={**os.environ, **self.environment})
        log.close()
        return self

    def ready(self, seconds=20):
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
            with urllib.request.urlopen(request, timeout=5) as answer:
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
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"logboom did not end within {seconds} s:\n{self.log()}") from None

    def stop(self, seconds=60):
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
