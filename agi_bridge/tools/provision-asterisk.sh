#!/bin/bash
# Puts a real Asterisk 22 (with its English, Spanish and French recordings, and espeak-ng) into
# a folder, from Debian packages only.
#
#   provision-asterisk.sh TARGET_DIR
#
# Nothing is installed: a private apt root, with its own lists and an almost empty dpkg status,
# resolves and downloads the packages of another Debian suite from the mirror that this machine
# already uses, with apt's usual signature checks. They are unpacked into TARGET_DIR and run
# through TARGET_DIR's own dynamic loader and C library. So there is no chroot, no maintainer
# script and no daemon; root is not needed; the machine's own packages stay as they are; and the
# finished tree can be moved. A finished tree is left alone when the recipe has not changed, and
# an interrupted run leaves no half-made one.
#
#   TARGET_DIR/bin/asterisk    Asterisk
#   TARGET_DIR/bin/espeak-ng   the speech engine of last resort
#   TARGET_DIR/modules         Asterisk's modules (astmoddir)
#
# Needs: what every Debian has (apt, dpkg-deb, tar, gzip, sed, coreutils); not even a former
# `apt-get update`.
#
# Environment (all optional):
#   AGI_BRIDGE_CACHE    a folder kept between runs: the tree is saved there as one .tar.gz, and
#                       later runs only unpack that
#   AGI_BRIDGE_MIRROR   address of a Debian mirror, instead of the one in this machine's apt sources
#
# Exit status: 0 the tree is there; 3 Debian's packages cannot be had (no mirror, no network);
# 1 anything else. A failure is one line on stderr.
set -euo pipefail

SUITE=forky # the Debian release that packages Asterisk 22
ME=provision-asterisk
WANT=(
  asterisk asterisk-modules
  asterisk-core-sounds-en-wav asterisk-core-sounds-es-wav asterisk-core-sounds-fr-wav
  espeak-ng
)
# Dependencies we do without. Each is entered in the private dpkg status as installed, so apt does
# not fetch it; a module that would need it cannot be loaded, and asterisk-conf loads none of them.
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
  libiksemel3 liblua5.1-0 libunbound8 libjwt2 libradcli4 libsrtp2-1
  libpq5 libsybdb5 libodbc2              # databases
)

say() { printf '%s: %s\n' "$ME" "$*"; }
fail() {
  printf '%s: %s\n' "$ME" "$2" >&2
  exit "$1"
}
[[ $# -eq 1 ]] || fail 1 "usage: $ME.sh TARGET_DIR"
for tool in apt-get dpkg dpkg-deb tar gzip sed; do
  command -v "$tool" >/dev/null || fail 3 "$tool is missing: this works on Debian only"
done

TARGET=$(realpath -m -- "$1")
ARCH=$(dpkg --print-architecture)
RECIPE=$({ echo "$ARCH"; cat -- "${BASH_SOURCE[0]}"; } | sha256sum)
RECIPE=${RECIPE:0:12}
TARBALL=${AGI_BRIDGE_CACHE:+$AGI_BRIDGE_CACHE/asterisk-$SUITE-$ARCH-$RECIPE.tar.gz}

if [[ -f $TARGET/.provisioned && $(<"$TARGET/.provisioned") == "$RECIPE" ]]; then
  say "already there: $("$TARGET/bin/asterisk" -V)"
  exit 0
fi

mkdir -p -- "$(dirname -- "$TARGET")"
WORK=$(mktemp -d)
NEW=$TARGET.new.$$ # beside the target, so that the last step is a rename
trap 'rm -rf -- "$WORK" "$NEW"' EXIT
trap 'exit 1' INT TERM HUP

into_place() {
  "$NEW/bin/asterisk" -V >/dev/null || fail 1 "the Asterisk that was unpacked does not start"
  rm -rf -- "$TARGET"
  mv -T -- "$NEW" "$TARGET"
  say "ready: $("$TARGET/bin/asterisk" -V)"
}

if [[ -n $TARBALL && -s $TARBALL ]]; then
  say "unpacking the copy in the cache"
  mkdir -p -- "$NEW"
  tar -xzf "$TARBALL" -C "$NEW" || fail 1 "the copy in the cache cannot be read: delete it"
  into_place
  exit 0
fi

# 1. The mirror: what apt has an index of, else what apt's files name.
release=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
mirror=${AGI_BRIDGE_MIRROR:-}
if [[ -z $mirror ]]; then
  # shellcheck disable=SC2016  # the names in the format are apt's, not the shell's
  mirror=$(apt-get indextargets --format '$(RELEASE) $(ORIGIN) $(REPO_URI)' \
    'Created-By: Packages' 2>/dev/null | sed -nE "/^$release Debian /{s/^[^ ]+ [^ ]+ //p;q}" || true)
fi
if [[ -z $mirror ]]; then
  shopt -s nullglob
  for file in /etc/apt/sources.list.d/*.sources /etc/apt/sources.list.d/*.list /etc/apt/sources.list; do
    [[ -r $file ]] || continue
    mirror=$(sed -nE -e 's/^URIs:[[:space:]]*([^ ]+).*/\1/p' \
      -e 's/^deb[[:space:]]+(\[[^]]*\][[:space:]]*)?([^ ]+).*/\2/p' "$file" |
      sed -nE '/\/debian\/?$/{p;q}')
    [[ -z $mirror ]] || break
  done
  shopt -u nullglob
fi
[[ -n $mirror ]] || fail 3 "this machine's apt sources name no Debian mirror (set AGI_BRIDGE_MIRROR)"
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
[[ -r $keyring ]] || fail 3 "$keyring is missing (package debian-archive-keyring)"

# 2. A private apt root that knows one suite.
mkdir -p "$WORK"/{lists/partial,archives/partial,etc/none}
echo "deb [signed-by=$keyring] $mirror $SUITE main" >"$WORK/etc/sources.list"
for package in "${SKIP[@]}"; do
  printf '%s\n' "Package: $package" "Status: install ok installed" "Priority: optional" \
    "Section: misc" "Maintainer: none <none@localhost>" "Architecture: $ARCH" \
    "Multi-Arch: foreign" "Version: 999:0" "Description: left out on purpose" ""
done >"$WORK/status"
cat >"$WORK/apt.conf" <<CONF
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Post-Invoke;
Dir::State "$WORK";
Dir::State::Lists "$WORK/lists";
Dir::State::status "$WORK/status";
Dir::Cache "$WORK";
Dir::Cache::Archives "$WORK/archives";
Dir::Log "$WORK";
Dir::Etc::SourceList "$WORK/etc/sources.list";
Dir::Etc::SourceParts "$WORK/etc/none";
Dir::Etc::Preferences "$WORK/etc/no-preferences";
Dir::Etc::PreferencesParts "$WORK/etc/none";
APT::Install-Recommends "false";
APT::Install-Suggests "false";
APT::Update::Error-Mode "any";
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::Retries "2";
Acquire::http::Timeout "20";
Acquire::https::Timeout "20";
CONF
export DEBIAN_FRONTEND=noninteractive LC_ALL=C
apt() { apt-get -c "$WORK/apt.conf" -y "$@" 2>"$WORK/errors"; }
why() { sed -n 's/^E: //p' "$WORK/errors" | head -n 1; }

say "reading the package index of Debian $SUITE (10 MB)"
apt -qq update >/dev/null || fail 3 "the index of Debian $SUITE cannot be read: $(why)"

apt -qq --print-uris install "${WANT[@]}" >"$WORK/uris" || fail 1 "apt finds no solution: $(why)"
count=0 bytes=0
while read -r _ _ size _; do
  count=$((count + 1)) bytes=$((bytes + size))
done < <(grep "^'" "$WORK/uris")
say "downloading $count packages, $((bytes / 1000000)) MB"
apt -q --download-only install "${WANT[@]}" | {
  seen=0
  while read -r line; do
    [[ $line == Get:* ]] || continue
    seen=$((seen + 1))
    if ((seen % 25 == 0)); then say "downloading package $seen of $count"; fi
  done
} || fail 3 "Debian's packages cannot be downloaded: $(why)"

# 3. Unpack, without documentation, translations and service files.
say "unpacking"
mkdir -p -- "$NEW"
for deb in "$WORK"/archives/*.deb; do
  dpkg-deb --fsys-tarfile "$deb" |
    tar -x -C "$NEW" --no-same-owner --no-same-permissions --keep-directory-symlink \
      --exclude='./usr/share/'{doc,man,info,locale,lintian,bug,perl,perl5,i18n,icons,gcc,zoneinfo} \
      --exclude='./usr/share/asterisk/rest-api' \
      --exclude='./usr/lib/systemd' --exclude='./lib/systemd' \
      --exclude='./etc' --exclude='./var'
done
# The recordings lie in folders named by voice (en_US_f_Allison); Asterisk looks for languages.
for voice in "$NEW"/usr/share/asterisk/sounds/??_??_*; do
  name=${voice##*/}
  ln -sfn -- "$name" "${voice%/*}/${name:0:2}"
  ln -sfn -- "$name" "${voice%/*}/${name:0:5}"
done
modules=$(find "$NEW/usr/lib" -name res_agi.so -printf '%h\n' -quit)
[[ -n $modules ]] || fail 1 "the packages hold no res_agi.so"
ln -s -- "${modules#"$NEW"/}" "$NEW/modules"

# 4. Launchers: this tree's loader and libraries, wherever the tree lies.
mkdir -p "$NEW/bin"
launcher() { # NAME PROGRAM
  sed -e "s|@PROGRAM@|$2|" >"$NEW/bin/$1" <<'LAUNCHER'
#!/bin/sh
# Runs this tree's program with this tree's C library; the tree may be moved.
tree=$(dirname -- "$(dirname -- "$(readlink -f -- "$0")")")
for loader in "$tree"/usr/lib/*-linux-gnu*/ld-linux*.so.* "$tree"/lib*/ld-linux*.so.*; do
  [ -e "$loader" ] && break
done
libraries=$(dirname -- "$loader")
export ESPEAK_DATA_PATH="$libraries"
exec "$loader" --library-path "$libraries:$libraries/pulseaudio:$tree/usr/lib" "$tree/@PROGRAM@" "$@"
LAUNCHER
  chmod +x "$NEW/bin/$1"
}
launcher asterisk usr/sbin/asterisk
launcher espeak-ng usr/bin/espeak-ng

echo "$RECIPE" >"$NEW/.provisioned"
if [[ -n $TARBALL ]]; then
  say "saving a copy in the cache"
  mkdir -p -- "$AGI_BRIDGE_CACHE"
  tar -czf "$TARBALL.$$" -C "$NEW" . && mv -- "$TARBALL.$$" "$TARBALL"
fi
into_place
