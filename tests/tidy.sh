#!/bin/sh
# clang-tidy over some files, without its count of suppressed warnings.   usage: tidy.sh FLAG… -- FILE…
set -u
flags=
while [ "$1" != -- ]; do
    flags="$flags $1"
    shift
done
shift
# shellcheck disable=SC2086
out=$(clang-tidy --quiet "$@" -- $flags 2>/dev/null)
status=$?
[ -z "$out" ] || printf '%s\n' "$out"
exit $status
