"""Containers as Kubernetes keeps them: parts, links, rotation by the kubelet, kill -9 in the middle of a line."""
import os

from harness import archive_records, wait_for

CONFIG = """
commit_every: 50ms
sources:
  pods: {type: cri, include: ['{dir}/%PATTERN']}
routes: [{to: archive}]
sinks:
  archive: {type: archive, path: '{dir}/archive/all.jsonl.zst', flush: 50ms}
"""

ID = "0123456789abcdef" * 4


def records(daemon):
    return archive_records(daemon.dir / "archive")


def line(stream, tag, text, second=0):
    return f"2026-03-01T10:00:{second:02}.000000000Z {stream} {tag} {text}\n"


def pod(daemon):
    path = daemon.dir / "pods" / "shop_cart-7f_1b2c" / "api"
    path.mkdir(parents=True)
    return path / "0.log"


def append(path, *lines):
    with open(path, "a") as out:
        out.write("".join(lines))


def test_parts_are_joined_and_the_pod_is_named(logboom):
    daemon = logboom(CONFIG.replace("%PATTERN", "pods/*/*/*.log"))
    log = pod(daemon)
    append(log, line("stdout", "P", '{"level":"error","msg":"first '), line("stderr", "F", "a line"),
           line("stdout", "F", 'and second"}'), line("stdout", "F", '{"level":"info","msg":"next"}'), line("stderr", "F", "end"))
    daemon.start().ready()
    found = wait_for(lambda: len(records(daemon)) >= 4 and records(daemon))
    assert [(r["message"], r["stream"], r["service"]) for r in sorted(found, key=lambda r: r["stream"])] == [
        ("a line", "stderr", "api"), ("end", "stderr", "api"), ("first and second", "stdout", "api"), ("next", "stdout", "api")]
    assert found[0]["kubernetes"] == {"namespace": "shop", "pod": "cart-7f", "uid": "1b2c", "container": "api"}


def test_links_of_var_log_containers_are_followed(logboom):
    daemon = logboom(CONFIG.replace("%PATTERN", "containers/*.log"))
    log = pod(daemon)
    (daemon.dir / "containers").mkdir()
    os.symlink(log, daemon.dir / "containers" / f"cart-7f_shop_api-{ID}.log")
    append(log, line("stdout", "F", "hello"))
    daemon.start().ready()
    (record,) = wait_for(lambda: records(daemon))
    assert record["kubernetes"] == {"namespace": "shop", "pod": "cart-7f", "container": "api", "container_id": ID}


def test_kill_within_a_line_and_the_rotation_of_a_kubelet(logboom):
    daemon = logboom(CONFIG.replace("%PATTERN", "pods/*/*/*.log"))
    log = pod(daemon)
    wanted = []
    append(log, line("stdout", "F", "begin"), line("stdout", "P", "half "))
    daemon.start().ready()
    wait_for(lambda: [r["message"] for r in records(daemon)] == ["begin"])
    wanted.append("begin")
    for number in range(8):
        daemon.kill()
        append(log, line("stdout", "F", f"whole {number}"))
        wanted.append(f"half whole {number}")
        os.rename(log, log.with_name(f"0.log.20260301-10000{number}"))
        append(log, line("stdout", "P", "half "))
        daemon.start().ready()
        wait_for(lambda: len(records(daemon)) >= len(wanted), what=f"{len(wanted)} records")
    append(log, line("stdout", "F", "end"))
    wanted.append("half end")
    wait_for(lambda: len(records(daemon)) >= len(wanted))
    assert sorted(r["message"] for r in records(daemon)) == sorted(wanted)  # files of one log have no order among them
