#!/bin/bash
# Command lines of GNU parallel: each prints the same here, and ends with the same exit code, or is
# answered as parallel_cases.txt says. GNU parallel runs beside.
# shellcheck disable=SC1091,SC2119,SC2154  # common.sh is beside it
cases=$(realpath "$(dirname "$0")/parallel_cases.txt")
. "$(dirname "$0")/common.sh"

if ! command -v parallel >/dev/null; then
    echo "skipped: there is no GNU parallel; scripts/setup.sh --checks installs it"
    exit 0
fi
export PARALLEL_HOME=$work/parallel-home
mkdir "$PARALLEL_HOME" && touch "$PARALLEL_HOME/will-cite"

# Runs LINE in a new folder of its own, with NAME -k for $P; its streams and its exit code go to
# NAME.out, NAME.err and NAME.code.
try() { # NAME PROGRAM LINE
    local name=$1 folder=$work/cases/$count-$1
    mkdir -p "$folder"
    (
        cd "$folder" && P="$2 -k" XDG_STATE_HOME=$work/state-home \
            timeout -k 5 "$patience" bash -c "$3" </dev/null >"$work/$name.out" 2>"$work/$name.err"
        echo $? >"$work/$name.code"
    )
}

count=0 same=0 line=''
while IFS= read -r text; do
    case $text in
        '= '*)
            line=${text#= } count=$((count + 1))
            try parallel parallel "$line"
            try fanfold "fanfold map --no-progress" "$line"
            if ! cmp -s parallel.out fanfold.out || ! cmp -s parallel.code fanfold.code; then
                fail "$line
--- parallel ended with $(<parallel.code), and printed
$(head -c 1000 parallel.out)
--- fanfold ended with $(<fanfold.code), and printed
$(head -c 1000 fanfold.out fanfold.err)"
            fi
            same=$((same + 1))
            ;;
        '! '*)
            line=${text#! } count=$((count + 1))
            try fanfold "fanfold map --no-progress" "$line"
            ;;
        '  '*)
            tr '\n' ' ' <fanfold.out | sed 's/ $//' >said
            grep -Eq -- "${text#  }" said fanfold.err || fail "$line
--- fanfold ended with $(<fanfold.code), and said nothing like ${text#  }, but
$(head -c 1000 said fanfold.err)"
            ;;
    esac
done <"$cases"
echo "$count command lines: $same do the same, the others are answered as they should be"
((same > 100)) || fail "only $same command lines were tried beside parallel"
