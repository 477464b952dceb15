#!/bin/bash
# Looks for rare failures as long as it is told: rounds of fresh simulator seeds and of chaos with
# real processes, in turn.
#
# usage: scripts/soak.sh [--minutes N] [--first SEED] [--port P]
#
#   --minutes N    how long (30); a round that has begun is finished
#   --first SEED   where its seeds begin (at random, so that no two soaks look at the same ones)
#   --port P       first of the four ports that chaos takes (7511)
#
# Stops at the first failure, and prints what replays it. Needs the release build; FANFOLD_BUILD
# names another folder than build/release.
set -u -o pipefail
here=$(cd "$(dirname "$0")" && pwd)
minutes=30 first=$((RANDOM * 32768 + RANDOM)) port=7511

die() {
    echo "soak.sh: $*" >&2
    exit 2
}
while (($# > 0)); do
    case $1 in
        --minutes | --first | --port)
            [[ ${2:-} =~ ^[0-9]{1,9}$ ]] || die "$1 takes a number, not '${2:-}'"
            case $1 in
                --minutes) minutes=$((10#$2)) ;;
                --first) first=$((10#$2)) ;;
                --port) port=$((10#$2)) ;;
            esac
            shift
            ;;
        -h | --help) sed -n '2,12s/^# \{0,1\}//p' "$0" && exit 0 ;;
        *) die "unknown argument '$1'; see $0 --help" ;;
    esac
    shift
done
build=${FANFOLD_BUILD:-$here/../build/release}
simulator=$build/tests/simulation-simulation
[[ -x $simulator ]] ||
    die "there is no $simulator; build it: cmake --preset release && cmake --build --preset release"
export FANFOLD_BIN=${FANFOLD_BIN:-$build/bin}

seeds=500         # of one round: some seconds
chaos_seconds=60  # of one round
simulated=0 kills=0 rounds=0
out=$(mktemp)
trap 'rm -f "$out"' EXIT
child=
trap '[[ -z $child ]] || kill -TERM "$child" 2>/dev/null; wait; exit 130' INT TERM

quietly() {
    "$@" >"$out" 2>&1 &
    child=$!
    wait "$child"
}

tell() {
    local minutes=$((SECONDS / 60))
    echo "soak: $rounds rounds in $minutes min: $simulated simulator seeds, $kills kills in chaos; $*"
}
failed() {  # WHAT, and how in `replay`
    cat "$out"
    tell "$1 failed. Once more:"
    echo "    ${replay[*]}"
    exit 1
}

seed=$first
end=$((SECONDS + minutes * 60))
while :; do
    rounds=$((rounds + 1))
    # As long as a round of chaos, so that neither starves the other.
    round_end=$((SECONDS + chaos_seconds))
    while ((SECONDS < round_end && SECONDS < end)); do
        replay=("$simulator" --seeds "$seed-$((seed + seeds - 1))")
        quietly "${replay[@]}" || failed "the simulator"
        seed=$((seed + seeds))
        simulated=$((simulated + seeds))
    done
    replay=("$here/chaos.py" --seconds "$chaos_seconds" --seed "$seed" --port "$port")
    quietly "${replay[@]}" || failed "chaos"
    kills=$((kills + $(sed -nE 's/^kills: ([0-9]+):.*/\1/p' "$out")))
    ((SECONDS < end)) || break
    tell "all is well so far"
done
tell "nothing lost, doubled or hung"
