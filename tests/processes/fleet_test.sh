#!/bin/bash
# A fleet over TCP: broker, gatherer and three workers as processes of their own, and every verb of
# the CLI against it.
# shellcheck disable=SC1091,SC2016,SC2119,SC2154  # common.sh is beside it; what is in single quotes
# is for other shells
. "$(dirname "$0")/common.sh"

# (So long a timeout shows at the end that a killed worker is noticed by its connection.)
start_broker --worker-timeout 300s
start_gatherer
start_worker w1 --slots 2
start_worker w2 --slots 2 --function wc='wc -w'
start_worker w3 --slots 1 --function \
    'env=sh -c "echo \$FANFOLD_JOB \$FANFOLD_INDEX \$FANFOLD_ATTEMPT"'
await_workers 3
export FANFOLD_BROKER=$broker_endpoint

# --- map ---
seq 1 100000 >numbers
run 0 fanfold map -k --function fanfold.echo <numbers
cmp -s numbers out || fail "fanfold.echo in order is not its input"
silent
run 0 env -u FANFOLD_BROKER fanfold map --broker "$broker_endpoint" --function fanfold.echo <numbers
cmp -s numbers <(sort -n out) || fail "fanfold.echo as completed is not its input"
# All three have a part in a job that takes some time.
run 0 fanfold map --output json --function fanfold.sleep < <(yes 0.02 | head -n 60)
same "workers that took part" $'w1\nw2\nw3' "$(field worker <out | sort -u)"
run 0 fanfold map -k --function wc ::: 'a b' '' 'c d e'
same "an operator's function" $'2\n0\n3' "$(cat out)"
run 255 fanfold results last
says 'its results are gone: they went to the map that ran it'
run 0 fanfold map -k --function env ::: a b
same "what a declared command is told" $'0 1\n1 1' "$(grep . out | cut -d ' ' -f 2,3)"
run 2 fanfold map -k --function fanfold.fail ::: 'no reason' 'another'
says 'fragment 1 failed: no reason'
says 'fragment 2 failed: another'

# Nobody here runs foreign command lines; the job says at once what it waits for, and ends by its
# deadline.
run 1 fanfold map --deadline 1s echo ::: a
says "no worker offers the function 'fanfold.exec'; workers run the command lines of jobs with --allow-exec; it waits"
says "expired: .*no worker offers the function 'fanfold.exec'.*never started: 1"

# --- workers, functions ---
run 0 fanfold workers
grep -Eq '^w2 +2 .*fanfold.echo fanfold.fail fanfold.sleep wc +-$' out ||
    fail "no good line for w2: $(cat out)"
run 0 fanfold workers --output json
python3 - out <<'END' || fail "workers --output json: $(cat out)"
import json, sys
workers = {w["name"]: w for w in map(json.loads, open(sys.argv[1]))}
assert {name: w["slots"] for name, w in workers.items()} == {"w1": 2, "w2": 2, "w3": 1}
assert all(w["stuck_slots"] == 0 and w["running"] == 0 for w in workers.values())
assert all(w["finished"] > 0 for w in workers.values())
assert workers["w3"]["functions"] == ["env", "fanfold.echo", "fanfold.fail", "fanfold.sleep"]
END
run 0 fanfold functions
grep -Eq '^fanfold.echo +5 +3$' out || fail "no good line for fanfold.echo: $(cat out)"
grep -Eq '^wc +2 +1$' out || fail "no good line for wc: $(cat out)"
run 0 fanfold functions --output json
same "functions" $'env\nfanfold.echo\nfanfold.fail\nfanfold.sleep\nwc' "$(field name <out)"
same "who offers wc" '{"name":"wc","slots":2,"workers":["w2"]}' "$(grep '"wc"' out)"

# --- submit, wait, results, status, jobs ---
run 0 fanfold submit --function fanfold.echo ::: one two three
silent
first=$(cat out)
[[ $first =~ ^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$ ]] || fail "submit printed '$first'"
run 0 fanfold wait "$first"
[[ ! -s out ]] || fail "wait printed $(cat out)"
prints $'one\ntwo\nthree' fanfold results "$first" -k
prints $'one\ntwo\nthree' fanfold results -k --now last
run 0 fanfold results last
same "results a third time, as completed" $'one\nthree\ntwo' "$(sort out)"
run 0 fanfold results --output json -k "$first"
same "values in json" $'one\ntwo\nthree' "$(field value <out)"
run 0 fanfold status "$first"
for line in "job +$first" 'outcome +complete' 'total +3'; do has_line "^$line\$" out ||
    fail "status without '$line': $(cat out)"; done
run 0 fanfold status last --output json
same "status in json" "$first complete 3 3 0" "$(python3 -c '
import json
job = json.load(open("out"))
print(job["id"], job["outcome"], job["total"], job["values"], job["failed"])')"

run 0 fanfold submit --function fanfold.fail ::: bad worse
second=$(cat out)
run 2 fanfold wait last
says "$second partial"
run 2 fanfold results last
says 'fragment 2 failed: worse'
says "$second partial.*failed: 1-2"
[[ ! -s out ]] || fail "results of failures printed $(cat out)"
run 2 fanfold results --output json -k last
same "failures in json" $'bad\nworse' "$(field error <out)"
run 2 fanfold wait "$first" "$second"
run 2 fanfold wait --output json "$second"
same "wait in json" partial "$(field outcome <out)"

run 0 fanfold jobs
for line in "${first: -8} +(client +)?complete +3 +3 +0" \
    "${second: -8} +(client +)?partial +2 +0 +2"; do
    has_line "^$line " out || fail "jobs without '$line': $(cat out)"
done
run 0 fanfold jobs --output json
same "the last of all jobs" "$second" "$(field id <out | tail -n 1)"

# --- naming a job ---
ids=$(field id <out)
# The shortest end of the id with which no other ends or begins.
for ((length = 1; length <= 12; length++)); do
    (($(grep -c -e "^${first: -length}" -e "${first: -length}\$" <<<"$ids") == 1)) && break
done
run 0 fanfold status --output json "${first: -length}"
same "an end of an id" "$first" "$(field id <out)"
for ((length = 8; length <= 36; length++)); do
    (($(grep -c "^${first:0:length}" <<<"$ids") == 1)) && break
done
run 0 fanfold status --output json "${first:0:length}"
same "a beginning of an id" "$first" "$(field id <out)"
run 255 fanfold status "${first:0:2}"
says "'${first:0:2}' names [0-9]+ jobs .*give more"
run 0 fanfold submit --name nightly --function fanfold.echo ::: a b c d e
named=$(cat out)
run 0 fanfold wait nightly
prints $'b\nd\ne' fanfold results -k nightly 2,4-5
run 1 fanfold results nightly 2,9
same "what there is of the chosen ones" b "$(cat out)"
run 255 fanfold results nightly 2,x
says "fragments '2,x'"
run 2 fanfold results --failed "$second"
says 'fragment 1 failed: bad'
run 0 fanfold results --failed nightly
[[ ! -s out ]] || fail "--failed printed $(cat out)"
run 0 fanfold status --output json last last:2 "$first"
same "several jobs" "$named $second $first" "$(field id <out | paste -sd ' ')"
run 255 fanfold status last:99
says "unknown job 'last:99'"
run 0 fanfold submit --name nightly --function fanfold.echo ::: a
run 255 fanfold status nightly
says "'nightly' names 2 jobs"

# --- listing some ---
run 0 fanfold jobs --output json --state partial
same "partial ones" "$second" "$(field id <out | tail -n 1)"
run 0 fanfold jobs --output json --name night --limit 1
same "the latest of a name" nightly "$(field title <out)"
run 0 fanfold jobs --output json --since 0s
silent
[[ ! -s out ]] || fail "--since 0s printed $(cat out)"
run 255 fanfold jobs --state ended
says "--state 'ended'"
run 255 fanfold results 00000000-0000
says "unknown job '00000000-0000'"

# --- a running job ---
run 0 fanfold submit --function fanfold.sleep ::: 0 300 301
third=$(cat out)
some_results() { [[ $(fanfold results --now --quiet "$third") == 0 ]]; }
await "the first result is there" some_results
run 0 fanfold results --now "$third"
says 'still runs'
run 0 fanfold status "${third: -8}" --output json
same "a running job" running "$(field outcome <out)"
run 0 fanfold set --priority -3 --max-running 2 "$third"
same "set" "$third: priority -3, weight 1, at most 2 fragments at a time" "$(cat out)"
run 0 fanfold set --weight 2.5 --output json last
same "set in json" "-3 2.5 2" "$(python3 -c 'import json; job = json.load(open("out")); print(job["priority"], job["weight"], job["max_running"])')"
run 255 fanfold set "$third"
says 'nothing to set'
run 255 fanfold set --weight 0 "$third"
says "weight '0'"
run 255 fanfold set --priority 1 "$first"
says 'has ended'
start following fanfold results "$third"
await "results come while the job runs" has_line '^0$' following.out
start waiting fanfold wait "$third"
run 0 fanfold cancel --fragments 3 "$third"
same "cancel a fragment" "$third: 1 fragment has ended without a value" "$(cat out)"
run 0 fanfold cancel "$third"
same "cancel" "$third cancelled" "$(cat out)"
ended following
same "the exit code of results" 2 "$code"
ended waiting
same "the exit code of wait" 2 "$code"
has_line "$third cancelled" waiting.log || fail "wait does not say that it was cancelled: $(cat waiting.log)"
run 0 fanfold cancel "$third"
same "cancel again" "$third had ended: cancelled" "$(cat out)"
idle() { [[ $(fanfold workers --output json | field running | sort -u) == 0 ]]; }
await "the workers run nothing any more" idle

# A submitted job of commands: refused by workers that don't allow them, run by one that does.
run 0 fanfold submit -k 'echo {}' ::: a b
fourth=$(cat out)
waits() { fanfold status "$fourth" |
    grep -q "waits for.*no worker offers the function 'fanfold.exec'"; }
await "status says what the job waits for" waits
start_worker w4 --allow-exec
prints $'a\nb' fanfold results -k "$fourth"
prints $'c\nd' fanfold map -k echo ::: c d
run 1 fanfold map --timeout "$soon" 'echo $$ >>'"$work"'/pids; exec sleep {}' ::: 0 300
none_left pids


# Ctrl-C at the client ends what runs elsewhere.
rm -f pids
start map python3 -c 'import os, signal
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execvp("fanfold", ["fanfold", "map", "echo $$ >>'"$work"'/pids; exec sleep {}", ":::", "300", "301"])'
await "a command runs" has_lines 1 pids
stop map INT
same "the exit code after Ctrl-C" 130 "$code"
has_line 'interrupted: job .* cancelled' map.log ||
    fail "it does not say what became of the job: $(cat map.log)"
await "the workers run nothing any more" idle
none_left pids

# Big blocks there and big results back; a collector that wants no more.
head -c 40000000 /dev/urandom | base64 >big
run 0 fanfold map -k --pipe --block 5M cat <big
cmp -s big out || fail "a big stdin does not come back as it was"
run 0 fanfold submit -k --function fanfold.echo <numbers
run 0 fanfold wait last
timeout "$patience" fanfold results -k last 2>err | head -n 2 >out
codes=("${PIPESTATUS[@]}")
same "the exit code with a closed stdout, and what was seen" $'0\n1\n2' \
    "${codes[0]}"$'\n'"$(cat out)"
silent

# --- a worker that is asked to leave finishes what it runs and gives the rest back ---
stop w4
same "the exit code of a drained worker" 0 "$code"
await_workers 3
yes 0.1 | head -n 60 >naps
start mapping fanfold map -k -a naps --function fanfold.sleep
await "results come" has_lines 1 mapping.out
stop w1
same "the exit code of a worker that drained in the middle" 0 "$code"
ended mapping
same "the exit code of the job" 0 "$code"
same "its results" 60 "$(wc -l <mapping.out)"

# --- a killed worker is noticed long before its timeout ---
for name in w2 w3; do stop "$name"; done
for name in w5 w6; do
    start_worker "$name" --function hold="until [ -e '$work/go' ]; do sleep 0.1; done; cat"
done
await_workers 2
start mapping fanfold map -k --deadline 600s --function hold ::: a b
busy() { [[ $(fanfold workers --output json | field running | sort -u) != *0* ]]; }
await "both workers are busy" busy
stop w5 KILL
await_workers 1
touch go
ended mapping
same "the exit code" 0 "$code"
same "results" $'a\nb' "$(cat mapping.out)"
for name in w6 gatherer broker; do
    stop "$name"
    same "the exit code of $name" 0 "$code"
done
