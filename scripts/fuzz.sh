#!/bin/bash
# Runs the fuzzers for long: the time is shared over the targets. What they learn stays in
# build/fuzz/corpus, and the next run goes on from there. Prints a line for each target; exits with
# 1 when something was found, and says where it lies.
# usage: scripts/fuzz.sh [--hours H | --minutes M] [-j N] [--no-build] [TARGET...]
#        scripts/fuzz.sh --account                seconds, executions and findings so far, by target
#        scripts/fuzz.sh --minimise [TARGET...]   takes what the corpora reach into
#                                                 tests/fuzz/corpus, in few small files
#
#   --hours H, --minutes M   for all targets together (10 minutes)
#   -j N                     so many fuzzers at a time (1), each with 2 GB of memory at most
#   --no-build               what is built is new enough
set -u -o pipefail
source_folder=$(cd "$(dirname "$0")/.." && pwd)
cd "$source_folder" || exit 1
work=build/fuzz
# Of each run: moment, target, seconds, seconds of a processor, executions, findings.
account=$work/account.tsv
longest_input=1000        # bytes, of a run;
longest_kept=400          # and of a file in the tree,
most_kept=100             # so many for each target

seconds=600
jobs=1
build=yes
task=run
chosen=()
die() {
    echo "fuzz.sh: $*; see scripts/fuzz.sh --help" >&2
    exit 2
}
# A number of units as whole seconds.
in_seconds() {
    [[ $1 =~ ^[0-9]+([.][0-9]+)?$ ]] ||
        die "'$1' is not a number of hours or minutes"
    awk "BEGIN { print int($1 * $2) }"
}
while (($# > 0)); do
    case $1 in
        --hours) seconds=$(in_seconds "${2-}" 3600) || exit 2 && shift ;;
        --minutes) seconds=$(in_seconds "${2-}" 60) || exit 2 && shift ;;
        -j) jobs=${2-} && shift ;;
        --no-build) build=no ;;
        --account) task=account ;;
        --minimise) task=minimise ;;
        --help | -h)
            sed -n '2,12s/^# \{0,1\}//p' "$0"
            exit 0
            ;;
        -*) die "unknown argument '$1'" ;;
        *) chosen+=("$1") ;;
    esac
    shift
done
[[ $jobs =~ ^[1-9][0-9]*$ ]] || die "-j wants a number from 1, not '$jobs'"

known=()
for file in tests/fuzz/*_fuzz.cpp; do
    name=${file##*/}
    known+=("${name%_fuzz.cpp}")
done
((${#chosen[@]} > 0)) || chosen=("${known[@]}")
for target in "${chosen[@]}"; do
    [[ " ${known[*]} " == *" $target "* ]] || die "there is no target '$target', only ${known[*]}"
done

# Folders of inputs in the tree that a target starts from.
folders_of() {
    local folder
    for folder in "tests/fuzz/corpus/$1" "tests/fuzz/regressions/$1"; do
        [[ -d $folder ]] && echo "$folder"
    done
}

findings_of() {
    find "$work/findings/$1" -type f 2>/dev/null | sort
}

# The last number behind a word of libFuzzer's output.
last_number() {
    grep -a -oE "$1 *[0-9]+" "$2" | tail -n 1 | grep -oE '[0-9]+$' || echo 0
}

# Fuzzes one target for its share of the time.
run_one() {
    local target=$1 share=$2 log=$work/logs/$1.log began=$SECONDS
    local before after known_folders words=()
    mkdir -p "$work/corpus/$target" "$work/findings/$target" "$work/logs"
    before=$(findings_of "$target" | wc -l)
    mapfile -t known_folders < <(folders_of "$target")
    [[ -e tests/fuzz/$target.dict ]] && words=("-dict=tests/fuzz/$target.dict")
    # Weighing inputs by the rarity of what they reach takes most of the time here: -entropic=0.
    local TIMEFORMAT='%U %S'
    {
        time "$work/fuzz/fuzz-$target" "${words[@]}" -max_total_time="$share" \
            -max_len="$longest_input" -timeout=30 -rss_limit_mb=2048 -entropic=0 -print_funcs=0 \
            -print_final_stats=1 -artifact_prefix="$work/findings/$target/" \
            "$work/corpus/$target" "${known_folders[@]}" >"$log" 2>&1
    } 2>"$log.time"
    local status=$?
    after=$(findings_of "$target" | wc -l)
    # One that died without leaving an input is a finding, too.
    ((status != 0 && after == before)) &&
        cp "$log" "$work/findings/$target/died-$(date +%s).log" && after=$((after + 1))
    local took=$((SECONDS - began)) executions processor
    executions=$(last_number 'stat::number_of_executed_units:' "$log")
    processor=$(awk '{ print int($1 + $2) }' "$log.time")
    printf '%s\t%s\t%d\t%d\t%d\t%d\n' "$(date --utc +%Y-%m-%dT%H:%M:%SZ)" "$target" "$took" \
        "$processor" "$executions" $((after - before)) >>"$account"
    printf '%-16s %6d s %12d executions %7d covered %6d inputs %3d found\n' "$target" "$took" \
        "$executions" "$(last_number 'cov:' "$log")" \
        "$(find "$work/corpus/$target" -type f | wc -l)" $((after - before))
    if ((after > before)); then
        find "$work/findings/$target" -type f -newermt "@$(($(date +%s) - took - 2))" \
            -exec echo "found: {}" \;
        echo "       (its output is in $log)"
    fi
}

# The sums of all runs, and how long each target has run since it last found something.
print_account() {
    [[ -e $account ]] || die "nothing was fuzzed here yet"
    awk -F '\t' '{
            time[$2] += $3; used[$2] += $4; runs[$2] += $5; found[$2] += $6
            since[$2] = $6 > 0 ? 0 : since[$2] + $3
            all += $3; all_used += $4
        }
        END {
            for (target in time)
                printf "%-16s %7d s (%d s of a processor) %12d executions %3d found, " \
                    "%7d s since the last\n", target, time[target], used[target], runs[target],
                    found[target], since[target] | "sort"
            close("sort")
            printf "%.2f hours, %.2f of a processor\n", all / 3600, all_used / 3600
        }' "$account"
}

# What reaches all that the corpora reach, in few files; where those are too many, the longest,
# which reach most.
minimise_one() {
    local target=$1 kept="tests/fuzz/corpus/$1" fresh="$work/minimised/$1" known_folders file
    mapfile -t known_folders < <(folders_of "$target")
    rm -rf "$fresh" "$work/short/$target"
    mkdir -p "$fresh" "$work/short/$target" "$work/corpus/$target" "$kept" "$work/logs"
    local log=$work/logs/$target-minimised.log
    find "$work/corpus/$target" "${known_folders[@]}" -type f -size "-$((longest_kept + 1))c" \
        -exec cp -t "$work/short/$target" {} +
    "$work/fuzz/fuzz-$target" -set_cover_merge=1 -timeout=30 -rss_limit_mb=2048 \
        "$fresh" "$work/short/$target" >"$log" 2>&1 || die "minimising $target failed; see $log"
    rm -rf "$kept" && mkdir -p "$kept"
    find "$fresh" -type f -printf '%s %p\n' | sort -rn | head -n "$most_kept" |
        while read -r _ file; do
            name=$(sha256sum "$file")
            cp "$file" "$kept/${name:0:16}"
        done
    printf '%-16s %4d files, %6d bytes\n' "$target" "$(find "$kept" -type f | wc -l)" \
        "$(cat "$kept"/* | wc -c)"
}

if [[ $task == account ]]; then
    print_account
    exit
fi
if [[ $build == yes ]]; then
    cmake --preset fuzz >/dev/null || exit 1
    cmake --build --preset fuzz --target "${chosen[@]/#/fuzz-}" || exit 1
fi
if [[ $task == minimise ]]; then
    for target in "${chosen[@]}"; do minimise_one "$target"; done
    exit
fi

share=$((seconds * jobs / ${#chosen[@]}))
((share > 0)) || die "$seconds seconds are too few for ${#chosen[@]} targets"
mkdir -p "$work"
touch "$account"
known_runs=$(wc -l <"$account")
for target in "${chosen[@]}"; do
    while (($(jobs -rp | wc -l) >= jobs)); do wait -n; done
    run_one "$target" "$share" &
done
wait
found=$(tail -n "+$((known_runs + 1))" "$account" |
    awk -F '\t' '{ sum += $6 } END { print sum + 0 }')
((found == 0)) || exit 1
