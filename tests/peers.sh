#!/bin/sh
# Unpacks rsyslog and syslog-ng from Debian's packages side by side under build/peers, without installing either
# (the packages exclude each other, and nothing of this machine shall change).
#
#   tests/peers.sh [fetch]    prints the folder; then rsyslogd and syslog-ng are run through its bin/
#
# Exit 3: the packages cannot be had; where that was so in the last quarter of an hour, only `fetch` tries again.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
dir=$here/../build/peers
packages="rsyslog rsyslog-openssl syslog-ng-core libestr0 libfastjson4 liblognorm5 libivykis0 libnet1 libpcre3 libwrap0 libjson-c5 libuuid1
          libcap2 libglib2.0-0 libsystemd0"

refuse() {
    echo "peers.sh: Debian's packages cannot be reached; see $dir/debs/fetch.log" >&2
    exit 3
}

unpack() {
    mkdir -p "$dir/debs" "$dir/root" "$dir/bin"
    cd "$dir/debs"
    # shellcheck disable=SC2086
    timeout 1200 apt-get download -q $packages >fetch.log 2>&1 ||
        { timeout 600 apt-get update -q && timeout 1200 apt-get download -q $packages; } >>fetch.log 2>&1 ||
        { touch "$dir/failed"; refuse; }
    for deb in *.deb; do dpkg-deb -x "$deb" "$dir/root"; done
    libs=$(cd "$dir/root" && pwd)
    triplet=$(dpkg-architecture -qDEB_HOST_MULTIARCH 2>/dev/null || gcc -dumpmachine)
    cat >"$dir/bin/rsyslogd" <<RUN
#!/bin/sh
LD_LIBRARY_PATH=$libs/usr/lib/$triplet:$libs/lib/$triplet exec $libs/usr/sbin/rsyslogd -M $libs/usr/lib/$triplet/rsyslog "\$@"
RUN
    cat >"$dir/bin/syslog-ng" <<RUN
#!/bin/sh
LD_LIBRARY_PATH=$libs/usr/lib/$triplet:$libs/lib/$triplet:$libs/usr/lib/syslog-ng exec $libs/usr/sbin/syslog-ng \\
    --module-path=$libs/usr/lib/syslog-ng/3.38 "\$@"
RUN
    chmod +x "$dir/bin/"*
    rm -f "$dir/failed"
    touch "$dir/complete"
}

mkdir -p "$dir"
exec 9>"$dir/lock" && flock 9 # several may come at once
if [ ! -f "$dir/complete" ]; then
    [ "${1:-}" = fetch ] || [ -z "$(find "$dir/failed" -mmin -15 2>/dev/null)" ] || refuse
    unpack
fi
exec 9>&-
cd "$dir" && pwd
