#!/bin/bash
# Puts Prometheus and promtool into a folder for the tests, from Debian packages only; how, and what
# it takes, says agi_bridge/lab/asterisk/private-apt.sh.
#
#   provision-prometheus.sh TARGET_DIR
#
#   TARGET_DIR/bin/prometheus, TARGET_DIR/bin/promtool
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../../agi_bridge/lab/asterisk/private-apt.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/../../agi_bridge/lab/asterisk/private-apt.sh"

NAME=prometheus
SUITE=bookworm # the oldest Prometheus that a supported Debian has
WANT=(prometheus)
SKIP=( # its web pages, and what only maintainer scripts use
  adduser passwd base-passwd debconf libdebconfclient0 dpkg tar init-system-helpers perl-base
  fonts-glyphicons-halflings libjs-bootstrap libjs-bootstrap4 libjs-d3 libjs-eonasdan-bootstrap-datetimepicker
  libjs-jquery libjs-jquery-hotkeys libjs-moment libjs-moment-timezone libjs-mustache
  libjs-popper.js libjs-rickshaw node-jquery tzdata prometheus-node-exporter
)
WITHOUT=()

version() { "$1/bin/promtool" --version 2>&1 | head -n 1; }

complete() {
  launcher bin/prometheus usr/bin/prometheus
  launcher bin/promtool usr/bin/promtool
}

provide "$@"
