"""Several sockets for one UDP address: every datagram once, whatever their number is changed to, and who opened them."""
import json
import os
import pathlib
import socket
import threading
import urllib.request

from harness import free_port, wait_for
from test_systemd import CONFIG as PASSED, out, systemd  # noqa: F401 (a fixture)

CONFIG = """
    sources:
      hosts: {{type: syslog, listen: ['udp://127.0.0.1:{port}'], udp_sockets: {sockets}, receive_buffer: 4MiB}}
      {more}
    routes: [{{to: out}}]
    sinks:
      out: {{type: file, path: '{{dir}}/out.jsonl', format: json, flush: 50ms}}
"""


class Senders:
    """Datagrams from 64 ports until it is told to stop: "PORT-INDEX:NUMBER". Never more than any buffer holds."""

    def __init__(self, daemon, port):
        self.daemon = daemon
        self.sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(64)]
        for s in self.sockets:
            s.connect(("127.0.0.1", port))
        self.rounds = 0
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.stopping.wait(0.002):
            if self.rounds * 64 > self.daemon.metric("logboom_syslog_messages_total") + 256:
                continue
            for index, s in enumerate(self.sockets):
                s.send(f"<13>1 - h app - - - {index}:{self.rounds}".encode())
            self.rounds += 1

    def stop(self):
        self.stopping.set()
        self.thread.join()
        return sorted(f"{index}:{n}" for n in range(self.rounds) for index in range(len(self.sockets)))


def bound_sockets(process, port):
    """How many UDP sockets of the process are bound to the port."""
    inodes = {line.split()[9] for line in pathlib.Path("/proc/net/udp").read_text().splitlines()[1:]
              if int(line.split()[1].split(":")[1], 16) == port}
    mine = set()
    for fd in os.listdir(f"/proc/{process.pid}/fd"):
        try:
            mine.add(os.readlink(f"/proc/{process.pid}/fd/{fd}"))
        except OSError:
            pass  # closed meanwhile
    return sum(f"socket:[{inode}]" in mine for inode in inodes)


def reload(daemon):
    request = urllib.request.Request(f"http://127.0.0.1:{daemon.http}/api/v1/reload", method="POST", data=b"")
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def messages(daemon):
    path = daemon.dir / "out.jsonl"
    return [json.loads(line)["message"] for line in path.read_bytes().split(b"\n")[:-1]] if path.exists() else []


def check_all_once(daemon, expected):
    wait_for(lambda: len(messages(daemon)) >= len(expected), what=f"{len(expected)} messages")
    assert sorted(messages(daemon)) == expected
    assert daemon.metric("logboom_syslog_messages_total") == len(expected)
    assert daemon.metric("logboom_syslog_kernel_dropped_total") == 0


def test_datagrams_arrive_once_while_the_number_of_sockets_grows_and_shrinks(logboom):
    port = free_port(socket.SOCK_DGRAM)
    daemon = logboom(CONFIG.format(port=port, sockets=2, more="")).start().ready()
    assert bound_sockets(daemon.process, port) == 2
    senders = Senders(daemon, port)
    for sockets in (4, 1, 3, 3, 8, 2):
        begin = senders.rounds
        wait_for(lambda: senders.rounds > begin + 10, what="more datagrams")
        daemon.write_config(CONFIG.format(port=port, sockets=sockets, more=""))
        assert reload(daemon) == 200, daemon.log()
        wait_for(lambda: bound_sockets(daemon.process, port) == sockets, what=f"{sockets} sockets")
    check_all_once(daemon, senders.stop())
    assert daemon.stop() == 0


def test_sockets_that_a_refused_reload_opened_are_emptied_first(logboom):
    port = free_port(socket.SOCK_DGRAM)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        # It is opened after the other, and cannot be.
        more = f"second: {{type: syslog, listen: ['udp://127.0.0.1:{taken.getsockname()[1]}']}}"
        daemon = logboom(CONFIG.format(port=port, sockets=1, more="")).start().ready()
        senders = Senders(daemon, port)
        for sockets in (6, 1, 4):
            begin = senders.rounds
            wait_for(lambda: senders.rounds > begin + 10, what="more datagrams")
            daemon.write_config(CONFIG.format(port=port, sockets=sockets, more=more))
            assert reload(daemon) != 200
            wait_for(lambda: bound_sockets(daemon.process, port) == 1, what="the socket as before")
        check_all_once(daemon, senders.stop())
        assert daemon.stop() == 0


def sharing(port, count):
    """As systemd binds them with ReusePort=yes."""
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(count)]
    for s in sockets:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        s.bind(("127.0.0.1", port))
        s.set_inheritable(True)
    return sockets


def test_sockets_that_were_passed_are_used_and_further_ones_bound(systemd, tmp_path):  # noqa: F811
    port = free_port(socket.SOCK_DGRAM)
    passed = sharing(port, 2)
    config = PASSED.replace("'tcp://127.0.0.1:{port}']", "], udp_sockets: 3").replace(", ]", "]")
    manager = systemd(config, port=port).start(sockets=passed, names="a:b")
    for s in passed:
        s.close()
    assert bound_sockets(manager.daemon.process, port) == 3
    assert "is not used" not in manager.daemon.log()
    senders = Senders(manager.daemon, port)
    wait_for(lambda: senders.rounds > 20, what="datagrams")
    expected = senders.stop()
    wait_for(lambda: len(out(tmp_path)) >= len(expected), what="all of them")
    assert sorted(out(tmp_path)) == expected
    assert manager.daemon.stop() == 0
