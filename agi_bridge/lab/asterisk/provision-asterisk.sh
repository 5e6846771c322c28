#!/bin/bash
# Puts a real Asterisk 22 (with its English, Spanish and French recordings, and espeak-ng) into
# a folder, from Debian packages only; how, and what it takes, says private-apt.sh.
#
#   provision-asterisk.sh TARGET_DIR
#
#   TARGET_DIR/bin/asterisk    Asterisk
#   TARGET_DIR/bin/espeak-ng   the speech engine of last resort
#   TARGET_DIR/modules         Asterisk's modules (astmoddir)
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=private-apt.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/private-apt.sh"

NAME=asterisk
SUITE=forky # the Debian release that packages Asterisk 22
WANT=(
  asterisk asterisk-modules
  asterisk-core-sounds-en-wav asterisk-core-sounds-es-wav asterisk-core-sounds-fr-wav
  espeak-ng
)
# A module that would need one of these cannot be loaded, and asterisk-conf loads none of them.
SKIP=(
  # tools that only maintainer scripts use
  adduser passwd base-passwd debconf libdebconfclient0 dpkg tar init-system-helpers lsb-base
  perl-base libpam0g libpam-modules libpam-modules-bin login.defs libsemanage2 libsemanage-common
  tzdata
  libsnmp45                              # res_snmp
  libgmime-3.0-0t64                      # res_http_post
  libportaudio2 libjack-jackd2-0         # consoles
  libical3t64 libneon27t64               # calendars
  libcodec2-1.2 libopencore-amrnb0 libopencore-amrwb0 libvo-amrwbenc0 libopusenc0 libopusfile0
  libvorbisfile3                         # codecs and formats
  libspandsp2t64                         # fax
  libiksemel3 liblua5.1-0 libunbound8 libjwt2 libradcli4
  libpq5 libsybdb5 libodbc2              # databases
)
WITHOUT=(./usr/share/asterisk/rest-api)

version() { "$1/bin/asterisk" -V; }

complete() {
  local voice name modules
  # The recordings are in folders named by voice (en_US_f_Allison); Asterisk looks for languages.
  for voice in "$NEW"/usr/share/asterisk/sounds/??_??_*; do
    name=${voice##*/}
    ln -sfn -- "$name" "${voice%/*}/${name:0:2}"
    ln -sfn -- "$name" "${voice%/*}/${name:0:5}"
  done
  modules=$(find "$NEW/usr/lib" -name res_agi.so -printf '%h\n' -quit)
  [[ -n $modules ]] || fail 1 "the packages hold no res_agi.so"
  ln -s -- "${modules#"$NEW"/}" "$NEW/modules"
  launcher bin/asterisk usr/sbin/asterisk
  launcher bin/espeak-ng usr/bin/espeak-ng
}

provide "$@"
