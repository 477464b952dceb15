#!/bin/bash
# Measures Fanfold beside what it is compared with: bare ZeroMQ pipelines, SQLite, posix_spawn, a
# pool of threads. Prints a table.
#
# usage: scripts/bench.sh [--quick] [--rounds N] [--csv FILE] [--pictures FOLDER] [--peers]
#                         [--against BUILD] [--port P] [NAME...]
#
#   NAME         these only: small, durable, large, job, embedded, work, commands, lines, secure,
#                makespan, idle, simulated, scale, cores; without a name, all
#   --quick      a few fragments and one round: shows that it all runs, and measures nothing
#   --rounds N   how often each is run, in turn with its references (5); the table has medians
#   --csv FILE   every single figure: round,run,figure,value
#   --pictures FOLDER   draws, as SVG, what the runs give: throughput, latency, makespan, cost
#   --peers      runs other systems too, installed before by scripts/setup.sh --peers
#   --against BUILD   compares with an older build, in turn and without references: NAME is one of
#                the first eight
#   --port P     first of the ports that it takes, 7611 to 7700 by default
#
# Builds the release preset first; $FANFOLD_BUILD names another build folder. Fleets are on
# loopback over TCP, in a temporary folder below it. What each line of the table means is told in
# tests/bench/README.md.
set -u -o pipefail
source_folder=$(cd "$(dirname "$0")/.." && pwd)
compared=(small durable large job embedded work commands lines)
all=("${compared[@]}" secure makespan idle simulated scale cores)
names=() rounds=5 csv='' pictures='' port=7611 quick=0 peers=0 against=''

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
        --pictures)
            [[ -n ${2:-} ]] || die "--pictures takes a folder"
            mkdir -p "$2" && pictures=$(realpath "$2") && shift || exit 1
            ;;
        --peers) peers=1 ;;
        --against)
            [[ -x ${2:-}/bench/fleet_bench ]] || die "--against takes a build folder with benches"
            against=$(realpath "$2") && shift || exit 1
            ;;
        -h | --help) sed -n '2,22s/^# \{0,1\}//p' "$0" && exit 0 ;;
        *)
            [[ " ${all[*]} " == *" $1 "* ]] || die "unknown argument '$1'; see $0 --help"
            names+=("$1")
            ;;
    esac
    shift
done
((rounds > 0)) || die "--rounds takes a number above 0"
if [[ -n $against ]]; then all=("${compared[@]}"); fi
((${#names[@]} > 0)) || names=("${all[@]}")
runs() { [[ " ${names[*]} " == *" $1 "* ]]; }
python=/usr/bin/python3  # Debian's own, for which its packages are
[[ -x $python ]] || python=python3
[[ -z $pictures ]] || "$python" -c 'import matplotlib' 2>/dev/null ||
    die "there is no Matplotlib to draw pictures with; scripts/setup.sh --bench installs it"

# --- the programs and the fleets ---
cd "$source_folder" || exit 1
build=${FANFOLD_BUILD:-}
if [[ -z $build ]]; then
    build=$source_folder/build/release
    cmake --preset release >/dev/null || exit 1
fi
targets=(programs benches)
! runs simulated || targets+=(simulation-makespan simulation-stragglers)
build=$(realpath "$build") || exit 1
side=${FANFOLD_BENCH_SIDE:-} # of a comparison: what is built is there, and no reference is run
[[ -n $side ]] || cmake --build "$build" --target "${targets[@]}" >&2 || exit 1
export FANFOLD_BIN=$build/bin
bench=$source_folder/tests/bench
folder=$(mktemp -d "$build/bench-XXXXXX") || exit 1
cd "$folder" || exit 1

fleet() { FANFOLD_RUN=$folder/$1 "$source_folder/scripts/fleet-local.sh" "${@:2}" >/dev/null; }
end() {
    for name in "${!offsets[@]}"; do fleet "$name" down; done
    rm -rf "$folder"
}
trap end EXIT
trap 'exit 130' INT TERM
export FANFOLD_TRANSPORT=tcp # older builds take ipc on one host unless they are told so

# --- one build against another: each round runs both, and the other one first next time ---
if [[ -n $against ]]; then
    for ((round = 1; round <= rounds; round++)); do
        sides=(before after)
        ((round % 2)) || sides=(after before)
        for each in "${sides[@]}"; do
            echo "round $round of $rounds: $each" >&2
            other=$build
            [[ $each == after ]] || other=$against
            arguments=(--rounds 1 --port "$port" --csv one)
            ((!quick)) || arguments+=(--quick)
            FANFOLD_BENCH_SIDE=$each FANFOLD_BUILD=$other "$source_folder/scripts/bench.sh" \
                "${arguments[@]}" "${names[@]}" >/dev/null || exit 1
            sed "1d; s/^[0-9]*,/$each,/" one >>samples
        done
    done
    [[ -z $csv ]] || cp samples "$csv" || exit 1
    python3 "$bench/compare.py" samples
    exit
fi

# The volatile fleet is up all the time, as fleets are; the others as long as the runs that want
# them: a fleet that idles beside a run takes caches, and wakes processors.
declare -A fleets=([durable]=durable [lines]=durable [secure]=secure)
declare -A offsets=([volatile]=0 [durable]=20 [secure]=4) # of their ports
up() {
    local arguments=(up --workers 2 --slots 1 --port $((port + offsets[$1])))
    [[ $1 == durable ]] || arguments+=(--volatile)
    [[ $1 != secure ]] || arguments+=(--secure)
    fleet "$1" "${arguments[@]}" || exit 1
}
down() { fleet "$1" down && rm -rf "${folder:?}/$1"; }
up volatile

# Runs a program and keeps the figures that it prints: sample NAME COMMAND...
references=" bare-small bare-packed small-beside bare-store bare-large bare-job bare-job-beside "
references+="python-pool pool posix-spawn xargs parallel lines-quarter "
sample() {
    local name=$1 figures line
    shift
    [[ -z $side || $references != *" $name "* ]] || return 0
    figures=$("$@") || die "$name failed: $*"
    [[ -n $figures ]] || die "$name gave no figures: $*"
    while read -r line; do echo "$round,$name,$line" >>samples; done <<<"$figures"
}
over_volatile() { FANFOLD_BROKER=tcp://127.0.0.1:$port "$@"; }
over_secure() {
    FANFOLD_KEYS=$folder/secure/keys/client FANFOLD_BROKER=tcp://127.0.0.1:$((port + 4)) "$@"
}
over_durable() { FANFOLD_BROKER=tcp://127.0.0.1:$((port + 20)) "$@"; }
reference() { "$build/bench/reference_pipeline" "$1" "$2" $((port + 40)); }
count() { if ((quick)); then echo "$2"; else echo "$1"; fi; } # FULL QUICK

# --- what is run, one round of each ---
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
map_true() {
    seq 1 "$1" | timed "$1" /dev/null "$build/bin/fanfold" map --broker '' -j 2 --no-shell /bin/true
}
xargs_true() { seq 1 "$1" | timed "$1" /dev/null xargs -P 2 -n 1 /bin/true; }
parallel_true() {
    seq 1 "$1" | timed "$1" /dev/null parallel --will-cite -j 2 /bin/true
}
run_commands() {
    sample commands map_true "$(count 6000 200)"
    sample posix-spawn "$build/bench/reference_commands" "$(count 6000 200)"
    sample xargs xargs_true "$(count 3000 200)"
    if command -v parallel >/dev/null; then sample parallel parallel_true "$(count 500 20)"; fi
}
lines() { # COUNT; what comes back is compared
    seq 1 "$1" | timed "$1" lines.out "$build/bin/fanfold" map -k --function fanfold.echo &&
        cmp lines.out <(seq 1 "$1")
}
run_lines() {
    sample lines over_volatile lines "$(count 5000000 100000)"
    sample lines-quarter over_volatile lines "$(count 1250000 25000)"
    sample lines-durable over_durable lines "$(count 5000000 100000)"
}
run_secure() {
    local over
    for over in volatile secure; do
        sample "chunks-$over" "over_$over" "$build/bench/fleet_bench" medium "$(count 16000 400)"
        sample "large-$over" "over_$over" "$build/bench/fleet_bench" large "$(count 500 40)"
        sample "small-$over" "over_$over" "$build/bench/fleet_bench" small "$(count 5000000 200000)"
        sample "job-$over" "over_$over" "$build/bench/fleet_bench" job "$(count 1000 100)"
    done
}
run_makespan() {
    local program=$build/bench/workers_bench each
    sample slow-worker over_volatile "$program" slow-worker "$(count 4000 200)" 20
    for each in pareto two-paretos; do
        sample "$each" over_volatile "$program" "$each" "$(count 2000 200)" "$(count 160 8)"
    done
}
run_idle() {
    local broker
    read -r broker _ <"$folder/volatile/broker.pid"
    sample idle over_volatile "$build/bench/workers_bench" idle "$(count 100 10)" \
        "$(count 20 1)" "$broker"
}
# What follows is measured without a clock of the outside world, or in processor time: one round is
# enough.
simulation() { "$build/tests/simulation-$1" --figures || true; } # what is missed shows in the table
run_simulated() {
    ((round == 1)) || return 0
    sample simulated simulation makespan
    ((quick)) || sample simulated simulation stragglers
}
scale() {
    "$build/bench/scale_curve" "$@" | awk -F, 'NR > 1 {
        print $1 "-" $2 / 1e6 "-ns," $4
        print $1 "-" $2 / 1e6 "-books," $6
    }'
}
run_scale() {
    ((round == 1)) || return 0
    if ((quick)); then sample scale scale 0.1 1; else sample scale scale 1 3 10 30 100; fi
}
cores() {
    local scenario='"([a-z_]+)/workers:([0-9]+)/jobs:([0-9]+)(/iterations:[0-9]+)?/manual_time"'
    "$build/bench/cores_bench" --benchmark_format=csv --benchmark_min_time="$(count 0.5 0.01)" \
        "$@" 2>cores.err | sed -nE "s|^$scenario,[0-9]+,([0-9.e+]+),.*|\1-\2-\3,\5|p"
}
run_cores() {
    ((round == 1)) || return 0
    if [[ ! -x $build/bench/cores_bench ]]; then
        echo "bench.sh: without Google Benchmark nothing is said of the cores;" \
            "scripts/setup.sh --bench installs it" >&2
        return
    fi
    sample cores cores --benchmark_filter='decision|accepted_block|inventory'
}

for ((round = 1; round <= rounds; round++)); do
    for name in "${names[@]}"; do
        echo "round $round of $rounds: $name" >&2
        beside=${fleets[$name]:-}
        [[ -z $beside ]] || up "$beside"
        "run_$name"
        [[ -z $beside ]] || down "$beside"
    done
done
((!peers)) || "$bench/peers.sh" "$quick" "$((port + 80))" samples
if [[ -n $csv ]]; then
    { echo round,run,figure,value && cat samples; } >"$csv" || die "cannot write $csv"
fi
[[ -z $side ]] || exit 0
python3 "$bench/table.py" samples || exit 1
[[ -z $pictures ]] || "$python" "$bench/pictures.py" samples "$pictures"
