#!/bin/bash
# Installs the packages, builds, and runs every check. Ends with the line `N passed, N failed`.
# usage: scripts/test.sh [--quick] [STAGE...]
#   format    the formatter agrees with every source file; shellcheck with every script
#   release   the release build and all of its tests
#   asan      unit tests, most simulations and real processes under AddressSanitizer and UndefinedBehaviorSanitizer
#   tsan      the same, but for simulations, chaos and damaged stores, under ThreadSanitizer
#   fuzz      each fuzzer for some seconds, from what is kept of earlier ones
#   lint      clang-tidy
# Without a stage: all of them, in this order; --quick: only release.
set -u -o pipefail
source_folder=$(cd "$(dirname "$0")/.." && pwd)
cd "$source_folder" || exit 1
jobs=$(nproc)
passed=0
failed=0

# Runs one check and counts it; its output is shown only when it fails.
check() {
    local name=$1 log
    shift
    log=build/logs/${name//[ \/]/-}.log
    mkdir -p build/logs
    if "$@" >"$log" 2>&1; then
        passed=$((passed + 1))
        echo "ok      $name"
    else
        failed=$((failed + 1))
        tail -n 100 "$log"
        echo "FAILED  $name (all of its output is in $log)"
        return 1
    fi
}

sources() {
    find broker gatherer scatterer scripts shared tests worker -type f \( -name '*.cpp' -o -name '*.hpp' \) | sort
}

configure_and_build() {
    local preset=$1
    shift
    cmake --preset "$preset" && cmake --build --preset "$preset" --parallel "$jobs" --target "$@"
}

# Runs the tests of a preset, and adds ctest's totals to ours.
run_tests() {
    local preset=$1 log=build/logs/$1-tests.log
    shift
    ctest --preset "$preset" --parallel "$jobs" "$@" 2>&1 | tee "$log"
    local totals
    totals=$(sed -nE 's/^[0-9]+% tests passed, ([0-9]+) tests? failed out of ([0-9]+)$/\1 \2/p' "$log")
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
    mapfile -t scripts < <(find scripts tests .ci -type f \( -name '*.sh' -o -path '.ci/run' \) | sort)
    check "format" clang-format --dry-run --Werror "${files[@]}"
    check "scripts" shellcheck "${scripts[@]}"
}

stage_release() {
    check "release build" configure_and_build release all each-header-alone && run_tests release
}

stage_asan() {
    # What looks for planted bugs and at times in simulation has nothing that the other simulations have not.
    check "asan build" configure_and_build asan all &&
        run_tests asan --exclude-regex 'simulation/(planted_bugs|stragglers|makespan)'
}

stage_tsan() {
    # The simulator has one thread: there is nothing for this sanitizer in it. The bounds of the two others are for programs at their own speed.
    check "tsan build" configure_and_build tsan all &&
        run_tests tsan --label-exclude simulation --exclude-regex 'processes/(chaos|damaged_store)'
}

stage_fuzz() {
    check "fuzz build" configure_and_build fuzz fuzzers && check "fuzzers" scripts/fuzz.sh --no-build --minutes 3 -j "$jobs"
}

# One file of ours with clang-tidy, unless this very text, with these headers and these rules, passed before.
lint_file() {
    local file=$1 rules=$2 stamp
    stamp=build/lint/$(cat "$file" <(echo "$rules $file") | sha256sum | cut -c 1-32)
    [[ -e $stamp ]] && return
    clang-tidy --quiet --extra-arg=-Wno-unknown-warning-option -p build/release "$file" && touch "$stamp"
}

lint_all() {
    mkdir -p build/lint
    local rules
    rules=$(sources | grep '\.hpp$' | xargs cat .clang-tidy | sha256sum)
    export -f lint_file
    # shellcheck disable=SC2016  # the inner shell expands its arguments
    sources | grep '\.cpp$' | grep -v '^tests/' | xargs -P "$jobs" -I '{}' bash -c 'lint_file "$1" "$2"' - '{}' "$rules"
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
            sed -n '2,10s/^# //p' "$0"
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
for stage in "${stages[@]}"; do
    began=$SECONDS
    echo "=== $stage"
    "stage_$stage"
    echo "=== $stage took $((SECONDS - began)) s"
done
echo "$passed passed, $failed failed"
((failed == 0 && passed > 0))
