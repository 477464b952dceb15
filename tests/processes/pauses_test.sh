#!/bin/bash
# A process of the fleet stands still for longer than its peers wait, and goes on: the job
# completes, each result once.
# shellcheck disable=SC1091,SC2119,SC2154  # common.sh is beside it
. "$(dirname "$0")/common.sh"

start_broker --worker-timeout 2s
start_gatherer
export FANFOLD_BROKER=$broker_endpoint
for name in w1 w2; do start_worker "$name" --slots 2; done
await_workers 2
yes 0.1 | head -n 150 >naps

for name in broker gatherer w1 map; do
    start map fanfold map --connect-timeout 300s --output json -a naps --function fanfold.sleep
    await "some results" has_lines 10 map.out
    kill -STOP "${started[$name]}"
    sleep 4 # the silence itself: twice what a worker is granted
    kill -CONT "${started[$name]}"
    ended map
    same "the exit code with $name paused: $(cat map.log)" 0 "$code"
    same "each index once with $name paused" "$(seq 0 149)" "$(field index <map.out | sort -n)"
    await_workers 2
done
