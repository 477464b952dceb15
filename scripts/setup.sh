#!/bin/bash
# Installs the Debian packages that Fanfold is built from. Does nothing, and needs no network, when they are all there.
# usage: scripts/setup.sh [--checks]      --checks: also what scripts/test.sh needs beyond a build
set -eu -o pipefail

packages=(
    g++ cmake ninja-build pkg-config ccache
    libzmq3-dev cppzmq-dev libmsgpack-cxx-dev libspdlog-dev libfmt-dev libexpected-dev nlohmann-json3-dev libcli11-dev doctest-dev libsqlite3-dev libxxhash-dev
)
checks=(clang clang-format clang-tidy shellcheck procps python3 python3-zmq python3-msgpack)

case ${1:-} in
    '') ;;
    --checks) packages+=("${checks[@]}") ;;
    *)
        echo "setup.sh: unknown argument '$1' (only --checks)" >&2
        exit 2
        ;;
esac

is_installed() {
    [[ $(dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null) == installed ]]
}
missing=()
for package in "${packages[@]}"; do
    is_installed "$package" || missing+=("$package")
done
((${#missing[@]} > 0)) || exit 0

as_root=()
if ((EUID != 0)); then
    if ! command -v sudo >/dev/null; then
        echo "setup.sh: these packages are missing: ${missing[*]}; install them as root, or install sudo" >&2
        exit 1
    fi
    as_root=(sudo)
fi
install_packages() {
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends "${missing[@]}"
}
echo "installing: ${missing[*]}"
# The lists of packages may be missing or out of date: once more with fresh ones.
install_packages || {
    "${as_root[@]}" apt-get update
    install_packages
}
