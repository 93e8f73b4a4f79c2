"""What tests of the sources host, probe and internal share: a machine made of files, a server by script, certificates."""
import datetime
import http.server
import json
import pathlib
import socketserver
import subprocess
import threading


class Machine:
    """A tree with /proc, /sys and Docker's directory as the kernel and Docker write them; see the option `root`."""

    def __init__(self, root):
        self.root = pathlib.Path(root)
        self.jiffies = [1000, 0, 500, 20000, 100, 0, 10, 0]
        self.write("etc/hostname", "web1\n")
        self.cpu(0)
        self.memory(total=8_000_000, available=6_000_000)
        self.write("proc/loadavg", "0.50 0.40 0.30 2/345 6789\n")
        self.write("proc/uptime", "86400.12 1000.00\n")
        self.write("proc/vmstat", "nr_free_pages 1\noom_kill 3\n")
        self.mounts("/dev/sda1 / ext4 rw 0 0\n")
        self.write("sys/fs/cgroup/cgroup.controllers", "cpu memory\n")

    def write(self, path, text):
        """By renaming: no reader sees a half."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        other = file.parent / (file.name + ".new")
        other.write_bytes(text if isinstance(text, bytes) else text.encode())
        other.rename(file)

    def cpu(self, busy_percent, ticks=1000):
        """So many ticks go by, of which a part was spent in programs."""
        busy = ticks * busy_percent // 100
        self.jiffies[0] += busy
        self.jiffies[3] += ticks - busy
        line = " ".join(str(n) for n in self.jiffies)
        self.write("proc/stat", f"cpu  {line} 0 0\ncpu0 {line} 0 0\ncpu1 {line} 0 0\nintr {'0 ' * 20000}\n"
                                "ctxt 1\nbtime 1\nprocesses 5\nprocs_running 2\nprocs_blocked 1\n")

    def memory(self, total, available, swap_total=1000, swap_free=250):
        self.write("proc/meminfo", f"MemTotal:       {total} kB\nMemFree:        1000 kB\nMemAvailable:   {available} kB\n"
                                   f"SwapTotal:      {swap_total} kB\nSwapFree:       {swap_free} kB\n")

    def mounts(self, text):
        self.write("proc/1/mounts", text)

    def disk(self, path):
        """A directory that stands for the mount of that path."""
        (self.root / path.lstrip("/")).mkdir(parents=True, exist_ok=True)

    def container(self, number, memory, limit, cpu_us=0, oom_kills=0, cache=0, name=None, restarts=0):
        cid = f"{number:064x}"
        group = f"sys/fs/cgroup/system.slice/docker-{cid}.scope"
        self.write(f"{group}/memory.current", f"{memory}\n")
        self.write(f"{group}/memory.max", f"{limit}\n")
        self.write(f"{group}/memory.stat", f"anon 1\ninactive_file {cache}\n")
        self.write(f"{group}/memory.events", f"low 0\nhigh 0\nmax 9\noom 4\noom_kill {oom_kills}\n")
        self.write(f"{group}/cpu.stat", f"usage_usec {cpu_us}\nnr_periods 0\nnr_throttled 0\n")
        self.write(f"{group}/cpu.max", "150000 100000\n")
        if name is not None:
            self.write(f"var/lib/docker/containers/{cid}/config.v2.json",
                       json.dumps({"ID": cid, "Name": f"/{name}", "RestartCount": restarts,
                                   "Config": {"Image": f"{name}:1"}}))
        return cid


class Records:
    """The records in a file that a sink writes."""

    def __init__(self, path):
        self.path = pathlib.Path(path)

    def all(self, **wanted):
        if not self.path.exists():
            return []
        records = [json.loads(line) for line in self.path.read_bytes().split(b"\n")[:-1]]
        return [r for r in records if all(r.get(key) == value for key, value in wanted.items())]

    def last(self, **wanted):
        found = self.all(**wanted)
        return found[-1] if found else None


class Server:
    """An HTTP server whose answers a test may change: `answers` maps a path to a function of the handler."""

    def __init__(self, context=None):
        self.answers = {}
        self.requests = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.requests.append((self.command, self.path, dict(self.headers)))
                outer.answers.get(self.path.split("?")[0], Server.say(404, b""))(self)

            do_POST = do_HEAD = do_GET

            def log_message(self, *args):
                pass

        class Quiet(socketserver.ThreadingMixIn, http.server.HTTPServer):
            daemon_threads = True
            request_queue_size = 256

            def handle_error(self, request, address):
                pass  # a client that gives up is what some tests are about

        self.server = Quiet(("127.0.0.1", 0), Handler)
        if context is not None:
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_port
        self.url = f"http{'s' if context else ''}://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @staticmethod
    def say(status, body=b"well", **headers):
        def answer(handler):
            handler.send_response(status)
            handler.send_header("Content-Length", str(len(body)))
            for name, value in headers.items():
                handler.send_header(name.replace("_", "-"), value)
            handler.end_headers()
            if handler.command != "HEAD":
                handler.wfile.write(body)
        return answer

    def close(self):
        self.server.shutdown()
        self.server.server_close()


CA = """
[ca]
default_ca = own
[own]
database = {dir}/index.txt
new_certs_dir = {dir}
serial = {dir}/serial
default_md = sha256
policy = any
x509_extensions = server
[any]
commonName = supplied
[server]
subjectAltName = IP:127.0.0.1
basicConstraints = CA:TRUE
"""


def certificate(directory, begins, ends):
    """A certificate of its own for 127.0.0.1, valid from and until so many days from now: two paths, of it and its key."""
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True)
    (directory / "index.txt").touch()
    (directory / "serial").write_text("01\n")
    (directory / "ca.cnf").write_text(CA.format(dir=directory))
    key, request, out = directory / "key.pem", directory / "request.pem", directory / "cert.pem"
    now = datetime.datetime.now(datetime.timezone.utc)
    start, end = ((now + datetime.timedelta(days=days)).strftime("%Y%m%d%H%M%SZ") for days in (begins, ends))
    for command in ([["req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", request,
                      "-subj", "/CN=127.0.0.1"],
                     ["ca", "-batch", "-notext", "-selfsign", "-config", directory / "ca.cnf", "-keyfile", key,
                      "-in", request, "-out", out, "-startdate", start, "-enddate", end]]):
        done = subprocess.run(["openssl", *map(str, command)], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    return out, key
