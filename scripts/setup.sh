#!/bin/bash
# Installs the Debian packages that Fanfold is built from. Does nothing, and needs no network, when
# they are all there.
# usage: scripts/setup.sh [--checks] [--bench] [--peers]
#
#   --checks   also what scripts/test.sh needs beyond a build
#   --bench    also what scripts/bench.sh can use: Google Benchmark for the cores, Matplotlib for
#   the pictures
#   --peers    also the other systems that scripts/bench.sh --peers runs. Debian may start some of
#   them as services of the host.
set -eu -o pipefail

packages=(
    g++ cmake ninja-build pkg-config ccache
    libzmq3-dev cppzmq-dev libmsgpack-cxx-dev libspdlog-dev libfmt-dev libexpected-dev \
        nlohmann-json3-dev libcli11-dev doctest-dev libsqlite3-dev libxxhash-dev libzstd-dev
)
checks=(clang clang-format clang-tidy shellcheck universal-ctags procps mount python3 python3-zmq \
    python3-msgpack parallel)
bench=(libbenchmark-dev python3 python3-matplotlib)
peers=(
    gearman-job-server libgearman-dev nats-server libnats-dev redis-server libhiredis-dev
    celery python3-redis python3-distributed parallel python3
)

for argument in "$@"; do
    case $argument in
        --checks) packages+=("${checks[@]}") ;;
        --bench) packages+=("${bench[@]}") ;;
        --peers) packages+=("${peers[@]}") ;;
        *)
            echo "setup.sh: unknown argument '$argument' (only --checks, --bench, --peers)" >&2
            exit 2
            ;;
    esac
done

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
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install --yes \
        --no-install-recommends "${missing[@]}"
}
echo "installing: ${missing[*]}"
# The lists of packages may be missing or out of date: once more with fresh ones.
install_packages || {
    "${as_root[@]}" apt-get update
    install_packages
}
