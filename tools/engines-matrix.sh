#!/usr/bin/env bash
# The tests that depend on engines, on other engines and systems than this machine's own.
#
#   tools/engines-matrix.sh LEG ...        trixie   Debian 13 and its LibTorch, in a root folder made for it (as root)
#                                          forky    Debian testing, its LibTorch and its Node (as root)
#                                          wheel    the official PyTorch wheel, in a virtual environment
#                                          tfjs-node   @tensorflow/tfjs-node on the TensorFlow wheel, in a virtual environment
#
# Works on a copy of what git tracks here, so that this checkout keeps its engine. ENGINES_MATRIX_DIR names a folder to work
# in and to keep; its roots and virtual environments serve the next run. A leg fails when its engine was not tested.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
kept=${ENGINES_MATRIX_DIR:-}
work=${kept:-$(mktemp -d)}
mkdir -p "$work"
work=$(cd "$work" && pwd)
copy=$work/checkout
export NX_DAEMON=false NX_TUI=false CI=true

unmount_all() {
  local at
  for at in "$work"/root-*/proc; do ! mountpoint -q "$at" || umount "$at" || true; done
}
clean() {
  unmount_all
  [ -n "$kept" ] || rm -rf --one-file-system "$work"
}
trap clean EXIT
# A root or a virtual environment takes up to 6 GB: without a folder to keep, one stands at a time.
clean_leg() {
  unmount_all
  [ -n "$kept" ] || rm -rf --one-file-system "$work"/root-* "$work"/venv-*
}

say() { printf '\n== %s: %s\n' "$(date -u +%H:%M:%S)" "$*"; }

# The tracked files as they lie here, with their dependencies, compiled.
make_copy() {
  rm -rf "$copy"
  mkdir -p "$copy"
  (cd "$here" && git ls-files -z | while IFS= read -r -d '' file; do [ -e "$file" ] && printf '%s\0' "$file"; done |
    tar --null --no-recursion -T - -cf -) | tar -xf - -C "$copy"
  (cd "$copy" && npm ci --ignore-scripts --prefer-offline --no-audit --no-fund --silent && npx tsc -b)
}

# Projects whose tests run on engines; the first one is LibTorch's own.
projects=(tensor nn modalities encoder losses routers generalist training tasks)
project_flags() { printf -- '--project %s ' "$@"; }
torch_test="npx vitest run --reporter=dot $(project_flags backend-torch "${projects[@]}")"
tensorflow_test="npx vitest run --reporter=dot $(project_flags "${projects[@]}")"
build_torch="node apps/polygate/bin/polygate.js engines build torch --force"
doctor="node apps/polygate/bin/polygate.js doctor"

venv() { # NAME PACKAGE ...
  local at=$work/venv-$1
  shift
  [ -x "$at/bin/python" ] || python3 -m venv "$at"
  "$at/bin/pip" install --quiet --disable-pip-version-check "$@"
}

leg_wheel() {
  venv wheel torch numpy
  (
    cd "$copy"
    $build_torch --python "$work/venv-wheel/bin/python"
    $doctor
    POLYGATE_REQUIRE_ENGINES=torch POLYGATE_TEST_ENGINES=torch $torch_test
    # A process of that PyTorch as a rank of a group of ours.
    POLYGATE_TORCH_PYTHON="$work/venv-wheel/bin/python" npx vitest run --project workspace test/c10d-peers.test.ts
  )
}

leg_tfjs-node() {
  venv tensorflow tensorflow-cpu
  (
    cd "$copy"
    # Not saved: the lock file stays as it is, and so do the packages of all other legs.
    npm install --no-save --ignore-scripts --no-audit --no-fund --silent @tensorflow/tfjs-node@4.22.0
    node apps/polygate/bin/polygate.js engines build tfjs-node --python "$work/venv-tensorflow/bin/python"
    export POLYGATE_LIBTORCH=off
    $doctor
    POLYGATE_REQUIRE_ENGINES=tfjs-node POLYGATE_TEST_ENGINES=tfjs-node $tensorflow_test
  )
}

# Another release of Debian, with the copy of the checkout and this machine's way to the packages inside.
make_root() { # SUITE
  local suite=$1 root=$work/root-$1 mirror script at
  [ "$(id -u)" = 0 ] || { echo "leg $suite: expected root, which debootstrap and chroot need" >&2; exit 1; }
  command -v debootstrap >/dev/null || DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends debootstrap >/dev/null
  mirror=$({ cat /etc/apt/sources.list.d/*.sources /etc/apt/sources.list 2>/dev/null || true; } |
    awk '/^URIs:/ && !at {at = $2} /^deb / && !at {for (i = 2; i <= NF; i++) if ($i ~ /^http/) {at = $i; break}} END {print at}')
  [ -n "$mirror" ] || { echo "leg $suite: expected a mirror in /etc/apt/sources.list or sources.list.d, got none" >&2; exit 1; }
  # A release younger than this machine's debootstrap is made like any other.
  script=/usr/share/debootstrap/scripts/$suite
  [ -e "$script" ] || ln -s sid "$script"
  [ -x "$root/usr/bin/apt-get" ] || debootstrap --variant=minbase --include=ca-certificates "$suite" "$root" "$mirror" >"$work/debootstrap-$suite.log" ||
    { tail -n 5 "$work/debootstrap-$suite.log" >&2; exit 1; }
  cp /etc/resolv.conf /etc/hosts "$root/etc/"
  cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
  # Dates of a mirror may lag behind.
  echo 'Acquire::Check-Valid-Until "false"; Acquire::Check-Date "false";' >"$root/etc/apt/apt.conf.d/99dates"
  at=$root/proc
  mountpoint -q "$at" || mount -t proc proc "$at" 2>/dev/null || mount --bind /proc "$at" || say "$suite has no /proc"
  chroot "$root" sh -c 'apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    nodejs python3 g++ libtorch-dev libopenblas0-pthread' >/dev/null
  rm -rf "$root/srv/checkout"
  cp -a "$copy" "$root/srv/checkout"
}

leg_debian() { # SUITE
  make_root "$1"
  # npm's own programs run on the root's Node, without its npm.
  chroot "$work/root-$1" /usr/bin/env -i PATH=/usr/bin:/bin HOME=/root CI=true NX_DAEMON=false \
    POLYGATE_REQUIRE_ENGINES=torch POLYGATE_TEST_ENGINES=torch sh -ec "
      cd /srv/checkout
      cat /etc/debian_version; node --version; g++ --version | head -n 1
      $build_torch
      $doctor
      ${torch_test/npx vitest/node node_modules/vitest/vitest.mjs}"
}
leg_trixie() { leg_debian trixie; }
leg_forky() { leg_debian forky; }

[ $# -gt 0 ] || { sed -n '2,/^set/{/^#/p}' "$0"; exit 2; }
for leg; do
  declare -F "leg_$leg" >/dev/null || { echo "unknown leg $leg: known: trixie, forky, wheel, tfjs-node" >&2; exit 2; }
done
say "a copy of the checkout"
make_copy
failed=()
for leg; do
  say "$leg"
  # A shell of its own: set -e does not hold inside a condition.
  set +e
  (set -e; "leg_$leg")
  code=$?
  set -e
  clean_leg
  [ $code = 0 ] || failed+=("$leg")
  say "$leg ended with $code"
done
if [ ${#failed[@]} -gt 0 ]; then
  echo "engines-matrix: failed: ${failed[*]}" >&2
  exit 1
fi
echo "engines-matrix: passed: $*"
