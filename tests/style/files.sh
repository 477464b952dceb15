#!/bin/bash
# Rules about files: what lies at the top, how long a file is, words that have no place here, no sleeping in tests.
# usage: files.sh SOURCE_FOLDER
set -u -o pipefail
cd "$1" || exit 1
failures=0
complain() {
    printf '%s\n' "$*" >&2
    failures=$((failures + 1))
}

# --- the top level ---------------------------------------------------------------------------------------------
for entry in *; do
    case $entry in
        broker | gatherer | scatterer | scripts | shared | tests | worker | build) ;;
        CMakeLists.txt | CMakePresets.json | README.md) ;;
        *) complain "$entry: nothing else belongs at the top level; put it beside what it serves" ;;
    esac
done

mapfile -t sources < <(find broker gatherer scatterer scripts shared tests worker -type f \
    \( -name '*.cpp' -o -name '*.hpp' -o -name '*.sh' -o -name '*.cmake' -o -name CMakeLists.txt \) | sort)
if ((${#sources[@]} < 50)); then
    complain "only ${#sources[@]} source files found under $PWD: the search is broken"
fi

# --- lengths ---------------------------------------------------------------------------------------------------
for file in "${sources[@]}"; do
    lines=$(wc -l <"$file")
    ((lines <= 500)) || complain "$file: $lines lines, more than 500; cut it where its purposes part"
done

# --- words -----------------------------------------------------------------------------------------------------
# (Each word is written here with a bracket, so that this file does not find itself.)
if grep -nwE 'TOD[O]|FIXM[E]|XX[X]|HAC[K]' "${sources[@]}" .ci/run >&2; then
    complain "the words above promise work instead of doing it"
fi

# --- sleeping --------------------------------------------------------------------------------------------------
mapfile -t tests < <(find tests -type f \( -name '*.cpp' -o -name '*.hpp' \) | sort)
if grep -nE '\b(sleep_for|sleep_until|usleep|nanosleep)\b|[^.a-z_]sleep\(' "${tests[@]}" >&2; then
    complain "tests wait for a condition with a bound; they don't sleep"
fi

# --- headers ---------------------------------------------------------------------------------------------------
for file in "${sources[@]}"; do
    [[ $file == *.hpp ]] || continue
    [[ $(head -n 1 "$file") == //* ]] || complain "$file: opens without a comment on purpose, owner thread and invariants"
    grep -q '^#pragma once$' "$file" || complain "$file: no #pragma once"
done

((failures == 0)) || exit 1
echo "${#sources[@]} files are in order"
