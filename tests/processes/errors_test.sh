#!/bin/bash
# Wrong input: each is told clearly, naming the thing, and ends with the right exit code. Nothing
# hangs.
# common.sh is beside it; what is in single quotes is for other shells
# shellcheck disable=SC2034,SC1091,SC2016,SC2119,SC2154
. "$(dirname "$0")/common.sh"

# wrong REGEX COMMAND…: ends with 255, prints nothing, says this in one line of its own.
wrong() {
    local pattern=$1
    shift
    run 255 "$@"
    says "^(fanfold|fanfold-[a-z]+): .*$pattern"
    [[ ! -s out ]] || fail "'$*' printed $(cat out)"
}

# --- the command line ---
wrong "unknown verb 'mop'.*did you mean map" fanfold mop
wrong "unknown option --bogus" fanfold map --bogus echo ::: a
wrong "unknown option --bogus" fanfold --bogus map echo ::: a
wrong "COMMAND.*missing" fanfold map
wrong "timeout" fanfold map --timeout
wrong "takes no COMMAND.*'echo'" fanfold map --function fanfold.echo echo ::: a
wrong "--pipe" fanfold map --pipe cat ::: a
for duration in abc 10x -1s '' 1h2 '5 s' 1.5.2s; do
    wrong "--timeout.*'$duration'" fanfold map --timeout "$duration" echo ::: a
    wrong "--deadline.*'$duration'" fanfold map --deadline "$duration" echo ::: a
done
wrong "--connect-timeout.*'soon'" fanfold jobs --broker tcp://127.0.0.1:1 --connect-timeout soon
for policy in some quorum quorum= quorum=0 quorum=x first=2 ''; do
    wrong "--gather '$policy'" fanfold map --gather "$policy" echo ::: a
done
for failures in some -1 101% 5%% '' 1.5; do
    wrong "--max-failures '$failures'" fanfold map --max-failures "$failures" echo ::: a
done
for halt in some now,fail=0 soon,fail=1 now,done=1 2; do
    wrong "--halt '$halt'" fanfold map --halt "$halt" echo ::: a
done
wrong "--output 'xml'" fanfold map --output xml echo ::: a
wrong "-j '-x'" fanfold map -j -x echo ::: a
wrong "-j 'many'" fanfold map -j many echo ::: a
wrong "--retries '-1'" fanfold map --retries -1 echo ::: a
wrong "--block.*'huge'" fanfold map --pipe --block huge cat
wrong "--array.*'1-x'" fanfold map --array 1-x echo
wrong "--colsep.*'\('" fanfold map --colsep '(' echo ::: a
wrong "-d 'ab'" fanfold map -d ab echo ::: a
wrong "--csv --colsep 'ab'" fanfold map --csv --colsep ab echo ::: a
wrong "--header.*no first line" fanfold map --header : echo
wrong "double quote is not closed" fanfold map --csv echo <<<'"a'
wrong "--env 'x'" fanfold map --env x echo ::: a
wrong "--declare 'x'" fanfold map --declare x --function x ::: a
wrong "input line 2 is not JSON" fanfold map --quiet --json-lines --gather available \
    --deadline 300s --function fanfold.fail <<<$'1\n{'
wrong "JOB is missing" fanfold status --broker tcp://127.0.0.1:1
wrong "needs a broker" fanfold jobs
wrong "needs a broker" fanfold submit echo ::: a

# --- things that are not there ---
wrong "unknown function 'nope'.*--declare" fanfold map --function nope ::: a
wrong "missing file.*[Nn]o such file" fanfold map echo :::: 'missing file'
wrong "missing file.*[Nn]o such file" fanfold map -a 'missing file' echo
wrong "missing file.*[Nn]o such file" fanfold map --pipe -a 'missing file' cat
run 1 fanfold map --no-shell no-such-command ::: a
says 'fragment 1 failed: .*no-such-command.*not found'
run 1 fanfold map 'no-such-command {} | cat; exit 127' ::: a
says 'not found'
touch regular
wrong "regular/below" fanfold map --results regular/below echo ::: a
wrong "regular/below" fanfold map --joblog regular/below echo ::: a
wrong "regular/below" fanfold map --log-file regular/below echo ::: a
run 1 fanfold map --max-output 10 'head -c 11 /dev/zero; :' ::: a
says 'fragment 1 failed: .*limit of 10 bytes.*--max-output'
[[ -e /dev/full ]] && {
    code=0
    timeout "$patience" fanfold map echo ::: a >/dev/full 2>err || code=$?
    same "the exit code when stdout is full" 255 "$code"
    says "standard output.*[Nn]o space"
}

# --- brokers ---
nobody=tcp://127.0.0.1:$((first_port + 9))
for endpoint in foo tcp://127.0.0.1 tcp://127.0.0.1:99999 tcp://:7 http://127.0.0.1:80; do
    wrong "--broker.*'$endpoint'" fanfold jobs --broker "$endpoint"
    FANFOLD_BROKER=$endpoint wrong "FANFOLD_BROKER.*'$endpoint'" fanfold map echo ::: a
    wrong "--bind.*'$endpoint'" fanfold-broker --bind "$endpoint"
    wrong "--broker.*'$endpoint'" fanfold-worker --broker "$endpoint"
    wrong "--bind.*'$endpoint'" fanfold-gatherer --bind "$endpoint"
done
for verb in "map --function fanfold.echo ::: a" "submit --function fanfold.echo ::: a" jobs \
    "status last" workers; do
    # shellcheck disable=SC2086  # words on purpose
    wrong "no broker answers at $nobody" \
        env FANFOLD_BROKER="$nobody" fanfold --connect-timeout 500ms $verb
done
# A listener that is no broker at all.
python3 -c 'import socket, sys, time
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
time.sleep(600)' "$((first_port + 9))" >deaf.log 2>&1 &
started[deaf]=$!
wrong "no broker answers at $nobody" fanfold jobs --broker "$nobody" --connect-timeout 1s

start_broker --user-payload 10000
wrong "cannot bind $broker_endpoint: the address is in use; .*--bind" fanfold-broker --bind "$broker_endpoint"
export FANFOLD_BROKER=$broker_endpoint
wrong "cannot bind $broker_endpoint: .*in use" \
    fanfold map --broker '' --bind "$broker_endpoint" echo ::: a
wrong "cannot bind $broker_endpoint: .*in use" fanfold-gatherer --bind "$broker_endpoint"
wrong "--declare is for an embedded fleet.*$broker_endpoint.*FANFOLD_BROKER" \
    fanfold map --declare 'x=cat' --function x ::: a
wrong "--bind is for an embedded fleet" fanfold map --bind tcp://127.0.0.1:1 echo ::: a
wrong "there is no last job" fanfold status last
wrong "unknown job 'abcdef'" fanfold results abcdef
wrong "unknown job 'abcdef'" fanfold cancel abcdef
wrong "unknown job 'nonsense!'" fanfold wait 'nonsense!'
wrong "JOB '' is empty" fanfold wait ''

wrong "no gatherer is connected.*fanfold-gatherer" fanfold map --function fanfold.echo ::: a
start_gatherer
start_worker w1
large=$(printf '%10001s' '')
wrong "fragment 1: its payload has 10006 bytes, the broker takes at most 10000; split it" fanfold map --function fanfold.echo ::: "$large"
# It may have printed the first by then.
run 255 fanfold map --function fanfold.echo ::: a "$large" b
says "fragment 2: its payload has .*at most 10000"
wrong "fragment 2: its payload has .*at most 10000" fanfold submit --function fanfold.echo ::: a "$large" b
run 2 fanfold map --deadline 1s --function nope ::: a b
says "no worker offers the function 'nope'; it waits for one"
says "expired: .*no worker offers the function 'nope'.*2 of 2 missing: never started: 1-2"

# --- workers ---
wrong "--function.*'wc'.*NAME=" fanfold-worker --function wc
wrong "label 'x*…' is longer than 200 bytes" \
    fanfold-worker --label "$(head -c 70000 /dev/zero | tr '\0' x)"
wrong "fanfold.echo" fanfold-worker --function fanfold.echo=cat
run_badly() {
    code=0
    timeout "$patience" "$@" >out 2>err || code=$?
    ((code != 0 && code != 124)) || fail "'$*' ended with $code"
}
run_badly fanfold-worker --slots 0
says 'slots'
run_badly fanfold-broker --worker-timeout never
says 'worker-timeout|never'
