"""The source host over a machine that is made of files, and over this one."""
import json
import os
import socket
import subprocess

from harness import BIN, free_port, run_to_end, wait_for
from machine import Machine, Records

CONFIG = """
    sources:
      machine: {{type: host, every: 200ms, root: '{root}'{more}}}
    routes: [{{to: out}}]
    sinks:
      out: {{type: file, path: '{{dir}}/out.jsonl', format: json, flush: 50ms}}
"""


def start(logboom, machine, more=""):
    daemon = logboom(CONFIG.format(root=machine.root, more=", " + more if more else "")).start().ready()
    return daemon, Records(daemon.dir / "out.jsonl")


def check(tmp_path, text):
    file = tmp_path / "check.yaml"
    file.write_text(f"data_dir: {tmp_path}/data\n" + text)
    return subprocess.run([BIN, "check", "-c", str(file)], capture_output=True, text=True)


def test_processor_memory_and_load_as_the_kernel_says(logboom, tmp_path):
    machine = Machine(tmp_path / "root")
    daemon, out = start(logboom, machine)
    wait_for(lambda: out.last(event="memory"), what="a record of memory")
    machine.cpu(25)
    cpu = wait_for(lambda: out.last(event="cpu"), what="a record of the processor")
    assert cpu["service"] == "host" and cpu["host"] == "web1" and cpu["level"] == "info"
    assert cpu["cpu_pct"] == 25 and cpu["cpu_user_pct"] == 25 and cpu["cpu_idle_pct"] == 75 and cpu["cores"] == 2
    assert cpu["message"] == "CPU 25.0 % busy on 2 cores" and cpu["load1"] == 0.5
    memory = out.last(event="memory")
    assert memory["mem_pct"] == 25 and memory["mem_available"] == 6_000_000 * 1024 and memory["swap_pct"] == 75
    assert memory["oom_kills"] == 3
    load = out.last(event="load")
    assert (load["load1"], load["load5"], load["load15"], load["load1_per_core"]) == (0.5, 0.4, 0.3, 0.25)
    assert (load["processes"], load["processes_running"], load["uptime_s"]) == (345, 2, 86400)
    machine.write("proc/vmstat", "oom_kill 5\n")
    wait_for(lambda: out.all(event="memory", oom_kills_new=2), what="two new kills")
    wait_for(lambda: out.last(event="memory")["oom_kills_new"] == 0, what="none after that")
    assert daemon.metric("logboom_reported_records_total", source="machine") > 3


def test_disks_are_those_that_hold_data_each_once(logboom, tmp_path):
    machine = Machine(tmp_path / "root")
    machine.disk("/srv/my data")
    machine.mounts("sysfs /sys sysfs rw 0 0\n/dev/sda1 / ext4 rw 0 0\n/dev/sdb1 /srv/my\\040data xfs rw 0 0\n"
                   "/dev/sda1 /var/lib/kubelet/bind ext4 rw 0 0\nserver:/x /srv/remote nfs4 rw 0 0\n"
                   "overlay /var/lib/docker/overlay2/x/merged overlay rw 0 0\nportal /run/doc fuse.portal rw 0 0\n")
    _, out = start(logboom, machine, "growth_over: 3s")
    wait_for(lambda: out.last(event="disk", mount="/srv/my data"), what="the disk with a blank")
    disk = out.last(event="disk", mount="/")
    stat = os.statvfs(machine.root)  # what is free there changes while others write
    assert abs(disk["disk_free_pct"] - 100 * disk["disk_free"] / (disk["disk_used"] + disk["disk_free"])) < 0.1
    assert 0 < disk["disk_free"] <= stat.f_blocks * stat.f_frsize
    assert disk["disk_total"] == stat.f_blocks * stat.f_frsize and disk["device"] == "/dev/sda1"
    assert disk["disk_used_pct"] + disk["disk_free_pct"] == 100 and disk["inodes_total"] == stat.f_files
    # The growth is told when there are samples enough.
    wait_for(lambda: "disk_growth_per_hour" in out.last(event="disk", mount="/"), what="the growth")
    assert {r["mount"] for r in out.all(event="disk")} == {"/", "/srv/my data"}


def test_patterns_say_which_disks(logboom, tmp_path):
    machine = Machine(tmp_path / "root")
    for path in ("/data/a", "/data/b", "/boot"):
        machine.disk(path)
    machine.mounts("".join(f"/dev/sda1 {path} ext4 rw 0 0\n" for path in ("/", "/data/a", "/data/b", "/boot")))
    _, out = start(logboom, machine, "collect: disk, mounts: {{include: ['/data/*', /boot], exclude: '*/b'}}"
                   .replace("{{", "{").replace("}}", "}"))
    wait_for(lambda: out.last(event="disk", mount="/boot"), what="records")
    assert {r["mount"] for r in out.all()} == {"/data/a", "/boot"}


def test_containers_with_what_docker_knows_of_them(logboom, tmp_path):
    machine = Machine(tmp_path / "root")
    mib = 1024 * 1024
    web = machine.container(1, memory=80 * mib, cache=16 * mib, limit=128 * mib, name="web", restarts=2)
    free = machine.container(2, memory=10 * mib, limit="max")
    machine.write("sys/fs/cgroup/system.slice/sshd.service/memory.current", "1")
    machine.write(f"sys/fs/cgroup/machine.slice/libpod-conmon-{3:064x}.scope/memory.current", "1")
    _, out = start(logboom, machine)
    wait_for(lambda: len(out.all(event="container")) >= 2, what="two containers")
    first = out.all(event="container", container={"id": web, "name": "web", "image": "web:1"})[0]
    assert first["mem_pct"] == 50 and first["mem_used"] == 64 * mib and first["mem_limit"] == 128 * mib
    assert first["restarts"] == 2 and first["cpu_limit_cores"] == 1.5 and "oom_kills_new" not in first
    assert first["message"].startswith("container web: memory 50.0 % of 128 MiB")
    other = out.last(event="container", container={"id": free})
    assert "mem_pct" not in other and "mem_limit" not in other and other["mem_used"] == 10 * mib
    machine.container(1, memory=80 * mib, cache=16 * mib, limit=128 * mib, name="web", restarts=4, oom_kills=1,
                      cpu_us=100)
    wait_for(lambda: out.all(event="container", oom_kills_new=1), what="a kill")
    wait_for(lambda: out.all(event="container", restarts_new=2), what="two restarts")
    assert {r["container"]["id"] for r in out.all(event="container")} == {web, free}


def test_control_groups_of_version_1(logboom, tmp_path):
    machine = Machine(tmp_path / "root")
    (machine.root / "sys/fs/cgroup/cgroup.controllers").unlink()
    cid = f"{7:064x}"
    group = f"sys/fs/cgroup/memory/docker/{cid}"
    machine.write(f"{group}/memory.usage_in_bytes", "3000\n")
    machine.write(f"{group}/memory.limit_in_bytes", "4000\n")
    machine.write(f"{group}/memory.stat", "cache 5\ntotal_inactive_file 1000\n")
    machine.write(f"{group}/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 6\n")
    machine.write(f"sys/fs/cgroup/cpuacct/docker/{cid}/cpuacct.usage", "5000000\n")
    _, out = start(logboom, machine)
    record = wait_for(lambda: out.last(event="container"), what="the container")
    assert record["mem_pct"] == 50 and record["oom_kills"] == 6 and record["container"] == {"id": cid}
    machine.write(f"{group}/memory.limit_in_bytes", "9223372036854771712\n")
    wait_for(lambda: "mem_limit" not in out.last(event="container"), what="no limit")
    wait_for(lambda: "cpu_pct" in out.last(event="container"), what="the processor")


def test_garbage_is_left_out_told_once_and_the_rest_goes_on(logboom, tmp_path):
    machine = Machine(tmp_path / "root")
    machine.container(1, memory=1, limit=2)
    daemon, out = start(logboom, machine)
    machine.cpu(10)
    wait_for(lambda: out.last(event="cpu"), what="a record before")
    for garbage in (b"", b"\0" * 70000, b"cpu  99999999999999999999999999 1 1\n", b"MemTotal: -5 kB\nMemAvailable:\n" * 9,
                    os.urandom(300000)):
        for path in ("proc/stat", "proc/meminfo", "proc/loadavg", "proc/uptime", "proc/vmstat",
                     f"sys/fs/cgroup/system.slice/docker-{1:064x}.scope/memory.current"):
            machine.write(path, garbage)
        before = len(out.all(event="disk"))
        wait_for(lambda: len(out.all(event="disk")) > before + 1, what="a round with garbage")
    (machine.root / "proc/stat").unlink()
    os.mkfifo(machine.root / "proc/stat")  # to be opened, but never to be waited for
    before = len(out.all(event="disk"))
    wait_for(lambda: len(out.all(event="disk")) > before + 1, what="a round with a pipe")
    assert daemon.log().count("file=" + str(machine.root) + "/proc/stat") == 1
    (machine.root / "proc/stat").unlink()
    machine.cpu(10)
    machine.memory(total=1000, available=100)
    wait_for(lambda: out.all(event="memory", mem_pct=90), what="memory again")
    machine.cpu(60)
    wait_for(lambda: out.all(event="cpu", cpu_pct=60), what="the processor again")
    assert daemon.process.poll() is None


def test_many_mounts_and_containers_are_bounded_and_told(logboom, tmp_path):
    machine = Machine(tmp_path / "root")
    for i in range(1100):
        machine.write(f"sys/fs/cgroup/docker/{i:064x}/memory.current", "1\n")
    machine.mounts("/dev/sda1 / ext4 rw 0 0\n" + "".join(f"/dev/x{i} /mnt/{i} ext4 rw 0 0\n" for i in range(10000)))
    for i in range(300):
        machine.disk(f"/mnt/{i}")
    daemon, out = start(logboom, machine)
    wait_for(lambda: "more file systems than are watched" in daemon.log(), what="a word about mounts")
    wait_for(lambda: "more containers than are watched" in daemon.log(), what="a word about containers")
    wait_for(lambda: len(out.all(event="container")) >= 1024, what="the containers")
    assert len({r["mount"] for r in out.all(event="disk")}) == 256
    assert len({r["container"]["id"] for r in out.all(event="container")}) == 1024
    assert daemon.get("/health")[0] == 200


def test_this_machine_once(tmp_path):
    daemon = run_to_end(tmp_path / "lb", """
        sources:
          machine: {type: host, every: 200ms}
        routes: [{to: out}]
        sinks:
          out: {type: file, path: '{dir}/out.jsonl', format: json}
    """)
    records = [json.loads(line) for line in (daemon.dir / "out.jsonl").read_text().splitlines()]
    assert {"memory", "load"} <= {r["event"] for r in records}
    assert all("parse_error" not in r and r["service"] == "host" for r in records)


def test_sources_that_never_end_do_not_end_a_run_to_the_end_of_files(tmp_path):
    source = tmp_path / "in.log"
    source.write_text("".join(f"line {i}\n" for i in range(300000)))
    daemon = run_to_end(tmp_path / "lb", f"""
        sources:
          lines: {{type: file, include: ['{source}']}}
          net: {{type: syslog, listen: ['udp://127.0.0.1:{free_port(socket.SOCK_DGRAM)}']}}
          own: {{type: internal}}
        routes: [{{to: out}}]
        sinks:
          out: {{type: file, path: '{{dir}}/out.log', format: raw}}
    """)
    assert (daemon.dir / "out.log").read_bytes().count(b"line ") == 300000


def test_a_reload_goes_on_with_what_is_known(logboom, tmp_path):
    machine = Machine(tmp_path / "root")
    machine.container(1, memory=1, limit=2, oom_kills=1)
    daemon, out = start(logboom, machine)
    wait_for(lambda: out.all(event="container", oom_kills_new=0), what="a record before")
    daemon.write_config(CONFIG.format(root=machine.root, more=", service: machines"))
    daemon.get("/api/v1/reload", "POST", b"")
    wait_for(lambda: out.last(service="machines", event="container"), what="a record of the new one")
    assert out.all(service="machines", event="container")[0]["oom_kills_new"] == 0
    machine.container(1, memory=1, limit=2, oom_kills=2)
    wait_for(lambda: out.all(service="machines", oom_kills_new=1), what="a kill after the reload")
    # One that cannot be used leaves the old one at work.
    daemon.write_config(CONFIG.format(root="/nowhere/at/all", more=""))
    assert daemon.get("/api/v1/reload", "POST", b"")[0] != 200
    machine.container(1, memory=1, limit=2, oom_kills=5)
    wait_for(lambda: out.all(service="machines", oom_kills_new=3), what="a kill after the refusal")


def test_faults_of_options_are_told(tmp_path):
    done = check(tmp_path, """sources:
  machine: {type: host, collect: [cpu, disks], root: /nowhere}
  other: {type: host, collect: []}
routes: [{to: out}]
sinks: {out: {type: stdout}}
""")
    assert done.returncode == 1
    assert 'expected cpu, memory, disk, load or containers, got "disks"' in done.stderr
    assert "cannot look into /nowhere/proc" in done.stderr and "root: /host" in done.stderr
    assert "the list is empty" in done.stderr
