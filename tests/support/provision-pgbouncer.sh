#!/bin/bash
# Puts PgBouncer into a folder for the tests, from Debian packages only; how, and what it takes, says
# agi_bridge/lab/asterisk/private-apt.sh.
#
#   provision-pgbouncer.sh TARGET_DIR
#
#   TARGET_DIR/bin/pgbouncer
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../../agi_bridge/lab/asterisk/private-apt.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/../../agi_bridge/lab/asterisk/private-apt.sh"

NAME=pgbouncer
SUITE=bookworm # the oldest PgBouncer that a supported Debian has
WANT=(pgbouncer)
SKIP=( # tools that only maintainer scripts and Debian's wrappers use
  adduser passwd base-passwd debconf libdebconfclient0 dpkg tar init-system-helpers perl-base ucf
  ssl-cert openssl postgresql-common postgresql-client-common lsb-base sysvinit-utils python3
  python3-psycopg2
)
WITHOUT=()

version() { "$1/bin/pgbouncer" --version | head -n 1; }

complete() { launcher bin/pgbouncer usr/sbin/pgbouncer; }

provide "$@"
