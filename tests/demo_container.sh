#!/bin/sh
# A stand-in for a container: writes a Docker json-file log with its config.v2.json, calm for some seconds,
# then a burst of errors, again and again.   usage: demo_container.sh DIRECTORY
set -eu
id=4f1c2d3e5a6b7c8d9e0f1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f
dir=$1/$id
mkdir -p "$dir"
printf '{"ID":"%s","Name":"/shop-checkout-1","Config":{"Image":"shop/checkout:1.4","Labels":{"com.docker.compose.service":"checkout"}}}' \
    "$id" >"$dir/config.v2.json"
log=$dir/$id-json.log

line() { # LEVEL TEXT
    now=$(date -u +%Y-%m-%dT%H:%M:%S.%N)
    printf '{"log":"{\\"time\\":\\"%sZ\\",\\"level\\":\\"%s\\",\\"msg\\":\\"%s\\",\\"order\\":%d}\\n","stream":"stdout","time":"%sZ"}\n' \
        "$now" "$1" "$2" "$number" "$now" >>"$log"
    number=$((number + 1))
}

number=1
while :; do
    calm=0
    while [ $calm -lt 30 ]; do
        line info "order accepted"
        calm=$((calm + 1))
        sleep 0.1
    done
    burst=0
    while [ $burst -lt 60 ]; do
        line error "payment provider refused the connection"
        burst=$((burst + 1))
    done
    calm=0
    while [ $calm -lt 600 ]; do
        line info "order accepted"
        calm=$((calm + 1))
        sleep 0.1
    done
done
