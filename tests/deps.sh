#!/bin/sh
# Installs what building and testing need on Debian 12: only what is missing, by apt-get, as root or by sudo.
#   tests/deps.sh build   what `make` and `make run` need
#   tests/deps.sh         that, and what `make test` and `make lint` need
set -eu
build="build-essential pkg-config libevent-dev libcurl4-openssl-dev librdkafka-dev libpcre2-dev libzstd-dev
       libyaml-dev libxxhash-dev libssl-dev libmsgpack-dev libsystemd-dev zlib1g-dev zstd curl"
tests="$build libcmocka-dev clang clang-format clang-tidy cppcheck libclang-rt-14-dev python3 python3-pytest python3-pytest-xdist
       python3-zstandard python3-msgpack bsdutils prometheus openjdk-17-jre-headless maven binutils ripgrep lnav
       libarchive-tools openssl procps python3-aiosmtpd prometheus-alertmanager rsyslog-relp systemd-journal-remote
       kcat"
case "${1:-all}" in build) wanted=$build ;; *) wanted=$tests ;; esac

missing=
for package in $wanted; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done
if [ -z "$missing" ]; then exit 0; fi

root=
if [ "$(id -u)" -ne 0 ]; then root=sudo; fi
echo "installing:$missing"
export DEBIAN_FRONTEND=noninteractive

# Somebody else may be installing just now (a machine that was just started does so by itself): apt-get waits for that
# where it installs, but not where it fetches the lists.
apt() {
    $root apt-get -o DPkg::Lock::Timeout=900 -o Acquire::Retries=3 -q "$@"
}

update() {
    for pause in 5 10 20 40 80 160; do
        apt update && return 0
        sleep $pause
    done
    apt update
}

# shellcheck disable=SC2086
apt install -y --no-install-recommends $missing || { update && apt install -y --no-install-recommends $missing; }
