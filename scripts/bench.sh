#!/bin/bash
# Measures Fanfold beside what it is compared with: bare ZeroMQ pipelines, SQLite, posix_spawn, a pool of threads. Prints a table.
#
# usage: scripts/bench.sh [--quick] [--rounds N] [--csv FILE] [--port P] [NAME...]
#
#   NAME         small, durable, large, job, embedded, work, commands, lines: these only; without a name, all
#   --quick      a few fragments and one round: shows that it all runs, and measures nothing
#   --rounds N   how often each is run, in turn with its references (5); the table has medians
#   --csv FILE   every single figure: round,run,figure,value
#   --port P     first of the ports that it takes, 7611 to 7744 by default
#
# Builds the release preset first; $FANFOLD_BUILD names another build folder. Fleets are on loopback, in a temporary folder below it.
# What each line of the table means is told in tests/bench/README.md.
set -u -o pipefail
source_folder=$(cd "$(dirname "$0")/.." && pwd)
names=() rounds=5 csv='' port=7611 quick=0

die() {
    echo "bench.sh: $*" >&2
    exit 1
}
number() { [[ ${2:-} =~ ^[0-9]{1,5}$ ]] || die "$1 takes a number, not '${2:-}'"; }
while (($# > 0)); do
    case $1 in
        --quick) quick=1 rounds=1 ;;
        --rounds) number "$@" && rounds=$((10#$2)) && shift ;;
        --port) number "$@" && port=$((10#$2)) && shift ;;
        --csv)
            [[ -n ${2:-} ]] || die "--csv takes a file"
            csv=$(realpath "$2") && shift || exit 1
            ;;
        -h | --help) sed -n '2,13s/^# \{0,1\}//p' "$0" && exit 0 ;;
        small | durable | large | job | embedded | work | commands | lines) names+=("$1") ;;
        *) die "unknown argument '$1'; see $0 --help" ;;
    esac
    shift
done
((rounds > 0)) || die "--rounds takes a number above 0"
((${#names[@]} > 0)) || names=(small durable large job embedded work commands lines)

# --- the programs and the fleets ---------------------------------------------------------------------------------
cd "$source_folder" || exit 1
build=${FANFOLD_BUILD:-}
if [[ -z $build ]]; then
    build=$source_folder/build/release
    cmake --preset release >/dev/null || exit 1
fi
build=$(realpath "$build") && cmake --build "$build" --target programs benches >&2 || exit 1
export FANFOLD_BIN=$build/bin
bench=$source_folder/tests/bench
folder=$(mktemp -d "$build/bench-XXXXXX") || exit 1
cd "$folder" || exit 1

fleet() { FANFOLD_RUN=$folder/$1 "$source_folder/scripts/fleet-local.sh" "${@:2}" >/dev/null; }
end() {
    fleet volatile down
    fleet durable down
    rm -rf "$folder"
}
trap end EXIT
trap 'exit 130' INT TERM
fleet volatile up --workers 2 --slots 1 --port "$port" --volatile || exit 1
fleet durable up --workers 2 --slots 1 --port $((port + 20)) || exit 1

# Runs a program and keeps the figures that it prints: sample NAME COMMAND...
sample() {
    local name=$1 figures line
    shift
    figures=$("$@") || die "$name failed: $*"
    while read -r line; do echo "$round,$name,$line" >>samples; done <<<"$figures"
}
over_volatile() { FANFOLD_BROKER=tcp://127.0.0.1:$port "$@"; }
over_durable() { FANFOLD_BROKER=tcp://127.0.0.1:$((port + 20)) "$@"; }
reference() { "$build/bench/reference_pipeline" "$1" "$2" $((port + 40)); }
count() { if ((quick)); then echo "$2"; else echo "$1"; fi; } # FULL QUICK

# --- what is run, one round of each --------------------------------------------------------------------------------
run_small() {
    sample small over_volatile "$build/bench/fleet_bench" small "$(count 10000000 200000)"
    sample bare-small reference small "$(count 3000000 100000)"
    sample bare-packed reference packed "$(count 10000000 200000)"
}
run_durable() {
    sample durable over_durable "$build/bench/fleet_bench" kept "$(count 10000000 200000)"
    sample small-beside over_volatile "$build/bench/fleet_bench" small "$(count 10000000 200000)"
    sample bare-store reference store "$(count 10000000 200000)"
}
run_large() {
    sample large over_volatile "$build/bench/fleet_bench" large "$(count 1000 40)"
    sample bare-large reference large "$(count 1000 40)"
}
run_job() {
    sample job over_volatile "$build/bench/fleet_bench" job "$(count 2000 100)"
    sample bare-job reference job "$(count 2000 100)"
}
run_embedded() {
    sample embedded "$build/bench/fleet_bench" embedded "$(count 10000000 200000)"
    sample python-pool python3 "$bench/reference_pool.py" "$(count 2000000 50000)"
    sample embedded-job "$build/bench/fleet_bench" embedded-job "$(count 2000 100)"
    sample bare-job-beside reference job "$(count 2000 100)"
}
run_work() {
    sample work "$build/bench/fleet_bench" embedded-work "$(count 200000 10000)"
    sample pool "$build/bench/fleet_bench" pool "$(count 200000 10000)"
}
timed() { python3 "$bench/timed.py" "$@"; }
map_true() { seq 1 "$1" | timed "$1" /dev/null "$build/bin/fanfold" map --broker '' -j 2 --no-shell /bin/true; }
xargs_true() { seq 1 "$1" | timed "$1" /dev/null xargs -P 2 -n 1 /bin/true; }
parallel_true() { seq 1 "$1" | timed "$1" /dev/null parallel --will-cite -j 2 /bin/true; }
run_commands() {
    sample commands map_true "$(count 6000 200)"
    sample posix-spawn "$build/bench/reference_commands" "$(count 6000 200)"
    sample xargs xargs_true "$(count 3000 200)"
    if command -v parallel >/dev/null; then sample parallel parallel_true "$(count 500 20)"; fi
}
lines() { # COUNT; what comes back is compared
    seq 1 "$1" | timed "$1" lines.out "$build/bin/fanfold" map -k --function fanfold.echo && cmp lines.out <(seq 1 "$1")
}
run_lines() {
    sample lines over_volatile lines "$(count 5000000 100000)"
    sample lines-quarter over_volatile lines "$(count 1250000 25000)"
    sample lines-durable over_durable lines "$(count 5000000 100000)"
}

for ((round = 1; round <= rounds; round++)); do
    for name in "${names[@]}"; do
        echo "round $round of $rounds: $name" >&2
        "run_$name"
    done
done
if [[ -n $csv ]]; then
    { echo round,run,figure,value && cat samples; } >"$csv" || die "cannot write $csv"
fi
python3 "$bench/table.py" samples
