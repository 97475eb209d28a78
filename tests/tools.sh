#!/bin/sh
# What the tests need of the system. Installs what is missing where it may (root, apt), else says what to type.
# Arguments: further programs that are packages of the same name (`strace` for the long fault tests).
set -eu

missing=""
java_ok() { command -v java >/dev/null && java -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | grep -qE '^(1[7-9]|[2-9][0-9])$'; }
java_ok || missing="$missing openjdk-17-jre-headless"
command -v mvn >/dev/null || missing="$missing maven"
for program in "$@"; do
    command -v "$program" >/dev/null || missing="$missing $program"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "installing$missing"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    # shellcheck disable=SC2086
    apt-get install -y -qq --no-install-recommends $missing >/dev/null
    java_ok || { echo "java is still not 17 or newer: $(java -version 2>&1 | head -1)" >&2; exit 1; }
else
    echo "the tests need$missing; on Debian and Ubuntu type:" >&2
    echo "    sudo apt-get install$missing" >&2
    exit 1
fi
