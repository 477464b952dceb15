#!/bin/bash
# A gatherer is drained while jobs run and results lie there: all of them go to another one, which
# takes the workers' results and the clients from then on, and the first one may end. Nothing runs
# twice, nothing is lost, a job key still finds its job, and what failed can be retried.
# shellcheck disable=SC1091,SC2016,SC2154  # common.sh is beside it; what is in single quotes is for
# other shells
. "$(dirname "$0")/common.sh"
export FANFOLD_BROKER=$broker_endpoint
operator=(fanfold)
if [[ -n ${FANFOLD_TEST_SECURE:-} ]]; then
    make_key operator submit,admin
    operator=(fanfold --keys "$keys/operator")
fi

start_one() {  # NAME PORT [OPTION…]
    start_ready "$1" fanfold-gatherer --broker "$broker_endpoint" --name "$1" --bind \
        "tcp://127.0.0.1:$((first_port + $2))" "${of_gatherer[@]}" --memory 32M "${@:3}"
}
count_of() {  # GATHERER FIELD
    fanfold gatherers --output json | grep "\"name\":\"$1\"" | field "$2"
}
at_least() { [[ -e $2 ]] && (($(wc -l <"$2") >= $1)); }
gatherer_of() { fanfold status "$1" --output json | field gatherer; }

start_broker --state broker-state --worker-timeout "${soon}s"
start_one one 2 --state one-state
start_worker w --slots 2 --allow-exec
await_workers 1

# --- what the first one has: ended jobs, one of them larger than its memory, one with a failure and
# a key; one that runs and is collected, and one that runs and is not ---
run 0 fanfold submit --function fanfold.echo ::: a b c
small=$(cat out)
run 0 fanfold submit 'head -c 12000000 /dev/zero | tr "\0" {}' ::: 1 2 3 4 5
large=$(cat out)
run 0 fanfold submit --job-key mended '[ -e mended ] || [ {} != 2 ] || exit 3; echo {}' ::: 1 2 3
keyed=$(cat out)
for job in "$small" "$large"; do run 0 fanfold wait "$job"; done
run 1 fanfold wait "$keyed"
# The fifth fragment waits for the file `go`.
waiting='[ {} != 5 ] || until [ -e '"$work"'/go ]; do sleep 0.1; done; echo {}'
start mapping fanfold map -k -j 1 'echo {} >>'"$work/runs; $waiting" ::: {1..20}
run 0 fanfold submit -j 1 --retries 1 'echo {} >>'"$work/others; $waiting" ::: {1..20}
running=$(cat out)
await "some of the first ran" at_least 5 runs
await "some of the second ran" at_least 5 others
same "running jobs of one" 2 "$(count_of one running)"
same "ended jobs of one" 3 "$(count_of one ended)"

# --- no other gatherer is there; then one is ---
run 0 "${operator[@]}" gatherers drain one
await "one is draining" eval '[[ $(count_of one draining) == True ]]'
same "why its jobs stay" "no other gatherer with a store is here that could take its jobs" \
    "$(count_of one trouble)"
start_one two 5 --state two-state
run 0 "${operator[@]}" gatherers drain --wait one
same "running jobs of two" 2 "$(count_of two running)"
same "ended jobs of two" 3 "$(count_of two ended)"
stop one TERM
rm -rf one-state
: >go

# --- all is there ---
ended mapping
same "exit code of the job that was collected" 0 "$code"
same "its output" "$(seq 1 20)" "$(cat mapping.out)"
run 0 fanfold wait "$running"
run 0 fanfold results -k "$running"
same "the output of the other" "$(seq 1 20)" "$(cat out)"
same "what ran twice" "" "$(sort runs | uniq -d)$(sort others | uniq -d)"
run 0 fanfold results -k "$small"
same "a small job" $'a\nb\nc' "$(cat out)"
run 0 fanfold results -k "$large"
same "a large job" "$(for i in 1 2 3 4 5; do head -c 12000000 /dev/zero | tr '\0' $i; done |
    sha256sum)" "$(sha256sum <out)"
run 0 fanfold submit --job-key mended '[ -e mended ] || [ {} != 2 ] || exit 3; echo {}' ::: 1 2 3
same "the job of the key" "$keyed" "$(cat out)"
same "its gatherer" two "$(gatherer_of "$keyed")"
: >mended
run 0 "${operator[@]}" retry "$keyed"
run 0 fanfold wait "$keyed"
run 0 fanfold results -k "$keyed"
same "its values, once mended" $'1\n2\n3' "$(cat out)"

# --- a new one, and over a restart of all ---
run 0 fanfold map -k --function fanfold.echo ::: x y
same "a new job" $'x\ny' "$(cat out)"
stop two KILL
stop broker KILL
start_broker --state broker-state --worker-timeout "${soon}s"
start_one two 5 --state two-state
await_workers 1
run 0 fanfold results -k "$large"
same "the large job after restarts" 60000000 "$(wc -c <out)"

# --- one that is killed on the way keeps what it has ---
run 0 fanfold submit --function fanfold.echo ::: d e f
kept=$(cat out)
run 0 fanfold wait "$kept"
start_one three 8 --state three-state
kill -STOP "${started[three]}"
run 0 "${operator[@]}" gatherers drain two
stop three KILL
run 0 "${operator[@]}" gatherers resume two
await "two takes jobs again" eval '[[ $(count_of two draining) == False ]]'
run 0 fanfold results -k "$kept"
same "what was to go to one that was killed" $'d\ne\nf' "$(cat out)"

# --- wrong calls ---
run 255 "${operator[@]}" gatherers drain
says 'a NAME is missing; .fanfold gatherers. lists them'
run 255 "${operator[@]}" gatherers empty two
says "unknown action 'empty'; drain NAME and resume NAME there are"
run 255 "${operator[@]}" gatherers drain missing
says "there is no gatherer 'missing'; fanfold gatherers has those that there are"
run 255 "${operator[@]}" gatherers resume --wait two
says -- '--wait is for drain, not for resume'
if [[ -n ${FANFOLD_TEST_SECURE:-} ]]; then
    run 255 fanfold gatherers drain two
    says 'administrator|may not send Drain'
fi
