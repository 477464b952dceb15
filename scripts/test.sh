#!/bin/bash
# Installs the packages, builds, and runs every check. Ends with the time of each part and the line
# `N passed, N failed`.
# usage: scripts/test.sh [--quick] [STAGE...]
#   format    the formatter agrees with every source file; shellcheck with every script
#   release   the release build and all of its tests
#   asan      unit tests, most simulations and real processes under AddressSanitizer and UBSan
#   tsan      the same where there are threads, but for chaos, damaged stores and bounds of
#             memory, under ThreadSanitizer
#   fuzz      each fuzzer for some seconds, from what is kept of earlier ones
#   lint      clang-tidy
# Without a stage: all of them, in this order; --quick: only release.
set -u -o pipefail
source_folder=$(cd "$(dirname "$0")/.." && pwd)
cd "$source_folder" || exit 1
jobs=$(nproc)
passed=0
failed=0
times=() # lines of the table at the end
mkdir -p build/logs

took() { # SECONDS_AT_ITS_BEGINNING WHAT
    times+=("$(printf '%6d s  %s' $((SECONDS - $1)) "$2")")
}

# Runs one check and counts it; its output is shown only when it fails.
check() {
    local name=$1 log began=$SECONDS status=0
    shift
    log=build/logs/${name//[ \/]/-}.log
    "$@" >"$log" 2>&1 || status=1
    took "$began" "$name"
    if ((status == 0)); then
        passed=$((passed + 1))
        echo "ok      $name"
    else
        failed=$((failed + 1))
        tail -n 100 "$log"
        echo "FAILED  $name (all of its output is in $log)"
    fi
    return "$status"
}

sources() {
    find broker gatherer scatterer scripts shared tests worker -type f \( -name '*.cpp' -o -name \
        '*.hpp' \) | sort
}

# Builds what a stage needs, once at a time.
declare -A targets=([release]="all each-header-alone" [asan]=all [tsan]=all [fuzz]=fuzzers)
build() { # STAGE
    local lock
    (
        exec {lock}>"build/logs/$1.lock" && flock "$lock" || exit
        # shellcheck disable=SC2086  # several targets
        cmake --preset "$1" &&
            cmake --build --preset "$1" --parallel "$jobs" --target ${targets[$1]}
    )
}

# The tests of the sanitizers mostly wait: what later stages build and check takes what they leave
# of the processors. Those of the release build are about time, and have the machine to themselves.
ahead=''
work_ahead() { # STAGE...
    [[ -z $ahead && $# -gt 0 ]] || return 0
    (
        renice -n 19 "$BASHPID"
        for stage in "$@"; do
            if [[ $stage == lint ]]; then lint_all; else build "$stage"; fi
        done
    ) >build/logs/ahead.log 2>&1 &
    ahead=$!
}

# Runs the tests of a preset, and adds ctest's totals to ours.
run_tests() {
    local preset=$1 log=build/logs/$1-tests.log began=$SECONDS
    shift
    ctest --preset "$preset" --parallel "$jobs" "$@" 2>&1 | tee "$log"
    took "$began" "$preset tests"
    local totals
    totals=$(sed -nE 's/^[0-9]+% tests passed, ([0-9]+) tests? failed out of ([0-9]+)$/\1 \2/p' \
        "$log")
    if [[ -z $totals ]]; then
        failed=$((failed + 1))
        echo "FAILED  $preset: the tests did not run"
        return 1
    fi
    failed=$((failed + ${totals% *}))
    passed=$((passed + ${totals#* } - ${totals% *}))
}

stage_format() {
    local files scripts
    mapfile -t files < <(sources)
    mapfile -t scripts < <(find scripts tests .ci -type f \( -name '*.sh' -o -path '.ci/run' \) |
        sort)
    check "format" clang-format --dry-run --Werror "${files[@]}"
    check "scripts" shellcheck "${scripts[@]}"
}

stage_release() {
    check "release build" build release && run_tests release
}

stage_asan() {
    # What looks for planted bugs and at times in simulation has nothing that the other simulations
    # have not, and of the tests that are run again with keys two are enough.
    check "asan build" build asan && work_ahead "$@" &&
        run_tests asan --exclude-regex \
            'simulation/(planted_bugs|stragglers|makespan)|secure/(fleet|map|worker)'
}

stage_tsan() {
    # The simulator has one thread, and so has what reads options and inputs: there is nothing for
    # this sanitizer in it. The bounds of the three others are for programs at their own speed.
    check "tsan build" build tsan && work_ahead "$@" &&
        run_tests tsan --label-exclude simulation --exclude-regex "processes/(chaos|damaged_store|\
errors|map_inputs|map_options|memory|parallel)|secure/map_inputs"
}

stage_fuzz() {
    check "fuzz build" build fuzz &&
        check "fuzzers" scripts/fuzz.sh --no-build --minutes 3 -j "$jobs"
}

# One file of ours with clang-tidy, unless this very text, with these headers and these rules,
# passed before.
lint_file() {
    local file=$1 rules=$2 stamp
    stamp=build/lint/$(cat "$file" <(echo "$rules $file") | sha256sum | cut -c 1-32)
    [[ -e $stamp ]] && return
    clang-tidy --quiet --extra-arg=-Wno-unknown-warning-option -p build/release "$file" &&
        touch "$stamp"
}

lint_all() {
    local rules lock
    mkdir -p build/lint
    exec {lock}>build/logs/lint.lock && flock "$lock" || return
    rules=$(sources | grep '\.hpp$' | xargs cat .clang-tidy | sha256sum)
    export -f lint_file
    # shellcheck disable=SC2016  # the inner shell expands its arguments
    sources | grep '\.cpp$' | grep -v '^tests/' |
        xargs -P "$jobs" -I '{}' bash -c 'lint_file "$1" "$2"' - '{}' "$rules"
}

stage_lint() {
    check "lint configuration" cmake --preset release && check "lint" lint_all
}

stages=()
for argument in "$@"; do
    case $argument in
        --quick) stages+=(release) ;;
        format | release | asan | tsan | fuzz | lint) stages+=("$argument") ;;
        --help | -h)
            sed -n '2,12s/^# //p' "$0"
            exit 0
            ;;
        *)
            echo "test.sh: unknown argument '$argument'; see scripts/test.sh --help" >&2
            exit 2
            ;;
    esac
done
((${#stages[@]} > 0)) || stages=(format release asan tsan fuzz lint)

scripts/setup.sh --checks || exit 1
for ((at = 0; at < ${#stages[@]}; at++)); do
    stage=${stages[at]}
    began=$SECONDS
    echo "=== $stage"
    "stage_$stage" "${stages[@]:at+1}"
    took "$began" "= $stage"
done
took 0 "= all"
printf '%s\n' "${times[@]}"
echo "$passed passed, $failed failed"
((failed == 0 && passed > 0))
