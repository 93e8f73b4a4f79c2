#!/bin/sh
# `make run`: the main job, live. Starts a demo container's log and logboom with the quickstart configuration,
# sends some syslog, and shows what comes out. Ctrl-C ends it.   DEMO_SECONDS=N ends it by itself.
set -eu
bin=$1
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/.."
mkdir -p var/containers
container=
daemon=
finish() {
    trap - EXIT INT TERM
    [ -z "$container" ] || kill "$container" 2>/dev/null || true
    if [ -n "$daemon" ]; then
        kill "$daemon" 2>/dev/null || true
        wait "$daemon" || true
        echo "logboom has drained and stopped."
    fi
    exit 0
}
trap finish EXIT INT TERM

"$here/demo_container.sh" var/containers &
container=$!
"$bin" run -c conf/examples/quickstart.yaml &
daemon=$!

until curl -fs -o /dev/null http://127.0.0.1:8686/health; do
    kill -0 "$daemon" 2>/dev/null || { echo "logboom did not start; see the message above" >&2; daemon=; exit 1; }
    sleep 0.2
done
for n in 1 2 3; do
    logger -n 127.0.0.1 -P 5514 -d --rfc5424 -t demo-udp "hello number $n over UDP" 2>/dev/null || true
    logger -n 127.0.0.1 -P 5514 -T --rfc5424 -t demo-tcp "hello number $n over TCP" 2>/dev/null || true
done

cat <<TEXT

logboom is running: it tails /var/log/*.log and a demo container, and takes syslog on 127.0.0.1:5514 (UDP and TCP).
Waiting for the first archives and the alert on the container's burst of errors …

TEXT
waited=0
until [ -s var/inbox.log ]; do
    sleep 0.5
    waited=$((waited + 1))
    [ $waited -lt 120 ] || { echo "no alert within a minute; see curl http://127.0.0.1:8686/health" >&2; exit 1; }
done
echo "The alert, in the local inbox (var/inbox.log):"
sed 's/^/  /' var/inbox.log
echo
echo "Archives (ordinary .zst files):"
find var/archive -name '*.zst' | sort | head -n 12 | while read -r file; do
    printf '  %-50s %s records\n' "$file" "$(zstdcat "$file" | wc -l)"
done
cat <<TEXT

Where to look
  zstdcat var/archive/checkout/*.zst | tail -n 3
  zstdgrep '"level":"error"' var/archive/*/*.zst | wc -l
  $bin grep -C2 refused var/archive           $bin hist --by level var/archive
  curl http://127.0.0.1:8686/health        curl http://127.0.0.1:8686/metrics
  tail -f var/inbox.log                    tail -f var/problems.log
  logger -n 127.0.0.1 -P 5514 -T -t me "hello"
  $bin explain -c conf/examples/quickstart.yaml --source network '<11>me: it broke'

Ctrl-C ends it.
TEXT
if [ -n "${DEMO_SECONDS:-}" ]; then sleep "$DEMO_SECONDS"; exit 0; fi
wait "$daemon"
