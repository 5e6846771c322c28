#!/bin/bash
# Puts Chromium into a folder for the tests of the console, from Debian packages only; how, and what
# it takes, says agi_bridge/lab/asterisk/private-apt.sh.
#
#   provision-chromium.sh TARGET_DIR
#
#   TARGET_DIR/bin/chromium
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../../agi_bridge/lab/asterisk/private-apt.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/../../agi_bridge/lab/asterisk/private-apt.sh"

NAME=chromium
SUITE=bookworm
WANT=(chromium fonts-dejavu-core)
SKIP=( # the C library, and what only maintainer scripts, a desktop or a printer use
  libc6 adduser passwd base-passwd debconf libdebconfclient0 dpkg tar init-system-helpers perl-base
  xdg-utils desktop-file-utils dbus dbus-user-session hicolor-icon-theme adwaita-icon-theme
  libgl1-mesa-dri libllvm15 tzdata ucf sensible-utils xkb-data chromium-sandbox
)
WITHOUT=('./usr/lib/chromium/locales/[a-df-z]*')

version() { "$1/bin/chromium" --version | head -n 1; }

complete() {
  # It starts itself again for each page, so it cannot run through this tree's own loader: it takes
  # the machine's C library, which is the same or newer.
  mkdir -p -- "$NEW/bin"
  cat >"$NEW/bin/chromium" <<'START'
#!/bin/sh
tree=$(readlink -f -- "$(dirname -- "$(readlink -f -- "$0")")/..")
for folder in "$tree"/usr/lib/*-linux-gnu "$tree"/lib/*-linux-gnu; do
  [ -d "$folder" ] && libraries=$folder:$folder/pulseaudio${libraries:+:$libraries}
done
export LD_LIBRARY_PATH="$libraries" FONTCONFIG_FILE="$tree/fonts.conf"
exec "$tree/usr/lib/chromium/chromium" "$@"
START
  chmod +x "$NEW/bin/chromium"
  printf '<fontconfig><dir prefix="relative">usr/share/fonts</dir><cachedir prefix="xdg">fontconfig</cachedir></fontconfig>\n' >"$NEW/fonts.conf"
}

provide "$@"
