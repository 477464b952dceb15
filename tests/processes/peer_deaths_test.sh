#!/bin/bash
# The broker, the gatherer or the client is killed: workers go on with whoever comes next, and every
# job ends and says why.
# shellcheck disable=SC1091,SC2016,SC2119,SC2154  # common.sh is beside it; what is in single quotes
# is for other shells
. "$(dirname "$0")/common.sh"

start_broker --worker-timeout 3s
start_gatherer
export FANFOLD_BROKER=$broker_endpoint
for name in w1 w2; do start_worker "$name" --slots 2 --allow-exec; done
await_workers 2

# --- the client is killed: its job is cancelled when its lease is over ---
start map fanfold map 'echo $$ >>'"$work"'/pids; echo {}; exec sleep 300' ::: a b c d e
await "commands run" has_lines 4 pids
run 0 fanfold jobs --output json
job=$(field id <out)
run 0 fanfold submit --function fanfold.sleep ::: 0 300
submitted=$(cat out)
stop map KILL
outcome_is() { [[ $(fanfold status "$1" --output json | field outcome) == "$2" ]]; }
await "the job of the killed client is cancelled" outcome_is "$job" cancelled
none_left pids
same "commands started" 4 "$(wc -l <pids)"
outcome_is "$submitted" running || fail "a submitted job must not end with a client"
run 0 fanfold cancel "$submitted"

# --- the broker is killed ---
start map fanfold map --give-up 3s --function fanfold.sleep ::: 0 300
await "the first result" has_lines 1 map.out
stop broker KILL
ended map
same "the exit code without a broker" 255 "$code"
has_line 'broker' map.log || fail "it does not say that the broker is gone: $(cat map.log)"
start_broker --worker-timeout 3s
await_workers 2
prints $'x\ny' fanfold map -k --function fanfold.echo ::: x y

# Its successor knows nothing of the job that is running: the client says so instead of hanging.
start map fanfold map --function fanfold.sleep ::: 0 300
await "the first result" has_lines 1 map.out
stop broker KILL
start_broker --worker-timeout 3s
ended map
[[ $code == 1 || $code == 255 ]] ||
    fail "the job of a broker that lost its memory ended with $code: $(cat map.log)"
has_line 'memory|knows nothing|unknown job|lost' map.log ||
    fail "it does not say that the broker lost its memory: $(cat map.log)"
await_workers 2
prints $'x\ny' fanfold map -k --function fanfold.echo ::: x y

# --- the gatherer is killed ---
start map fanfold map --function fanfold.sleep ::: 0 300
await "the first result" has_lines 1 map.out
stop gatherer KILL
ended map
[[ $code == 1 || $code == 2 || $code == 255 ]] ||
    fail "the job of a killed gatherer ended with $code: $(cat map.log)"
has_line "failed:.*gatherer" map.log || fail "it does not name the gatherer: $(cat map.log)"
start_gatherer
prints $'x\ny' fanfold map -k --function fanfold.echo ::: x y
