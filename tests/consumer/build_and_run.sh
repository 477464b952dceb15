#!/bin/bash
# Installs what was built into a prefix of its own, builds the project in this folder against it,
# and runs its programs, together with the installed ones.
# usage: build_and_run.sh BUILD_FOLDER WORK_FOLDER COMPILER      (FANFOLD_TEST_PORT: the first of
# some free ports)
set -eu -o pipefail
build=$1
work=$2
compiler=$3
port=${FANFOLD_TEST_PORT:?}
source_folder=$(cd "$(dirname "$0")" && pwd)

rm -rf "$work"
mkdir -p "$work"
started=()
finish() {
    local status=$?
    for pid in "${started[@]}"; do kill "$pid" 2>/dev/null || true; done
    wait
    exit "$status"
}
trap finish EXIT

cmake --install "$build" --prefix "$work/prefix" >"$work/install.log"
cmake -S "$source_folder" -B "$work/build" -G Ninja -DCMAKE_BUILD_TYPE=Release \
    -DCMAKE_CXX_COMPILER="$compiler" \
    -DCMAKE_PREFIX_PATH="$work/prefix"
cmake --build "$work/build"
# The build folder's programs must not help out: what is installed stands alone.
unset FANFOLD_BIN FANFOLD_GUARDIAN
export PATH="$work/prefix/bin:$PATH"

"$work/build/embedding"

# Starts a program in the background and waits (10 s at most) until its output has a line that
# begins with `ready`.
start_and_wait() {
    local name=$1
    shift
    "$@" >"$work/$name.log" 2>&1 &
    started+=($!)
    for ((tries = 0; tries < 100; tries++)); do
        grep -q '^ready' "$work/$name.log" && return
        kill -0 "${started[-1]}" 2>/dev/null || break
        sleep 0.1
    done
    echo "$name is not ready:" >&2
    tail -n 20 "$work/$name.log" >&2
    exit 1
}
broker=tcp://127.0.0.1:$port
start_and_wait broker fanfold-broker --bind "$broker" --volatile
start_and_wait gatherer fanfold-gatherer --broker "$broker" --bind \
    "tcp://127.0.0.1:$((port + 10))" --volatile
"$work/build/own_worker" "$broker" >"$work/own_worker.log" 2>&1 &
started+=($!)

result=$("$work/build/client" "$broker" one two three)
if [[ $result != $'oneone\ntwotwo\nthreethree' ]]; then
    echo "the client printed '$result'" >&2
    tail -n 20 "$work"/*.log >&2
    exit 1
fi
echo "the installed package works: headers, libraries and programs"
