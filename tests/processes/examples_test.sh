#!/bin/bash
# The examples as their comments promise: a word count in one process, and a client and a worker
# with a fleet over TCP.
set -eu -o pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
export FANFOLD_RUN=$work/run
worker=
finish() {
    local status=$?
    ((status == 0)) || tail -n 20 "$work"/run/*.log "$work"/*.log >&2 || true
    [[ -z $worker ]] || kill "$worker" 2>/dev/null || true
    "$root/scripts/fleet-local.sh" down >/dev/null || true
    rm -rf "$work"
    exit "$status"
}
trap finish EXIT

same() {
    [[ $2 == "$3" ]] && return
    printf '%s: wanted\n%s\n--- got\n%s\n' "$1" "$2" "$3" >&2
    exit 1
}

# --- embedded_word_count: the same table as a shell's pipeline ---
mapfile -t files < <(find /usr/share/common-licenses "$root/shared" "$root/broker" -type f | sort)
wanted=$(cat "${files[@]}" | LC_ALL=C tr -cs 'A-Za-z\200-\377' '\n' |
    LC_ALL=C tr '[:upper:]' '[:lower:]' | LC_ALL=C grep . |
    LC_ALL=C sort | LC_ALL=C uniq -c | LC_ALL=C sort -k1,1nr -k2,2 | awk 'NR <= 20 {print $1, $2}')
"$FANFOLD_EXAMPLES/embedded_word_count" "${files[@]}" >"$work/table"
same "the most frequent words" "$wanted" "$(awk 'NF == 2 {print $1, $2}' "$work/table")"
grep -Eq " different words in ${#files[@]} files: [1-9][0-9]* fragments in [0-9.]+ s$" "$work/table"

status=0
message=$("$FANFOLD_EXAMPLES/embedded_word_count" "$work/no such file" 2>&1 >"$work/output") ||
    status=$?
same "a missing file" "255 embedded_word_count: cannot read $work/no such file" "$status $message"

# --- folder_bytes: handlers wait for inner jobs; below it does so on a worker of one slot ---
mkdir "$work/folder"
cp -r "$root/shared" "$root/worker" "$work/folder"
bytes=$(find "$work/folder" -type f -printf '%s\n' | awk '{sum += $1} END {print sum}')
same "bytes of a folder" "$bytes" "$("$FANFOLD_EXAMPLES/folder_bytes" "$work/folder")"

# --- remote_client and word_count_worker, with a fleet ---
"$root/scripts/fleet-local.sh" up --workers 1 --slots 2 --port "$FANFOLD_TEST_PORT" >"$work/up"
FANFOLD_BROKER=tcp://127.0.0.1:$FANFOLD_TEST_PORT
export FANFOLD_BROKER
grep -qx "export FANFOLD_BROKER=$FANFOLD_BROKER" "$work/up"
same "echo" $'0\tone\n1\ttwo words\n2\t' \
    "$("$FANFOLD_EXAMPLES/remote_client" echo one 'two words' '')"

# The function "count" is not offered yet: the job waits for the worker that brings it.
"$FANFOLD_EXAMPLES/remote_client" count 'a b a' 'A rose is a rose' '' >"$work/counts" \
    2>"$work/client.log" &
client=$!
"$FANFOLD_EXAMPLES/word_count_worker" 2 >"$work/worker.log" 2>&1 &
worker=$!
wait "$client"
same "count" $'0\t2\n1\t3\n2\t0' "$(cat "$work/counts")"
kill -TERM "$worker"
wait "$worker"

"$FANFOLD_EXAMPLES/folder_bytes" --work >"$work/folder.log" 2>&1 &
worker=$!
same "bytes of a folder over a fleet" "$bytes" \
    "$(timeout 60 "$FANFOLD_EXAMPLES/folder_bytes" "$work/folder")"
kill -TERM "$worker"
wait "$worker"
worker=
