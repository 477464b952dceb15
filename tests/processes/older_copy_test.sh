#!/bin/bash
# A backup of the gatherer or of the broker is taken while it runs, and put back later, or its state
# is removed: no job hangs, none lacks a value without a word, what can be run again runs, and a key
# still finds what a gatherer holds.
# shellcheck disable=SC1091,SC2016,SC2154  # common.sh is beside it; what is in single quotes is for
# other shells
. "$(dirname "$0")/common.sh"
export FANFOLD_BROKER=$broker_endpoint

durable_broker() { start_broker --worker-timeout "${soon}s" --state broker-state; }
durable_gatherer() { start_gatherer --state gatherer-state; }
back_up() { # DAEMON
    rm -rf copy
    run 0 fanfold backup --state "$1-state" copy
    has_line "^$1.db [0-9]+ bytes" out || fail "backup says: $(cat out)"
}
put_back() { # DAEMON
    stop "$1" KILL
    rm -rf "$1-state"
    [[ ! -d copy ]] || run 0 fanfold restore --state "$1-state" copy
    "durable_$1"
}
ran() { sort runs | uniq -c | awk '$1 > '"$1"; }
long_job() { # KEY: of 12 fragments, one after the other, which say when they ran
    rm -f runs
    (fanfold map -k --give-up 60s --job-key "$1" -j 1 \
        'echo {} >>'"$work"'/runs; sleep 0.5; echo {}' ::: {1..12} >output 2>map.err
    echo $? >map.code) &
    mapping=$!
}
at_least() { [[ -e runs ]] && (($(wc -l <runs) >= $1)); }

durable_broker
durable_gatherer
start_worker w --slots 1 --allow-exec
await_workers 1

# --- a job goes on over a state that has less of it ---
for name in gatherer broker; do
    long_job "over $name"
    await "three of it ran" at_least 3
    back_up "$name"
    await "seven of it ran" at_least 7
    put_back "$name"
    wait "$mapping"
    same "exit code after the $name's backup ($(tail -n 3 map.err))" 0 "$(cat map.code)"
    same "the output after it" "$(seq 1 12)" "$(cat output)"
    same "what ran three times" "" "$(ran 2)"
    [[ $name == broker ]] || has_line 'lost what it had of .*, as its state was put back' map.err ||
        fail "nobody said that the gatherer had lost something: $(cat map.err)"
done
# What the gatherer had confirmed since the broker's copy did not run again.
same "what ran twice after the broker's older state" "" "$(ran 1)"

# --- jobs that have ended, and their keys ---
back_up broker
run 0 fanfold submit --job-key later --function fanfold.echo ::: a b c
job=$(cat out)
run 0 fanfold wait "$job"
put_back broker
shows() { fanfold status "$job" 2>&1 | grep -Eq -e "$1"; }
await "the broker shows the job as complete again" shows complete
run 0 fanfold submit --job-key later --function fanfold.echo ::: a b c
same "the job of the key" "$job" "$(cat out)"
run 0 fanfold results -k "$job"
same "its results" "$(printf 'a\nb\nc')" "$(cat out)"

# --- without a backup ---
rm -rf copy
put_back gatherer
await "the broker shows that the results are lost" shows 'has lost its results since'
run 3 fanfold results "$job"
says 'has lost its results since'
run 255 fanfold retry "$job"
says 'values that it had are lost; submit it again'
run 0 fanfold map -k --function fanfold.echo ::: x y
same "a new job" "$(printf 'x\ny')" "$(cat out)"

# --- wrong calls ---
run 255 fanfold backup --state nowhere copy
says '^fanfold: nowhere holds no broker.db and no gatherer.db; name the --state'
run 255 fanfold backup --state '' copy
says "^fanfold: --state '': a folder is wanted"
run 255 fanfold backup
says 'one folder is wanted, for the copy; see fanfold backup --help'
back_up broker
run 255 fanfold backup --state broker-state copy
says 'cannot make copy/broker.db: File exists; name another folder'
run 255 fanfold restore --state broker-state copy
says 'broker-state/broker.db is there: end its daemon, and move that file away first'
run 255 fanfold restore --state other nowhere
says 'nowhere holds no broker.db and no gatherer.db: it is no backup'
head -c 5000 /dev/urandom >copy/broker.db
run 255 fanfold restore --state other copy
says 'copy/broker.db'
[[ ! -s other/broker.db ]] || fail "a damaged copy was put in place"
