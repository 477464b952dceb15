#!/bin/bash
# Commands on a worker of an open network: what they may not see, keep, use up or leave behind; and
# what no input turns into.
# shellcheck disable=SC1091,SC2016,SC2119,SC2154  # common.sh is beside it; what is in single quotes
# is for other shells
. "$(dirname "$0")/common.sh"

start_broker
start_gatherer
export FANFOLD_BROKER=$broker_endpoint

# --- input is never shell syntax ---
hostile=('$(touch pwned)' '; touch pwned' "a'b" $'line\nbreak' '`touch pwned`' '"; touch pwned; "' \
    '-n' '* ? ~' '| touch pwned' 'a\b' '')
printf '%s\n' "${hostile[@]}" >wanted
fanfold map --broker '' -k "printf '%s\n' {}" ::: "${hostile[@]}" >out 2>err ||
    fail "map with hostile inputs: $(cat err)"
cmp -s wanted out || fail "inputs through the shell: $(diff wanted out)"
fanfold map --broker '' -k --no-shell printf '%s\n' {} ::: "${hostile[@]}" >out 2>err ||
    fail "map --no-shell: $(cat err)"
cmp -s wanted out || fail "inputs without a shell: $(diff wanted out)"
prints $'$(touch pwned)\n; rm x\na\'b\nline\nbreak' fanfold map --broker '' -k 'echo \
    {}' ::: '$(touch pwned)' '; rm x' "a'b" $'line\nbreak'
[[ ! -e pwned ]] || fail "an input was run"

# --- without --allow-exec ---
start_worker closed --function upper='tr a-z A-Z' --function where='pwd; env'
await_workers 1
run 1 fanfold map --deadline "$soon" 'touch '"$work"'/pwned; echo {}' ::: x
says "no worker offers the function 'fanfold\.exec'; workers run the command lines of jobs with --allow-exec; it waits"
[[ ! -e pwned ]] || fail "a command from the network ran without --allow-exec"
prints $'A' fanfold map --function upper ::: a
for chosen in '--env BASH_ENV=/tmp/x' '--cwd /'; do
    # shellcheck disable=SC2086  # an option and its value
    run 1 fanfold map --function upper $chosen ::: a
    says "leave out --env and --cwd, or start it with --allow-exec"
done
stop closed

# --- what a command gets ---
exec 9</etc/passwd
SECRET=hunter2 AWS_SECRET_ACCESS_KEY=hunter3 LC_NUMERIC=C PASSED=along \
    start_worker open --slots 2 --allow-exec --keep-env PASSED --limit-memory 256M \
        --limit-cpu 1s --limit-files 20
exec 9<&-
await_workers 1
run 0 fanfold map 'env; cat /proc/$PPID/environ | tr "\0" "\n"; :' ::: x
has_line hunter out && fail "a secret of the worker's environment reaches its commands: $(cat out)"
for wanted in PATH= FANFOLD_JOB= FANFOLD_INDEX=0 LC_NUMERIC=C PASSED=along; do
    has_line "^$wanted" out || fail "its environment has no $wanted: $(cat out)"
done
prints 'mine' fanfold map --env SECRET=mine 'echo $SECRET; :' ::: x
prints $'0\n1\n2' fanfold map 'ls /proc/$$/fd; :' ::: x

# A folder of its own, empty, gone afterwards; unless the job names one.
run 0 fanfold map -k --cwd fresh 'pwd; ls -A | wc -l; mkdir -p a/b; touch a/b/file; sleep 0.1; :' ::: 1 2
same "two folders" 2 "$(grep -c /fanfold-commands- out)"
same "both different and empty" 3 "$(sort -u out | wc -l)"
grep / out >folders
gone() { [[ ! -e $1 ]]; }
while read -r folder; do await "$folder is removed" gone "$folder"; done <folders
prints "$work" fanfold map --cwd "$work" 'pwd; :' ::: x

# --- the memory and environment of worker and guardian ---
# Root may look everywhere, so here the worker runs as somebody else where this test is root's.
as_nobody=()
if ((EUID == 0)); then
    as_nobody=(setpriv --reuid=65534 --regid=65534 --clear-groups)
    chmod 755 .
    has_line 'warning worker: it runs as root' open.log ||
        fail "no warning of root: $(cat open.log)"
fi
mkdir -m 755 programs
cp "$(command -v fanfold-worker)" "$(command -v fanfold-guardian)" programs
stop open
await_workers 0
SECRET=hunter2 start_ready other "${as_nobody[@]}" programs/fanfold-worker --allow-exec \
    --broker "$broker_endpoint"
await_workers 1
has_line 'INSECURE.*runs any command here.*--allow-exec' other.log ||
    fail "no warning of --allow-exec without keys: $(cat other.log)"
for log in open.log other.log; do has_line 'info worker: what commands start is held by ' "$log" ||
    fail "$log does not say by what commands are held: $(cat "$log")"; done
((EUID == 0)) && has_line 'as root' other.log && fail "a warning of root where it is another user"
prints shut fanfold map 'for file in environ mem maps; do
    cat <"/proc/$PPID/$file" || cat <"/proc/'"${started[other]}"'/$file"
    done || echo shut; :' ::: x
prints 1 fanfold map 'tr "\0" "\n" <"/proc/$$/environ" | grep -c ^FANFOLD_INDEX; :' ::: x
stop other
await_workers 0
start_worker open --slots 2 --allow-exec --limit-memory 256M --limit-cpu 1s --limit-files 20
await_workers 1

# --- limits, named by what they stop ---
run 1 fanfold map --no-shell sh -c 'while :; do :; done' {} ::: x
says 'signal 24 .SIGXCPU., it used the 1s of the worker.s --limit-cpu'
run 1 fanfold map 'python3 -c "bytearray(1 << 30)" {}' ::: x
says 'MemoryError.*--limit-memory 268435456'
run 1 fanfold map 'python3 -c "files = [open(\"/dev/null\") for _ in range(30)]" {}' ::: x
says 'Too many open files.*--limit-files 20'

# --- no core dump ---
ulimit -c unlimited 2>/dev/null
run 1 fanfold map --cwd "$work" 'kill -SEGV $$; :' ::: x
run 1 fanfold map --broker '' 'kill -SEGV $$; :' ::: x
[[ -z $(find . -name '*core*') ]] || fail "a core dump was written: $(find . -name '*core*')"
prints 0 fanfold map 'ulimit -c; :' ::: x
prints 0 fanfold map --broker '' 'ulimit -c; :' ::: x

# --- nothing that a command starts outlives it ---
daemon='import os, sys, time
if os.fork(): sys.exit()
os.setsid()
if os.fork(): os._exit(0)
open(sys.argv[1], "a").write("%d\n" % os.getpid())
os.close(0), os.close(1), os.close(2)
if len(sys.argv) > 2: os.execve("/bin/sleep", ["sleep", "300"], {})
time.sleep(300)'
printf '%s' "$daemon" >daemon.py
for left in "" bare; do  # with its environment, and without
    : >pids
    # Another command, begun later, runs on beside it, and its own background process with it.
    start beside fanfold map \
        'sleep 1; touch '"$work"'/beside; (sleep 300 & echo $! >>'"$work"'/own; wait) & wait; :' \
        ::: x
    await "the command beside it" test -e beside
    prints well fanfold map "python3 $work/daemon.py $work/pids $left; until [ -s $work/pids ]; do sleep 0.1; done; echo well; :" ::: x
    has_lines 1 pids || fail "no daemon"
    [[ $left == bare ]] && stop beside INT  # it is older: what has no mark could be its own
    none_left pids
    [[ $left == bare ]] && continue
    while read -r pid; do alive "$pid" || fail "a background process of a running command was killed"; done <own
    stop beside INT
    none_left own
    rm -f beside own
done
: >pids
start cancelled fanfold map "python3 $work/daemon.py $work/pids; sleep 300; :" ::: x
await "a daemon" has_lines 1 pids
stop cancelled INT
none_left pids

# --- a command that kills the guardian takes nothing out of its worker's hands ---
: >pids
run 1 fanfold map '(env -i setsid sleep 300 & echo $! >>'"$work"'/pids)
    echo $$ >>'"$work"'/pids
    sleep 0.3; kill -KILL $PPID; sleep 300; :' ::: x
says 'killed by signal 9'
has_lines 2 pids || fail "no daemon: $(cat pids)"
none_left pids
prints again fanfold map 'echo again; :' ::: x

# --- the worker's end, even by SIGKILL, takes commands and folders with it ---
: >pids
start killed fanfold map --cwd fresh \
    'pwd >'"$work"'/folder; echo $$ >>'"$work"'/pids; touch file; sleep 300; :' ::: x
await "the command runs" has_lines 1 pids
stop open KILL
none_left pids
await "its folder is removed" gone "$(dirname "$(cat folder)")"
stop killed KILL
