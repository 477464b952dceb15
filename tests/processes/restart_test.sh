#!/bin/bash
# With stores on disk: the broker, the gatherer, a worker, or all of them are killed in the middle
# of a job and started again. Every fragment has one result, in order; what a living worker was
# running is not run again; submitted jobs and their results outlive everything.
# shellcheck disable=SC1091,SC2016,SC2119,SC2154  # common.sh is beside it; what is in single quotes
# is for other shells
. "$(dirname "$0")/common.sh"
export FANFOLD_BROKER=$broker_endpoint

durable_broker() { start_broker --worker-timeout "${soon}s" --state state; }
durable_gatherer() { start_gatherer --state state; }
durable_broker
durable_gatherer
for name in w1 w2 w3; do start_worker "$name" --slots 1 --allow-exec; done
await_workers 3

# --- a quick job whose input comes slowly enough to be met in its middle ---
seq 1 200000 >input
feed() { head -n 60000 input; sleep 1.5; tail -n +60001 input; }
for victims in broker gatherer "broker gatherer" "broker gatherer w1"; do
    (feed | timeout "$patience" fanfold map -k --connect-timeout 30s --function fanfold.echo \
        >output 2>map.err; echo $? >map.code) &
    mapping=$!
    await "results come before $victims are killed" has_lines 1000 output
    for name in $victims; do stop "$name" KILL; done
    for name in $victims; do
        case $name in
            broker) durable_broker ;;
            gatherer) durable_gatherer ;;
            *) start_worker "$name" --slots 1 --allow-exec ;;
        esac
    done
    wait "$mapping"
    same "exit code after $victims were killed ($(cat map.err))" 0 "$(cat map.code)"
    cmp -s input output ||
        fail "after $victims were killed the output differs from the input: $(diff input output |
        head -n 5)"
done

# --- running work is adopted ---
await_workers 3
run 0 fanfold submit 'echo {} >>'"$work"'/runs; sleep 2; echo done {}' ::: a b c
job=$(cat out)
await "three commands run" has_lines 3 runs
stop broker KILL
durable_broker
run 0 fanfold wait "$job"
same "executions" "$(printf 'a\nb\nc')" "$(sort runs)"

# --- results outlive both, and are collected as often as one likes ---
for name in broker gatherer; do stop "$name" KILL; done
durable_broker
durable_gatherer
results_are_there() { [[ $(fanfold results -k "$job") == $'done a\ndone b\ndone c' ]]; }
await "the results of the job are there" results_are_there
await "and again" results_are_there
