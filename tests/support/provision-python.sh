#!/bin/bash
# Puts a Python into a folder for the tests, from Debian packages only; how, and what it takes, says
# agi_bridge/lab/asterisk/private-apt.sh. So the tests run under the same versions on every machine.
#
#   provision-python.sh VERSION TARGET_DIR
#
#   VERSION                    3.11, 3.13 or 3.14: those that a Debian release has (none has 3.12)
#   TARGET_DIR/usr/bin/python3              Python; .ci/venv makes virtual environments with it
#   TARGET_DIR/usr/share/python-wheels      the wheel of the pip that belongs to it
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../../agi_bridge/lab/asterisk/private-apt.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/../../agi_bridge/lab/asterisk/private-apt.sh"

VERSION=${1-}
shift || true
NAME=python$VERSION
case $VERSION in
  3.11) SUITE=bookworm ;;
  3.13) SUITE=trixie ;;
  3.14) SUITE=forky ;;
  *) fail 1 "no Debian release has Python '$VERSION': 3.11, 3.13 or 3.14" ;;
esac
# The wheels from PyPI bring all their libraries but this one, C++'s.
WANT=("python$VERSION" python3-pip-whl libstdc++6)
SKIP=(
  # data and tools: the tests bring their own time zones, and the machine its own certificates
  dpkg debconf tzdata netbase media-types mime-support readline-common ca-certificates openssl
)
WITHOUT=(./usr/share/pixmaps ./usr/share/applications ./usr/share/binfmts)

version() { "$1/usr/bin/python3" -c 'import sys, ssl, sqlite3, ctypes; print("Python", sys.version.split()[0])'; }

complete() {
  mkdir -p -- "$NEW/usr/lib/python$VERSION-program"
  mv -- "$NEW/usr/bin/python$VERSION" "$NEW/usr/lib/python$VERSION-program/python"
  launcher "usr/bin/python$VERSION" "usr/lib/python$VERSION-program/python"
  # A Python knows by the name it is called whether it belongs to a virtual environment. The launcher
  # adds nothing to its environment: the variables are Asterisk's, PWD is the shell's.
  # shellcheck disable=SC2016  # the launcher's names, not this script's
  sed -i -e 's|--argv0 "$self"|--argv0 "$0"|' -e 's|^export .*|unset PWD|' "$NEW/usr/bin/python$VERSION"
  ln -s -- "python$VERSION" "$NEW/usr/bin/python3"
}

provide "$@"
