# shellcheck shell=bash
# Sourced by the scripts that put programs of Debian's into a folder, from Debian packages only.
#
# Nothing is installed: a private apt root, with its own lists and an almost empty dpkg status,
# resolves and downloads the packages of one Debian suite from the mirror that this machine
# already uses, with apt's usual signature checks. They are unpacked into the folder and run
# through the folder's own dynamic loader and C library. So there is no chroot, no maintainer
# script and no daemon; root is not needed; the machine's own packages stay as they are; and the
# finished tree can be moved. A finished tree is left alone when the recipe has not changed, and
# an interrupted run leaves no half-made one.
#
# Needs: what every Debian has (apt, dpkg-deb, tar, gzip, sed, coreutils); not even a former
# `apt-get update`.
#
# Environment (all optional):
#   AGI_BRIDGE_CACHE    a folder kept between runs: the tree is saved there as one .tar.gz, and
#                       later runs only unpack that
#   AGI_BRIDGE_MIRROR   address of a Debian mirror, instead of the one in this machine's apt sources
#
# Exit status: 0 the tree is there; 3 Debian's packages are not available (no mirror, no network);
# 1 anything else. A failure is one line on stderr.
#
# The script that sources this sets
#   NAME      what it provides, a name for files too     SUITE    the Debian release it comes from
#   WANT      packages                                   WITHOUT  paths in them that are left out
#   SKIP      dependencies to do without: entered in the private dpkg status as installed, so that
#             apt does not fetch them
# defines
#   version TREE    prints the version of the program in a tree; fails if it does not start
#   complete        makes what the packages left in $NEW fit to run, mostly with `launcher`
# and ends with `provide TARGET_DIR`.
set -euo pipefail

say() { printf 'provision-%s: %s\n' "$NAME" "$*"; }
fail() {
  printf 'provision-%s: %s\n' "$NAME" "$2" >&2
  exit "$1"
}

provide() { # TARGET_DIR
  [[ $# -eq 1 ]] || fail 1 "usage: provision-$NAME.sh TARGET_DIR"
  for tool in apt-get dpkg dpkg-deb tar gzip sed; do
    command -v "$tool" >/dev/null || fail 3 "$tool is missing: this works on Debian only"
  done

  TARGET=$(realpath -m -- "$1")
  ARCH=$(dpkg --print-architecture)
  RECIPE=$({ echo "$ARCH"; cat -- "${BASH_SOURCE[@]}"; } | sha256sum)
  RECIPE=${RECIPE:0:12}
  local mirror tarball=${AGI_BRIDGE_CACHE:+$AGI_BRIDGE_CACHE/$NAME-$SUITE-$ARCH-$RECIPE.tar.gz}

  if [[ -f $TARGET/.provisioned && $(<"$TARGET/.provisioned") == "$RECIPE" ]]; then
    say "already there: $(version "$TARGET")"
    return
  fi

  mkdir -p -- "$(dirname -- "$TARGET")"
  WORK=$(mktemp -d)
  NEW=$TARGET.new.$$ # beside the target, so that the last step is a rename
  trap 'rm -rf -- "$WORK" "$NEW"' EXIT
  trap 'exit 1' INT TERM HUP
  mkdir -p -- "$NEW"

  if [[ -n $tarball && -s $tarball ]]; then
    say "unpacking the copy in the cache"
    tar -xzf "$tarball" -C "$NEW" || fail 1 "the copy in the cache cannot be read: delete it"
    into_place
    return
  fi

  mirror=$(find_mirror)
  private_root "$mirror"
  download
  say "unpacking"
  unpack
  complete
  echo "$RECIPE" >"$NEW/.provisioned"
  if [[ -n $tarball ]]; then
    say "saving a copy in the cache"
    mkdir -p -- "$AGI_BRIDGE_CACHE"
    tar -czf "$tarball.$$" -C "$NEW" . && mv -- "$tarball.$$" "$tarball"
  fi
  into_place
}

into_place() {
  version "$NEW" >/dev/null || fail 1 "what was unpacked does not start"
  rm -rf -- "$TARGET"
  mv -T -- "$NEW" "$TARGET"
  say "ready: $(version "$TARGET")"
}

find_mirror() { # prints what apt has an index of, else what apt's files name
  local release mirror=${AGI_BRIDGE_MIRROR:-} file
  release=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
  if [[ -z $mirror ]]; then
    # shellcheck disable=SC2016  # the names in the format are apt's, not the shell's
    mirror=$(apt-get indextargets --format '$(RELEASE) $(ORIGIN) $(REPO_URI)' \
      'Created-By: Packages' 2>/dev/null | sed -nE "/^$release Debian /{s/^[^ ]+ [^ ]+ //p;q}" || true)
  fi
  if [[ -z $mirror ]]; then
    for file in /etc/apt/sources.list.d/*.sources /etc/apt/sources.list.d/*.list /etc/apt/sources.list; do
      [[ -r $file ]] || continue
      mirror=$(sed -nE -e 's/^URIs:[[:space:]]*([^ ]+).*/\1/p' \
        -e 's/^deb[[:space:]]+(\[[^]]*\][[:space:]]*)?([^ ]+).*/\2/p' "$file" |
        sed -nE '/\/debian\/?$/{p;q}')
      [[ -z $mirror ]] || break
    done
  fi
  [[ -n $mirror ]] || fail 3 "this machine's apt sources name no Debian mirror (set AGI_BRIDGE_MIRROR)"
  echo "$mirror"
}

private_root() { # MIRROR: makes an apt root that knows one suite
  local keyring=/usr/share/keyrings/debian-archive-keyring.gpg package
  [[ -r $keyring ]] || fail 3 "$keyring is missing (package debian-archive-keyring)"
  mkdir -p "$WORK"/{lists/partial,archives/partial,etc/none}
  echo "deb [signed-by=$keyring] $1 $SUITE main" >"$WORK/etc/sources.list"
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
}

apt() { DEBIAN_FRONTEND=noninteractive LC_ALL=C apt-get -c "$WORK/apt.conf" -y "$@" 2>"$WORK/errors"; }
why() { sed -n 's/^E: //p' "$WORK/errors" | head -n 1; }

download() { # fetches WANT and what they need
  local count=0 bytes=0 seen=0 size line
  say "reading the package index of Debian $SUITE (10 MB)"
  apt -qq update >/dev/null || fail 3 "the index of Debian $SUITE cannot be read: $(why)"
  apt -qq --print-uris install "${WANT[@]}" >"$WORK/uris" || fail 1 "apt finds no solution: $(why)"
  while read -r _ _ size _; do
    count=$((count + 1)) bytes=$((bytes + size))
  done < <(grep "^'" "$WORK/uris")
  say "downloading $count packages, $((bytes / 1000000)) MB"
  apt -q --download-only install "${WANT[@]}" | {
    while read -r line; do
      [[ $line == Get:* ]] || continue
      seen=$((seen + 1))
      if ((seen % 25 == 0)); then say "downloading package $seen of $count"; fi
    done
  } || fail 3 "Debian's packages cannot be downloaded: $(why)"
}

unpack() { # into $NEW, without documentation, translations and service files
  local deb
  for deb in "$WORK"/archives/*.deb; do
    dpkg-deb --fsys-tarfile "$deb" |
      tar -x -C "$NEW" --no-same-owner --no-same-permissions --keep-directory-symlink \
        --exclude='./usr/share/'{doc,man,info,locale,lintian,bug,perl,perl5,i18n,icons,gcc,zoneinfo} \
        --exclude='./usr/lib/systemd' --exclude='./lib/systemd' \
        --exclude='./etc' --exclude='./var' "${WITHOUT[@]/#/--exclude=}"
  done
}

launcher() { # PLACE PROGRAM: a script that runs a program, both paths within $NEW
  local up
  up=$(dirname -- "$1" | sed 's|[^/]*[^/]|..|g')
  mkdir -p -- "$(dirname -- "$NEW/$1")"
  sed -e "s|@UP@|$up|" -e "s|@PROGRAM@|$2|" >"$NEW/$1" <<'LAUNCHER'
#!/bin/sh
# Runs this tree's program with this tree's C library; the tree may be moved.
self=$(readlink -f -- "$0")
tree=$(readlink -f -- "$(dirname -- "$self")/@UP@")
for loader in "$tree"/usr/lib/*-linux-gnu*/ld-linux*.so.* "$tree"/lib*/ld-linux*.so.*; do
  [ -e "$loader" ] && break
done
libraries=$tree/usr/lib
for folder in "$tree"/usr/lib/*-linux-gnu* "$tree"/lib/*-linux-gnu*; do
  [ -d "$folder" ] && libraries=$folder:$folder/pulseaudio:$libraries
done
export ESPEAK_DATA_PATH="$(dirname -- "$loader")"
exec "$loader" --library-path "$libraries" --argv0 "$self" "$tree/@PROGRAM@" "$@"
LAUNCHER
  chmod +x "$NEW/$1"
}
