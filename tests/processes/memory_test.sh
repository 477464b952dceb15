#!/bin/bash
# A job many times larger than --memory of broker and gatherer goes through both, and so do outputs
# of failed fragments; neither grows past its limit and what a process needs besides.
# shellcheck disable=SC1091,SC2119,SC2154  # common.sh is beside it
. "$(dirname "$0")/common.sh"
export FANFOLD_BROKER=$broker_endpoint
overhead_kb=$((128 << 10))
limit_kb=$((32 << 10))
lines=320  # of a MiB each

start_broker --state state --memory 32M
start_gatherer --state state --memory 32M
head -c $((lines * 786432)) /dev/urandom | base64 -w 1048576 >input
same "lines of the input" "$lines" "$(wc -l <input)"

# Nobody runs it yet: all of it is accepted, and waits in the store.
run 0 fanfold submit --function fanfold.echo -a input
job=$(cat out)
start_worker w1 --slots 2
run 0 fanfold wait "$job"
stop gatherer KILL
start_gatherer --state state --memory 32M
results_are_there() { fanfold results -k "$job" >output; }
await "the results are there" results_are_there
cmp -s input output || fail "the results are not the input"

within_limits() { # NAME...
    local name peak
    for name in "$@"; do
        peak=$(sed -nE 's/^VmHWM:[^0-9]*([0-9]+) kB$/\1/p' "/proc/${started[$name]}/status")
        echo "$name: $((peak >> 10)) MiB at most"
        if [[ -z ${FANFOLD_SANITIZER:-} ]] && ((peak > limit_kb + overhead_kb)); then
            fail "the $name took $peak kB; its limit and overhead are $((limit_kb + overhead_kb))"
        fi
    done
}
within_limits broker gatherer

# Forgotten, it leaves nothing behind.
run 0 fanfold forget "$job"
same "forget" "$job forgotten" "$(cat out)"
run 255 fanfold results "$job"

# --- what failed fragments wrote, while the gatherer stands still, without a store ---
stop w1
stop broker
start_broker --memory 32M
run 0 fanfold submit 'head -c 8M /dev/zero; exit 1; : {}' ::: $(seq 50)
job=$(cat out)
kill -STOP "${started[gatherer]}"
start_worker w2 --slots 2 --allow-exec
sleep "$soon" # in which all of them could run
kill -CONT "${started[gatherer]}"
run 50 fanfold wait "$job"
same "bytes that they wrote" $((50 << 23)) "$(fanfold results "$job" 2>err | wc -c)"
within_limits broker
