#!/bin/sh
# Real Apache Kafka brokers (KRaft, each a controller too) for tests, from their Maven Central artifacts.
#
#   tests/kafka.sh fetch               download the jars (kept in ~/.m2 by Maven); `start` does it too, unless it failed lately
#   tests/kafka.sh start [DIR] [PORT]  format DIR (build/kafka) if it is new, start, wait until it answers
#   tests/kafka.sh stop [DIR]          stop it in order        kill [DIR]  kill -9 it
#   tests/kafka.sh topic DIR PORT create|delete|describe NAME [OPTION…]    of one partition; --config x=y, for example
#   tests/kafka.sh consume DIR PORT TOPIC-REGEX   all that is there, by Kafka's own consumer: partition, offset, headers, key, value by tab
#
# KAFKA_AUTO_CREATE=false before the first start: topics come by `topic create` only.
# KAFKA_NODES="PORT PORT PORT": one cluster of so many, each with a DIR of its own. Start them side by side, for a broker
# answers when most of them are there. KAFKA_HEAP=256m: memory of each (512m).
# KAFKA_PROPERTIES=FILE: settings of the broker that stand below those from here, and so win. KAFKA_SCRAM: a user for
# SCRAM, as Kafka's format tool takes it.
# Exit 3: the artifacts cannot be reached; tests then use librdkafka's mock cluster and say so.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
jars=$here/../build/kafka-jars
command=${1:-help}
dir=${2:-$here/../build/kafka}
port=${3:-19092}

# Into a folder of its own: who is stopped in the middle leaves half a jar, which Maven would take for a whole one.
download() {
    rm -rf "$jars/new"
    timeout 1200 mvn -q -B -f "$here/kafka/pom.xml" dependency:copy-dependencies -DoutputDirectory="$jars/new" \
        -DincludeScope=runtime </dev/null >"$jars/fetch.log" 2>&1 || return 1
    mv -f "$jars/new"/*.jar "$jars" && rm -rf "$jars/new" "$jars/failed" && touch "$jars/complete"
}

# Where it failed in the last quarter of an hour, tests do not wait for another failure each.
failed_lately() { [ "$command" != fetch ] && [ -n "$(find "$jars/failed" -mmin -15 2>/dev/null)" ]; }

fetch() {
    [ -f "$jars/complete" ] && return 0
    command -v mvn >/dev/null || { echo "kafka.sh: Maven is missing; run tests/deps.sh" >&2; exit 3; }
    mkdir -p "$jars"
    exec 9>"$jars/lock" && flock 9 # several may come at once
    if [ ! -f "$jars/complete" ]; then
        failed_lately || download || touch "$jars/failed"
    fi
    [ -f "$jars/complete" ] || { echo "kafka.sh: Maven Central cannot be reached; see $jars/fetch.log" >&2; exit 3; }
    exec 9>&- # a broker must not hold it
}

# The place of $port among the nodes, and all of them as controllers.
find_node() {
    node=0 voters='' nodes=0
    for each in ${KAFKA_NODES:-$port}; do
        nodes=$((nodes + 1))
        [ "$each" = "$port" ] && node=$nodes
        voters="$voters${voters:+,}$nodes@127.0.0.1:$((each + 1))"
    done
    [ $node -gt 0 ] || { echo "kafka.sh: port $port is not in KAFKA_NODES ($KAFKA_NODES)" >&2; exit 2; }
    replicas=$nodes in_sync=1
    [ $nodes -lt 3 ] || in_sync=2
}

configure() {
    find_node
    mkdir -p "$dir"
    cat >"$dir/server.properties" <<CONF
process.roles=broker,controller
node.id=$node
controller.quorum.voters=$voters
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$((port + 1))
advertised.listeners=PLAINTEXT://127.0.0.1:$port
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs=$dir/data
num.partitions=3
offsets.topic.replication.factor=$replicas
default.replication.factor=$replicas
min.insync.replicas=$in_sync
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=$replicas
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=${KAFKA_AUTO_CREATE:-true}
file.delete.delay.ms=0
CONF
    [ -z "${KAFKA_PROPERTIES:-}" ] || cat "$KAFKA_PROPERTIES" >>"$dir/server.properties"
    if [ ! -d "$dir/data" ]; then
        java -cp "$jars/*" kafka.tools.StorageTool format -t bG9nYm9vbS10ZXN0cy0x -c "$dir/server.properties" \
            ${KAFKA_SCRAM:+--add-scram "$KAFKA_SCRAM"} \
            >"$dir/format.log" 2>&1 || { cat "$dir/format.log" >&2; exit 1; }
    fi
}

answers() { python3 - "$port" <<'PY'
import socket, struct, sys
# ApiVersions v0: a broker that answers it takes requests.
request = struct.pack(">hhih", 18, 0, 7, 4) + b"test"
try:
    with socket.create_connection(("127.0.0.1", int(sys.argv[1])), 1) as s:
        s.settimeout(2)
        s.sendall(struct.pack(">i", len(request)) + request)
        sys.exit(0 if len(s.recv(8)) == 8 else 1)
except OSError:
    sys.exit(1)
PY
}

start() {
    fetch
    configure
    java -Xmx${KAFKA_HEAP:-512m} -Xms128m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp "$jars/*" kafka.Kafka "$dir/server.properties" \
        >"$dir/broker.log" 2>&1 </dev/null &
    echo $! >"$dir/pid"
    tries=0
    until answers; do
        kill -0 "$(cat "$dir/pid")" 2>/dev/null || { tail -n 20 "$dir/broker.log" >&2; exit 1; }
        tries=$((tries + 1))
        [ $tries -lt 240 ] || { echo "kafka.sh: no answer after 2 minutes" >&2; exit 1; }
        sleep 0.5
    done
    echo "127.0.0.1:$port"
}

finish() {
    [ -f "$dir/pid" ] || return 0
    pid=$(cat "$dir/pid")
    kill "-$1" "$pid" 2>/dev/null || true
    while kill -0 "$pid" 2>/dev/null; do sleep 0.1; done
    rm -f "$dir/pid"
}

# How many messages there are, by where the partitions end.
count() {
    java -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp "$jars/*" org.apache.kafka.tools.GetOffsetShell \
        --bootstrap-server "127.0.0.1:$port" --topic-partitions "$1" 2>"$dir/count.log" | awk -F: '{ n += $3 } END { print n + 0 }'
}

# Ends when so many came as there are. A machine may be so busy that none comes for a while: that is no end.
consume() {
    messages=$(count "$4")
    [ "$messages" -gt 0 ] || return 0
    cat >"$dir/consumer.properties" <<CONF
auto.offset.reset=earliest
metadata.max.age.ms=2000
fetch.min.bytes=100000
fetch.max.wait.ms=200
CONF
    java -Xmx512m -XX:+UseSerialGC -cp "$jars/*" org.apache.kafka.tools.consumer.ConsoleConsumer \
        --bootstrap-server "127.0.0.1:$port" --include "$4" --max-messages "$messages" --timeout-ms 60000 \
        --consumer.config "$dir/consumer.properties" --property print.partition=true --property print.offset=true \
        --property print.key=true --property print.headers=true 2>"$dir/consumer.log" || true
}

topic() {
    where="--bootstrap-server 127.0.0.1:$port" what=$4 name=$5
    shift 5
    # shellcheck disable=SC2086
    java -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp "$jars/*" org.apache.kafka.tools.TopicCommand \
        $where "--$what" --topic "$name" "$@" >"$dir/topic.log" 2>&1 || { cat "$dir/topic.log" >&2; exit 1; }
    [ "$what" != describe ] || cat "$dir/topic.log"
}

case $command in
topic) topic "$@" ;;
consume) consume "$@" ;;
fetch) fetch ;;
start) start ;;
stop) finish TERM ;;
kill) finish KILL ;;
*) sed -n '2,16s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac
