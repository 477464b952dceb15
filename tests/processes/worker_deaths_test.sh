#!/bin/bash
# Workers are killed, stopped and started again: every fragment gets exactly one result, and no
# command outlives its worker.
# shellcheck disable=SC1091,SC2016,SC2119,SC2154  # common.sh is beside it; what is in single quotes
# is for other shells
. "$(dirname "$0")/common.sh"

start_broker --worker-timeout $((soon + 1))s
start_gatherer
export FANFOLD_BROKER=$broker_endpoint
for name in w1 w2 w3; do start_worker "$name" --slots 2 --allow-exec; done
await_workers 3

each_once() {  # NUMBER FILE: the numbers up to this one, each once
    same "each result once in $2" "$(seq "$1")" "$(sort -n "$2")"
}

# --- one worker of three, in the middle of a job ---
start map fanfold map 'sleep 0.05; echo {}' ::: $(seq 120)
await "some results" has_lines 10 map.out
stop w2 KILL
ended map
same "the exit code after a worker's death" 0 "$code"
each_once 120 map.out

# The same with a great many short fragments.
start_worker w2 --slots 2 --allow-exec
many=1000000
[[ -z ${FANFOLD_SANITIZER:-} ]] || many=100000
seq "$many" >numbers
fanfold map --function fanfold.echo <numbers >map.out 2>map.log &
started[map]=$!
await "some results" has_lines 1000 map.out
stop w3 KILL
ended map
same "the exit code" 0 "$code"
cmp -s numbers <(sort -n map.out) ||
    fail "not each of $many results once: $(sort -n map.out | uniq -d |
    wc -l) doubles, $(wc -l <map.out) lines"

# --- a killed worker's commands die with it; its fragments run elsewhere ---
await_workers 2
stop w1
await_workers 1  # w2
start map fanfold map -k \
    'echo $$ >>'"$work"'/pids; test -e '"$work"'/go || { setsid sleep 300 & sleep 300; }; echo {}' \
    ::: a b
await "two commands run" has_lines 2 pids
stop w2 KILL
none_left pids
touch go

# --- all are gone: the job waits, and goes on when one comes back ---
await_workers 0
alive "${started[map]}" || fail "map did not wait for a worker: $(cat map.log)"
start_worker w4 --slots 2 --allow-exec
ended map
same "the exit code" 0 "$code"
same "results" $'a\nb' "$(cat map.out)"

# …or it ends at its deadline, with a list.
start map fanfold map -k --deadline $((patience / 8)) 'test {} -lt 3 || exec sleep 300; echo {}' ::: \
    1 2 3 4 5
await "results of what was quick" has_lines 2 map.out
stop w4 KILL
ended map
same "the exit code at the deadline" 3 "$code"
has_line 'expired.*no worker offers.*3 of 5 missing: .*3-' map.log ||
    fail "no outcome with its reason: $(cat map.log)"

# --- a worker that is silent for longer than --worker-timeout, and comes back ---
start_worker w5 --slots 2
start_worker w6 --slots 2
fanfold map --output json --function fanfold.sleep < <(yes 0.1 | head -n 80) >map.out 2>map.log &
started[map]=$!
await "some results" has_lines 5 map.out
kill -STOP "${started[w5]}"
await_workers 1
kill -CONT "${started[w5]}"
ended map
same "the exit code" 0 "$code"
same "each index once" "$(seq 0 79)" "$(field index <map.out | sort -n)"
await_workers 2


# --- a fragment that kills its worker ---
# Whichever worker runs it: `crashed`; its neighbours are innocent.
stop w5
stop w6
start_worker w7 --slots 2 --allow-exec
echo "${started[w7]}" >worker.pid
killer="until kill -KILL \$(cat $work/worker.pid); do sleep 0.05; done; sleep 300"
start map fanfold map -k "test {} != bad || { $killer; }; echo {}" ::: 1 2 3 bad 4 5 6
lives=1
while alive "${started[map]}"; do
    if dead "${started[w7]}"; then
        ended w7
        lives=$((lives + 1))
        start_worker w7 --slots 2 --allow-exec
        echo "${started[w7]}" >worker.pid
    fi
    sleep 0.1
done
ended map
same "the exit code with a fragment that kills" 1 "$code"
same "the results of its neighbours" $'1\n2\n3\n4\n5\n6' "$(cat map.out)"
for words in 'fragment 4 crashed' '1 of 7 missing: crashed: 4'; do has_line "$words" map.log ||
    fail "no '$words': $(cat map.log)"; done
((lives <= 6)) || fail "it killed $((lives - 1)) workers"
alive "${started[w7]}" || fail "the worker is killed once more"
