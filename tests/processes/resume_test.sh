#!/bin/bash
# Going on after a kill, over a fleet with stores: one job for one key, however often it is
# submitted; retry and forget; and a map that goes on from its job log, with a broker and without
# one.
# shellcheck disable=SC1091,SC2016,SC2119,SC2154  # common.sh is beside it; what is in single quotes
# is for other shells
. "$(dirname "$0")/common.sh"
export FANFOLD_BROKER=$broker_endpoint

start_broker --worker-timeout "${soon}s" --state state
start_gatherer --state state
for name in w1 w2; do start_worker "$name" --slots 2 --allow-exec; done
await_workers 2

# script NAME LINE: a command of the test's own, which `run` can run.
script() {
    printf '#!/bin/bash\n%s\n' "$2" >"$1"
    chmod +x "$1"
}
status_field() { fanfold status --output json "$1" | field "$2"; }  # JOB FIELD
is_field() { [[ $(status_field "$1" "$2") == "$3" ]]; }             # JOB FIELD VALUE

# --- the same key twice: one job, and nothing runs twice ---
script twice "exec fanfold \"\$@\" --job-key twice 'echo {} >>$work/runs; echo {}' ::: a b c"
run 0 ./twice submit
job=$(cat out)
prints "$job" ./twice submit
run 0 fanfold wait "$job"
prints "$job" ./twice submit
same "executions" "$(printf 'a\nb\nc')" "$(sort runs)"
same "its key" twice "$(status_field "$job" key)"
prints $'a\nb\nc' ./twice map -k
prints $'a\nb\nc' ./twice map -k --resume
same "executions after all that" 3 "$(wc -l <runs)"

# --- another submission under the same key is refused, and changes nothing ---
refused() {  # REGEX COMMAND…
    local wanted=$1
    shift
    run 255 "$@"
    says "$wanted"
    [[ ! -s out ]] || fail "'$*' was refused, and printed: $(cat out)"
}
for verb in submit "map -k"; do
    script same_command "exec fanfold $verb --job-key twice 'echo {} >>$work/runs; echo {}' \"\$@\""
    refused "job key 'twice': the inputs differ from those of job $job among the first 3 fragments; use another key, or forget" \
        ./same_command ::: a X c
    refused "job key 'twice': job $job has 3 fragments, and the inputs end after 2" ./same_command \
        ::: a b
    refused "job key 'twice': job $job has 3 fragments, and the inputs go on past them" \
        ./same_command ::: a b c d
    # shellcheck disable=SC2086
    refused "job key 'twice': job $job is 'echo \{\} >>.*', not 'wc'" fanfold $verb --job-key \
        twice wc ::: a b c
    # shellcheck disable=SC2086
    refused "job key 'twice': job $job is of the function 'fanfold.exec', not of 'fanfold.echo'" \
        fanfold $verb --job-key twice --function fanfold.echo ::: a b c
done
refused "no job has the key 'nobody': nothing to resume" fanfold map --resume --job-key nobody \
    echo ::: a
refused "^fanfold: --job-key needs a broker that outlives the command" env -u FANFOLD_BROKER \
    fanfold map --job-key k echo ::: a
is_field "$job" outcome complete || fail "a refused submission has changed the job"
same "executions after refusals" 3 "$(wc -l <runs)"

# --- the client is killed in the middle of a submission, and started again ---
seq 1 100000 >input
mkfifo slow
# start_with_a_part NAME COMMAND…: its stdin has a part of the input, and does not end.
start_with_a_part() {
    local name=$1
    shift
    exec 9<>slow
    start "$name" bash -c 'exec "$@" <slow' - "$@"
    head -n 60000 input >slow
}
part_is_over() { exec 9>&-; }
accepted() { (($(fanfold jobs --output json | python3 -c 'import json, sys
print(max([job["accepted"] for job in map(json.loads, sys.stdin) if job["key"] == sys.argv[1]], \
    default=0))' "$1") >= $2)); }  # KEY NUMBER
start_with_a_part submitting fanfold submit --job-key big --function fanfold.echo
await "a part of the submission is accepted" accepted big 50000
# While it submits, nobody else may.
refused "another client is submitting job [0-9a-f-]+ with the key 'big'; wait for its end" \
    fanfold submit --job-key big --function fanfold.echo :::: input
stop submitting KILL
part_is_over
# Other inputs than those that were accepted are refused, and the job goes on waiting for the right
# ones.
sed 's/^4321$/x/' input >other
refused "job key 'big': the inputs differ from those of job [0-9a-f-]+ among the first [0-9]+ fragments" \
    fanfold submit --job-key big --function fanfold.echo :::: other
run 0 fanfold submit --job-key big --function fanfold.echo :::: input
big=$(cat out)
run 0 fanfold results -k "$big"
cmp -s input out || fail "the results of a submission in two parts differ from the input: $(diff input out | head -n 5)"

# --- the same with the broker and the gatherer killed as well ---
start_with_a_part submitting fanfold submit --job-key bigger --function fanfold.echo
await "a part of the submission is accepted" accepted bigger 50000
for name in submitting broker gatherer; do stop "$name" KILL; done
part_is_over
start_broker --worker-timeout "${soon}s" --state state
start_gatherer --state state
refused "job key 'bigger': the inputs differ from those of job [0-9a-f-]+ among the first [0-9]+ fragments" \
    fanfold submit --job-key bigger --function fanfold.echo :::: other
run 0 fanfold submit --job-key bigger --function fanfold.echo :::: input
run 0 fanfold results -k "$(cat out)"
cmp -s input out || fail "the results after all were killed differ from the input: $(diff input out | head -n 5)"
await_workers 2

# --- two clients at once with a new key: one job ---
ahead='is submitting|has just submitted|has taken over the submission of'
for round in 1 2 3 4 5; do
    for name in one other; do
        start "$name" fanfold submit --job-key "race $round" --function fanfold.echo :::: input
    done
    won=0
    for name in one other; do
        ended "$name"
        ((code == 0)) && won=$((won + 1))
        ((code == 0)) || has_line "another client ($ahead) job .* with the key 'race $round'" \
            "$name.log" ||
            fail "the slower of two clients with one key says: $(cat "$name.log")"
    done
    ((won > 0)) || fail "both of two clients with one key were refused"
    same "jobs with the key" 1 "$(fanfold jobs --output json | grep -c "\"key\":\"race $round\"")"
done

# --- the same with a map: killed, and then interrupted, and then brought to its end ---
start_with_a_part mapping fanfold map -k --job-key mapped --function fanfold.echo
await "the map prints" has_lines 1000 mapping.out
stop mapping KILL
part_is_over
start_with_a_part mapping fanfold map -k --job-key mapped --function fanfold.echo
await "the second map prints from the start" has_lines 1000 mapping.out
stop mapping INT
part_is_over
same "exit code of an interrupted map with a key" 130 "$code"
has_line "interrupted: job [0-9a-f-]+ goes on; the same command continues it, 'fanfold cancel [0-9a-f-]+' ends it" mapping.log ||
    fail "an interrupted map says: $(cat mapping.log)"
run 0 fanfold map -k --job-key mapped --function fanfold.echo :::: input
cmp -s input out || fail "a map in three parts prints something else than an undisturbed one: $(diff input out | head -n 5)"
same "jobs with the key" 1 "$(fanfold jobs --output json | grep -c '"key":"mapped"')"

# --- retry: what failed runs again, and nothing else ---
script wants_file "exec fanfold \"\$@\" --job-key wants 'echo {} >>$work/tries; test {} != b -o -e $work/now && echo done {}' ::: a b c"
run 0 ./wants_file submit
job=$(cat out)
run 1 fanfold wait "$job"
refused "can't be retried|complete" fanfold retry "$big"
run 0 ./wants_file submit
says "job $job has ended as partial; fanfold retry $job runs again what failed, fanfold forget $job frees the key"
run 1 ./wants_file map -k
same "what it printed" $'done a\ndone c' "$(cat out)"
says "job $job has ended as partial; fanfold retry $job runs again what failed"
touch now
prints "$job: 1 fragment runs again" fanfold retry "$job"
run 0 fanfold wait "$job"
prints $'done a\ndone b\ndone c' fanfold results -k "$job"
prints $'done a\ndone b\ndone c' ./wants_file map -k
same "executions with a retry" "$(printf 'a\nb\nb\nc')" "$(sort tries)"
same "its round" 1 "$(status_field "$job" round)"

# --- forget: the job, its results and its key ---
run 0 fanfold submit --job-key lasting 'sleep {}' ::: 300
lasting=$(cat out)
refused "job $lasting still runs" fanfold forget "$lasting"
run 0 fanfold cancel "$lasting"
prints "$job forgotten" fanfold forget "$job"
refused "unknown job" fanfold status "$job"
refused "unknown job" fanfold results "$job"
run 0 ./wants_file submit
[[ $(cat out) != "$job" ]] || fail "a job that was forgotten is found by its key"
run 0 fanfold wait "$(cat out)"
prints "{\"id\":\"$lasting\",\"forgotten\":true}" fanfold forget --output json "$lasting"

# --- a map that goes on from its job log ---
# Without a broker, and with one: killed in the middle, then resumed. Each line of the log stands
# for an output that was written.
script logged_map "exec fanfold map --joblog log \"\$@\" 'echo {} >>$work/seen; sleep 0.05; echo {#}-{}' :::: \$inputs"
export inputs=few
seq 101 160 >few
sed 's/^105$/x/' few >wrong
head -n 59 few >fewer
for broker in '' "$broker_endpoint"; do
    rm -f log seen
    start killed ./logged_map -k --broker "$broker"
    await "a part of the log is written" has_lines 10 log
    stop killed KILL
    logged=$(($(wc -l <log) - 1))
    (($(wc -l <killed.out) >= logged)) || fail "the log lists $logged fragments, but only $(wc -l <killed.out) were printed"
    truncate -s -3 log  # the last line is cut off, as a kill may do
    head -n "$logged" log | tail -n +2 | cut -f 1 | awk '{print $1 + 100}' | sort >listed
    run 0 ./logged_map --resume -k --broker "$broker"
    [[ ! -s err ]] || fail "a resumed map says: $(cat err)"
    same "fragments that a resumed map prints" "$((60 - logged + 1))" "$(wc -l <out)"
    head -n "$((logged - 1))" killed.out | cat - out >all
    seq 101 160 | awk '{print NR "-" $0}' | cmp -s - all || fail "a map in two parts prints something else than in one: $(head -n 70 all)"
    same "the log's numbers" "$(seq 1 60)" "$(tail -n +2 log | cut -f 1 | sort -n)"
    same "executions of each fragment that the log listed" "$(cat listed)" "$(grep -wFf listed seen | sort)"
    same "inputs that were run" "$(cat few)" "$(sort -u seen)"
    prints "" ./logged_map --resume -k --broker "$broker"  # all is done

    refused "Seq 5 of the job log log was run as '.*echo '5'-'105'', now it is '.*echo '5'-'x''; the command or the inputs are not the same: use another" \
        env inputs=wrong ./logged_map --resume --broker "$broker"
    refused "lists Seq 60, but the inputs end after 59" \
        env inputs=fewer ./logged_map --resume --broker "$broker"
done

# --- what failed by the log, of commands and of functions ---
script fails "exec fanfold map -k --broker '' --joblog failed \"\$@\" 'echo {}; test {} != b -o -e $work/better' ::: a b c"
run 1 ./fails
same "what failed is printed, too" $'a\nb\nc' "$(cat out)"
prints "" ./fails --resume
touch better
prints b ./fails --resume-failed
prints "" ./fails --resume-failed
same "the log's lines" $'1 0\n2 0\n2 1\n3 0' "$(tail -n +2 failed | cut -f 1,7 | tr '\t' ' ' | sort)"
prints $'1\n2\n3' fanfold map -k --joblog functions --function fanfold.echo ::: 1 2 3
prints $'4\n5' fanfold map -k --joblog functions --resume --function fanfold.echo ::: 1 2 3 4 5
prints 'echo 6' fanfold map --dry-run -k --joblog dry --resume echo ::: 6
[[ ! -e dry ]] || fail "a dry run has made a job log"
echo notes >foreign
refused "foreign is no job log" fanfold map --joblog foreign --resume echo ::: a
same "a foreign file is left as it is" notes "$(cat foreign)"
