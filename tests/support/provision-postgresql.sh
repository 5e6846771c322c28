#!/bin/bash
# Puts a PostgreSQL server into a folder for the tests, from Debian packages only; how, and what it
# takes, says agi_bridge/lab/asterisk/private-apt.sh.
#
#   provision-postgresql.sh TARGET_DIR
#
#   TARGET_DIR/bin/postgres   the server
#   TARGET_DIR/bin/initdb     makes a cluster of databases
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../../agi_bridge/lab/asterisk/private-apt.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/../../agi_bridge/lab/asterisk/private-apt.sh"

NAME=postgresql
SUITE=bookworm # the oldest PostgreSQL that a supported Debian has
VERSION=15
WANT=("postgresql-$VERSION")
SKIP=(
  # tools that only maintainer scripts and Debian's wrappers use
  adduser passwd base-passwd debconf libdebconfclient0 dpkg tar init-system-helpers
  perl-base ucf ssl-cert openssl postgresql-common postgresql-client-common
  "postgresql-client-$VERSION" libpam-modules libpam-modules-bin
  locales locales-all tzdata # the tests' databases sort by code point and keep time in UTC
  libllvm14                  # compiling queries: loaded only if `jit` is on
)
WITHOUT=("./usr/lib/postgresql/$VERSION/lib/bitcode")

version() { "$1/bin/postgres" -V; }

complete() {
  local home=usr/lib/postgresql/$VERSION program
  # A server finds its files by where its program lies, and initdb runs the server beside it.
  mkdir -- "$NEW/$home/programs"
  for program in postgres initdb; do
    mv -- "$NEW/$home/bin/$program" "$NEW/$home/programs/"
    launcher "$home/bin/$program" "$home/programs/$program"
  done
  ln -s -- "$home/bin" "$NEW/bin"
}

provide "$@"
