#!/bin/bash
# `fanfold map` in one process: options, policies, forms of output, files that it writes, exit
# codes.
# shellcheck disable=SC1091,SC2016,SC2119,SC2154  # common.sh is beside it; what is in single quotes
# is for other shells
. "$(dirname "$0")/common.sh"

# --- exit codes: the number of fragments without a good result ---
run 0 fanfold map true ::: a
silent
run 1 fanfold map 'exit {}' ::: 0 7
says 'fragment 2 failed: exit code 7'
says 'partial.*1 of 2 missing.*failed: 2'
run 3 fanfold map 'exit {}' ::: 1 2 0 3
run 100 fanfold map --quiet 'false {}' < <(seq 100)
silent
run 101 fanfold map --quiet 'false {}' < <(seq 101)
run 101 fanfold map --quiet 'false {}' < <(seq 300)
run 1 fanfold map 'kill -KILL $$; true' ::: a
says 'fragment 1 failed: .*(SIGKILL|signal 9|Killed)'
run 255 fanfold map --gather nonsense true ::: a

# --- stdout and stderr pass through, of good and of failed commands; nothing is interleaved ---
run 1 fanfold map -k --quiet 'echo out{}; echo err{} >&2; exit {}' ::: 0 1
same "stdout" $'out0\nout1' "$(cat out)"
same "stderr" $'err0\nerr1' "$(cat err)"
run 0 fanfold map --no-shell printf '%s' ::: 'no line end'
same "bytes" 'no line end' "$(cat out; echo)"
printf '\0\1\xff\n\n' >bytes
run 0 fanfold map cat ::: bytes
cmp -s bytes out || fail "bytes do not pass through unchanged"
cat >lines.sh <<'END'
for line in 1 2 3 4 5 6 7 8; do
    echo "$1 out $line"
    echo "$1 err $line" >&2
done
END
run 0 fanfold map -j 8 sh lines.sh < <(seq 60)
same "runs of one fragment in stdout" 60 "$(cut -d ' ' -f 1 out | uniq | wc -l)"
same "runs of one fragment in stderr" 60 "$(cut -d ' ' -f 1 err | uniq | wc -l)"
prints '' fanfold map cat ::: /dev/stdin </dev/null
run 0 fanfold map -j 4 'head -c 50000000 /dev/zero; :' ::: a b
same "100 MB" 100000000 "$(wc -c <out)"

# --- options ---
# -j 1: one at a time; each command fails if another one runs.
run 0 fanfold map -j 1 'mkdir only && sleep 0.05 && rmdir only && :' ::: 1 2 3 4 5 6 7 8
prints $'slow\nfast' fanfold map -k -j 2 \
    'test {} = fast || until [ -e fast ]; do sleep 0.05; done; touch {}; echo {}' ::: slow fast
rm -f fast slow
prints $'fast\nslow' fanfold map -j 2 \
    'test {} = fast || until [ -e fast ]; do sleep 0.05; done; test {} = fast || sleep 0.5; touch {}; echo {}' ::: slow fast
prints $'a b\t1\na b\t2\nc\t1\nc\t2' fanfold map -k --tag 'printf "1\n2\n"; :' ::: 'a b' c
run 0 fanfold map -k --tag 'echo {} >&2' ::: a b
same "--tag on stderr" $'a\ta\nb\tb' "$(cat err)"
# Where few files may be open, fewer run at a time, and it says so.
run 0 bash -c 'ulimit -n 64; exec fanfold map -k -j 32 "sleep 0.1; echo {}" ::: $(seq 20)'
same "what runs with few files" "$(seq 20)" "$(cat out)"
says '^fanfold: fragments at a time: 4 instead of 32: .*ulimit -n'
run 255 bash -c 'ulimit -n 34; exec fanfold map echo ::: 1'
says '^fanfold: the limit of open files is 34, and the program itself needs 40; .*ulimit -n'
mkdir folder
prints "$work/folder x=y z" fanfold map --cwd folder --env NAME='x=y' --env OTHER=z \
    'echo "$(pwd -P) $NAME $OTHER"; :' ::: a
run 1 fanfold map --cwd "$work/nowhere" true ::: a
says 'nowhere'
prints $'echo 1\necho \'$x\'' fanfold map --dry-run echo ::: 1 '$x'
run 2 fanfold map --quiet false ::: a b
silent

# FANFOLD_JOB, _INDEX from 0, _SEQ from 1, _ATTEMPT
run 0 fanfold map -k 'echo $FANFOLD_JOB $FANFOLD_INDEX $FANFOLD_SEQ $FANFOLD_ATTEMPT; :' ::: a b c
same "numbers and attempts" $'0 1 1\n1 2 1\n2 3 1' "$(cut -d ' ' -f 2-4 out)"
same "one job" 1 "$(cut -d ' ' -f 1 out | sort -u | grep -cE '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$')"

# --retries: fails twice, then succeeds. Only the last attempt's output is seen.
prints $'a 3\nb 3' fanfold map -k --retries 2 \
    'echo {} $FANFOLD_ATTEMPT; test $FANFOLD_ATTEMPT = 3' ::: a b
silent
run 1 fanfold map --retries 1 'test $FANFOLD_ATTEMPT = 3 && :' ::: a

# --max-output: an error that names the limit; what fits goes through.
run 1 fanfold map --max-output 1k 'head -c 2000 /dev/zero; :' ::: a
says 'fragment 1 failed: .*1024|fragment 1 failed: .*1 ?[kK]'
run 0 fanfold map --max-output 2k 'head -c 2000 /dev/zero; :' ::: a
run 1 fanfold map --max-output 1k 'yes; :' ::: a
run 1 fanfold map --max-output 1k 'yes >&2; :' ::: a

# --- policies ---
prints 0 fanfold map -j 2 --gather first 'echo $$ >>pids; sleep {}; echo {}' ::: 300 0
prints $'0\n0' fanfold map -j 3 --gather quorum=2 'echo $$ >>pids; sleep {}; echo {}' ::: 0 300 0
prints $'0\n0' fanfold map -j 3 --gather available --deadline "$soon" \
    'echo $$ >>pids; sleep {}; echo {}' ::: 0 0 300
run 1 fanfold map -k -j 3 --deadline "$soon" 'echo $$ >>pids; sleep {}; echo {}' ::: 0 0 300
same "values before the deadline" $'0\n0' "$(cat out)"
says 'expired.*1 of 3 missing.*: 3$'
run 3 fanfold map -j 1 --deadline 1s 'echo $$ >>pids; sleep {}' ::: 300 1 2
says 'never started: 2-3'
run 0 fanfold map --max-failures 1 'exit {}' ::: 0 1 0
run 0 fanfold map --max-failures 50% 'exit {}' ::: 1 0
run 4 fanfold map -j 1 --max-failures 1 \
    'test {} = 1 || { echo $$ >>pids; exec sleep 300; }; exit 1' ::: 1 1 2 2
says 'failed: 2 fragments failed, 1 is tolerated'
run 2 fanfold map -j 2 --fail-fast 'test {} = 0 || echo $$ >>pids; sleep {}; exit 1' ::: 0 300
says 'failed: 1; cancelled: 2'
# With one slot nothing starts after the failure, of what was to run in the same go, too. A failure
# takes its time: a value that is on its way when the job ends may come too late to count.
run 3 fanfold map --fail-fast -j 1 'echo {} >>ran; sleep 0.{}; exit {}' ::: 0 3 0 0
same "what ran up to the failure" $'0\n3' "$(cat ran)"
run 4 fanfold map --max-failures 1 -j 1 'echo {} >>again; sleep 0.{}; exit {}' ::: 1 0 3 0 0
same "what ran up to the failure that was one too many" $'1\n0\n3' "$(cat again)"
run 2 fanfold map --halt now,fail=1 -j 1 'exit {}' ::: 0 1 0
prints $'0\n0' fanfold map --halt now,success=2 -j 3 'echo $$ >>pids; sleep {}; echo {}' ::: 0 300 0
run 1 fanfold map --gather quorum=2 'sleep {}; exit {}' ::: 0 1
says 'failed'
none_left pids

# --- functions ---
seq 1 100000 >numbers
run 0 fanfold map -k --function fanfold.echo <numbers
cmp -s numbers out || fail "fanfold.echo in order is not its input"
run 0 fanfold map --function fanfold.echo <numbers
cmp -s numbers <(sort -n out) || fail "fanfold.echo as completed is not its input"
run 2 fanfold map --function fanfold.fail ::: why 'and why'
says 'fragment 1 failed: why'
run 1 fanfold map --timeout "$soon" --function fanfold.sleep ::: 0 300
says 'fragment 2 timed out'
prints $'{"a":[1,2.5,null,true]}\n7\nä' fanfold map -k --json-lines --function fanfold.echo \
    <<<$'{"a": [1, 2.5, null, true]}\n7\n"ä"'
run 0 fanfold map -k --declare wc='wc -w' --function wc ::: 'a b' '' 'c d e'
same "a declared function" $'2\n0\n3' "$(cat out)"
run 0 fanfold map --declare same=cat --json-lines --function same <<<'{"a":[2],"b":1}'
same "an object is a line of JSON on stdin" '{"a":[2],"b":1}' "$(grep . out)"

# --- forms of output, and files ---
run 1 fanfold map -k --output json 'echo "out {}"; echo err >&2; exit {}' ::: 0 3
says_not '^err$'
python3 - out <<'END' || fail "--output json: $(cat out)"
import json, sys
good, bad = [json.loads(line) for line in open(sys.argv[1])]
assert (good["index"], good["outcome"], good["attempt"]) == (0, "value", 1), good
assert good["value"] == {"stdout": "out 0\n", "stderr": "err\n"}, good
assert good["seconds"] >= 0 and good["worker"], good
assert (bad["index"], bad["outcome"], bad["exit_code"], bad["attempt"]) == (1, "failed", 3, 1), bad
assert "exit code 3" in bad["error"] and "value" not in bad, bad
END
run 2 fanfold map -k --results results --joblog joblog 'echo {1}{2}; echo e >&2; exit {2}' ::: a b \
    ::: 0 1
for pair in a/0 a/1 b/0 b/1; do
    [[ $pair =~ (.)/(.) ]]
    folder=results/1/${BASH_REMATCH[1]}/2/${BASH_REMATCH[2]}
    same "$folder/stdout" "${BASH_REMATCH[1]}${BASH_REMATCH[2]}" "$(cat "$folder/stdout")"
    same "$folder/stderr" e "$(cat "$folder/stderr")"
done
same "the joblog's columns" \
    "$(printf 'Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand')" \
    "$(head -n 1 joblog)"
same "the joblog's fragments" $'1\t0\t0\n2\t1\t0\n3\t0\t0\n4\t1\t0' "$(tail -n +2 joblog |
    sort -n | cut -f 1,7,8)"
run 1 fanfold map --joblog joblog --timeout 1s 'sleep {}' ::: 300
[[ $(tail -n 1 joblog | cut -f 8) =~ ^(9|15)$ ]] ||
    fail "the signal of a command that was killed is not in the joblog: $(cat joblog)"

# The progress bar: on a terminal or when asked for.
run 0 fanfold map --progress true ::: a b
[[ -s err ]] || fail "--progress shows nothing"
run 0 fanfold map true ::: a b
silent

# --- what a job asks of a fleet over TCP reaches its broker ---
start_broker
start_gatherer
start_worker worker --slots 2 --allow-exec
export FANFOLD_BROKER=$broker_endpoint
shown() { fanfold status --output json last | field "$1"; }   # NAME
shows() { [[ $(shown "$1") == "$2" ]]; }                      # NAME VALUE
start mapping fanfold map --max-running 1 --priority 3 --weight 2.5 --hedge off --compress --cwd \
    "$work" \
    'echo {} >>begun; until [ -e go ]; do sleep 0.05; done; echo {}' ::: 1 2 3
await "the first fragment runs" test -s begun
await "all are accepted" shows accepted 3
same "--max-running" 1 "$(shown max_running)"
same "--priority" 3 "$(shown priority)"
same "--weight" 2.5 "$(shown weight)"
same "fragments at a time" 1 "$(shown running)"
run 0 fanfold status last
has_line '^share +priority 3, weight 2.5, at most 1 fragments at a time$' out ||
    fail "the share is not shown: $(cat out)"
same "nothing ran beside it" 1 "$(wc -l <begun)"
touch go
ended mapping
same "the exit code" 0 "$code"
same "the results" $'1\n2\n3' "$(sort mapping.out)"
