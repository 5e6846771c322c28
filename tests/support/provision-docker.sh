#!/bin/bash
# Puts a Docker daemon and its client into a folder for the tests, from Debian packages only; how,
# and what it takes, says agi_bridge/lab/asterisk/private-apt.sh. Running it needs root.
#
#   provision-docker.sh TARGET_DIR
#
#   TARGET_DIR/usr/bin, TARGET_DIR/usr/sbin   docker, dockerd, containerd, runc, iptables
#
# Unlike other programs of the tests these start themselves again (/proc/self/exe), so they run with
# this machine's own C library, which has to be at least as new as Debian 12's.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../../agi_bridge/lab/asterisk/private-apt.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/../../agi_bridge/lab/asterisk/private-apt.sh"

NAME=docker
SUITE=bookworm
WANT=(docker.io containerd runc iptables)
SKIP=(
  libc6 libgcc-s1 gcc-12-base libcrypt1 # this machine's own
  adduser passwd base-passwd debconf libdebconfclient0 dpkg tar init-system-helpers lsb-base
  perl-base tini
)
WITHOUT=()

version() { LD_LIBRARY_PATH=$1/usr/lib/$(dpkg-architecture -qDEB_HOST_MULTIARCH 2>/dev/null || echo x86_64-linux-gnu) "$1/usr/sbin/dockerd" --version; }

complete() { ln -sf xtables-nft-multi "$NEW/usr/sbin/iptables"; }

provide "$@"
