#!/bin/bash
# Puts Asterisk 16 into a folder for the tests, from Debian packages only: the oldest that is still
# met in the field; how, and what it takes, says agi_bridge/lab/asterisk/private-apt.sh.
#
#   provision-asterisk-16.sh TARGET_DIR
#
#   TARGET_DIR/bin/asterisk    Asterisk
#   TARGET_DIR/modules         its modules (astmoddir)
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../../agi_bridge/lab/asterisk/private-apt.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/../../agi_bridge/lab/asterisk/private-apt.sh"

NAME=asterisk
SUITE=bullseye
WANT=(
  asterisk asterisk-modules
  asterisk-core-sounds-en-wav asterisk-core-sounds-es-wav asterisk-core-sounds-fr-wav
)
SKIP=(
  # tools that only maintainer scripts use
  adduser passwd base-passwd debconf libdebconfclient0 dpkg tar init-system-helpers lsb-base
  perl-base libpam0g libpam-modules libpam-modules-bin tzdata
)
WITHOUT=(./usr/share/asterisk/rest-api)

version() { "$1/bin/asterisk" -V; }

complete() {
  local voice name modules
  for voice in "$NEW"/usr/share/asterisk/sounds/??_??_*; do
    name=${voice##*/}
    ln -sfn -- "$name" "${voice%/*}/${name:0:2}"
    ln -sfn -- "$name" "${voice%/*}/${name:0:5}"
  done
  modules=$(find "$NEW/usr/lib" -name res_agi.so -printf '%h\n' -quit)
  [[ -n $modules ]] || fail 1 "the packages hold no res_agi.so"
  ln -s -- "${modules#"$NEW"/}" "$NEW/modules"
  launcher bin/asterisk usr/sbin/asterisk
  # This glibc is in /lib, and its loader does not know --argv0 yet.
  # shellcheck disable=SC2016  # the launcher's names, not this script's
  sed -i -e 's| --argv0 "$self"||' -e 's|"$tree"/lib\*/ld|"$tree"/lib/*-linux-gnu*/ld|' "$NEW/bin/asterisk"
}

provide "$@"
