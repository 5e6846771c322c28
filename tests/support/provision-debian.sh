#!/bin/bash
# Puts what a minimal Debian is made of into a folder, from Debian packages only: for a base image of
# the tests of docker/, where no registry of images is reached. How, and what it takes, says
# agi_bridge/lab/asterisk/private-apt.sh.
#
#   provision-debian.sh SUITE TARGET_DIR
#
#   TARGET_DIR/root        the essential packages, unpacked and not configured
#   TARGET_DIR/root/debs   the packages, for a dpkg in a container that configures them
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../../agi_bridge/lab/asterisk/private-apt.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/../../agi_bridge/lab/asterisk/private-apt.sh"

SUITE=${1:?usage: provision-debian.sh SUITE TARGET_DIR}
NAME=debian
WANT=('?essential' apt debian-archive-keyring passwd)
SKIP=()
WITHOUT=()

version() { cat -- "$1/root/etc/debian_version"; }

complete() { :; }

unpack() { # whole, as debootstrap does it
  local deb folder root=$NEW/root
  mkdir -p -- "$root"/{debs,usr/{bin,sbin,lib,lib64}}
  for folder in bin sbin lib lib64; do
    ln -s -- "usr/$folder" "$root/$folder"
  done
  for deb in "$WORK"/archives/*.deb; do
    dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$root" --keep-directory-symlink
    cp -- "$deb" "$root/debs/"
  done
  printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: main\nSigned-By: %s\n' \
    "$(sed -n 's/^deb \[[^]]*\] \([^ ]*\) .*/\1/p' "$WORK/etc/sources.list")" "$SUITE" \
    /usr/share/keyrings/debian-archive-keyring.gpg >"$root/etc/apt/sources.list.d/debian.sources"
  # What this machine says of a mirror that stands still, such as a snapshot.
  apt-config dump | grep -E '^Acquire::Check-(Valid-Until|Date) ' >"$root/etc/apt/apt.conf.d/99host" || true
  # A machine whose network has its own certificate authority: the containers trust it too.
  if [[ -s /etc/ssl/certs/ca-certificates.crt ]]; then
    mkdir -p -- "$root/usr/local/share/ca-certificates"
    cp -- /etc/ssl/certs/ca-certificates.crt "$root/usr/local/share/ca-certificates/host.crt"
  fi
}

provide "$2"
