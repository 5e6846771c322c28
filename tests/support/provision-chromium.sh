#!/bin/bash
# Puts Chromium into a folder for the tests of the console, from Debian packages only; how, and what
# it takes, says agi_bridge/lab/asterisk/private-apt.sh. axe-core, which finds what keeps people out
# of a page, comes from npm's registry: one version, compared with its SHA-512.
#
#   provision-chromium.sh TARGET_DIR
#
#   TARGET_DIR/bin/chromium, TARGET_DIR/axe.min.js
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

AXE=axe-core
AXE_VERSION=4.10.3
AXE_SHA512=5e6edba515e70d25f6604d9815f064d859c5d1ea7ab661bbc4f87c88779ef0c21cae0abbeb636471ef39e9d62d2582e4b88a1866f19f4ecfcf6d986275e4dc12

version() { "$1/bin/chromium" --version 2>/dev/null | head -n 1; }

complete() {
  # It starts itself again for each page, so it cannot run through this tree's own loader: it takes
  # the machine's C library, which is the same or newer.
  mkdir -p -- "$NEW/bin"
  cat >"$NEW/bin/chromium" <<'START'
#!/bin/sh
tree=$(readlink -f -- "$(dirname -- "$(readlink -f -- "$0")")/..")
for folder in "$tree"/usr/lib/*-linux-gnu "$tree"/lib/*-linux-gnu; do
  [ -d "$folder" ] && libraries=$folder${libraries:+:$libraries}
done
export LD_LIBRARY_PATH="$libraries" FONTCONFIG_FILE="$tree/fonts.conf"
exec "$tree/usr/lib/chromium/chromium" "$@"
START
  chmod +x "$NEW/bin/chromium"
  printf '<fontconfig><dir prefix="relative">usr/share/fonts</dir><cachedir prefix="xdg">fontconfig</cachedir></fontconfig>\n' >"$NEW/fonts.conf"
  say "fetching $AXE $AXE_VERSION"
  local archive=$WORK/$AXE-$AXE_VERSION.tgz
  command -v npm >/dev/null || fail 3 "$AXE is fetched by npm: install Debian's package npm"
  (cd "$WORK" && npm pack --silent "$AXE@$AXE_VERSION" >/dev/null) || fail 3 "npm does not have $AXE"
  echo "$AXE_SHA512  $archive" | sha512sum --check --status || fail 1 "$AXE is not the file that was pinned"
  tar -xzf "$archive" -C "$NEW" --strip-components 1 package/axe.min.js
}

provide "$@"
