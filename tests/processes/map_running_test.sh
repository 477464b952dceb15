#!/bin/bash
# `fanfold map` in one process, while it runs: timeouts kill all that a command started, Ctrl-C, a
# closed stdout, an endless stdin, and a process that is killed. No command is ever left running.
# shellcheck disable=SC1091,SC2016,SC2119,SC2154  # common.sh is beside it; what is in single quotes
# is for other shells
. "$(dirname "$0")/common.sh"

# --- timeouts ---
run 1 fanfold map -j 2 --timeout "$soon" 'echo $$ >>slow; sleep {} && echo good {}' ::: 0 300
same "the good result" 'good 0' "$(cat out)"
says "fragment 2 timed out: .*${soon}s.*sleep"
says 'partial.*1 of 2 missing: timeout: 2$'
none_left slow
run 1 fanfold map --timeout 1s 'sleep {}' ::: 0 5
says 'fragment 2 timed out'

# What a command started is killed with it: also in a session of its own, orphaned, or deaf to
# SIGTERM.
cat >family.sh <<'END'
echo $$ >>family
setsid sh -c 'echo $$ >>family; exec sleep 300' &
(setsid sh -c 'echo $$ >>family; exec sleep 300' &)
sh -c 'trap "" TERM; echo $$ >>family; while :; do sleep 1; done' &
while [ "$(wc -l <family)" -lt 4 ]; do sleep 0.05; done
touch started
exec sleep 300
END
run 1 fanfold map --timeout $((2 * soon)) 'sh {}' ::: family.sh
[[ -e started ]] || fail "the command did not get so far: $(cat family)"
same "processes of the command" 4 "$(wc -l <family)"
none_left family

# --- Ctrl-C ---
# (A background process of a script ignores SIGINT; python puts the signal back to what a terminal's
# process has.)
cat >as_at_terminal.py <<'END'
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execvp(sys.argv[1], sys.argv[1:])
END
interrupt() {  # SIGNAL CODE OPTION…
    local signal=$1 wanted=$2
    shift 2
    : >running
    : >map.log
    start map python3 as_at_terminal.py fanfold map -j 3 "$@" \
        'echo $$ >>running; echo begun; exec sleep {}' ::: 300 301 302 303 304
    await "three commands run" has_lines 3 running
    stop map "$signal"
    same "the exit code after SIG$signal" "$wanted" "$code"
    has_line 'interrupted' map.log || fail "after SIG$signal nothing says so: $(cat map.log)"
    same "commands started" 3 "$(wc -l <running)"
    none_left running
}
interrupt INT 130
has_line 'cancelled' map.log || fail "it does not say that the job is cancelled: $(cat map.log)"
interrupt INT 130 --quiet
interrupt TERM 143

# What is interrupted gets SIGTERM and its grace: traps run to their end.
for how in INT TERM fail-fast; do
    rm -f running cleaned
    inputs=(a)
    [[ $how == fail-fast ]] && inputs=(a fails)
    start map python3 as_at_terminal.py fanfold map -j 2 --fail-fast \
        'test {} = a || { until [ -e running ]; do sleep 0.05; done; exit 1; }
         trap "sleep 0.3; touch cleaned; exit" TERM; touch running; while :; do sleep 0.1; done' \
        ::: "${inputs[@]}"
    await "the command runs" test -e running
    [[ $how == fail-fast ]] || kill -"$how" "${started[map]}"
    ended map
    [[ -e cleaned ]] || fail "a command's trap has not run to its end after $how"
done

# Ctrl-Z and fg reach the commands, in sessions of their own as they are. (The system stops only
# what a shell of the same session, in another process group, could let go on again.)
cat >as_of_shell.py <<'END'
import os, signal, sys
os.setsid()
child = os.fork()
if child == 0:
    os.setpgid(0, 0)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    with open("job", "w") as file: file.write("%d\n" % os.getpid())
    os.execvp(sys.argv[1], sys.argv[1:])
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
END
: >running
start shell python3 as_of_shell.py fanfold map 'echo $$ >>running; sleep 300; : ' ::: a
await "the command runs" has_lines 1 running
state_of() { sed 's/.*) //; s/ .*//' "/proc/$1/stat"; }
is_stopped() { [[ $(state_of "$1") == T ]]; }
goes_on() { [[ $(state_of "$1") != T ]]; }
kill -TSTP "$(cat job)"
await "the program is stopped" is_stopped "$(cat job)"
await "its command is stopped" is_stopped "$(cat running)"
kill -CONT "$(cat job)"
await "its command goes on" goes_on "$(cat running)"
kill -INT "$(cat job)"
ended shell
same "the exit code" 130 "$code"
none_left running

# An impatient second one, against commands that are deaf to SIGTERM.
: >running
start map python3 as_at_terminal.py fanfold map \
    'trap "" TERM; echo $$ >>running; while sleep 1; do :; done; : ' ::: a
await "the command runs" has_lines 1 running
kill -INT "${started[map]}"
await "the interruption is told or the process is gone" has_line 'interrupted|cancel' map.log &
sleep 0.3
kill -INT "${started[map]}" 2>/dev/null
ended map
wait
same "the exit code after two interruptions" 130 "$code"
none_left running

# --- SIGKILL: the commands die with the process ---
: >running
start map fanfold map -j 2 'echo $$ >>running; setsid sleep 300 & sleep 300; : ' ::: a b
await "two commands run" has_lines 2 running
stop map KILL
none_left running

# --- a closed stdout ---
# The whole pipeline's codes: seq may be told of its closed pipe.
timeout "$patience" fanfold map -j 2 'echo {}' < <(yes) 2>err | head -n 1 >out
codes=("${PIPESTATUS[@]}")
same "the exit code with a closed stdout" 0 "${codes[0]}"
same "what head has seen" y "$(cat out)"
silent
timeout "$patience" fanfold map -j 2 --function fanfold.echo < <(yes) 2>err | head -n 3 >out
codes=("${PIPESTATUS[@]}")
same "the exit code of a function's results with a closed stdout" 0 "${codes[0]}"
same "what head has seen of a function's results" $'y\ny\ny' "$(cat out)"
silent

timeout "$patience" fanfold map --dry-run echo < <(yes) 2>err | head -n 1 >out
codes=("${PIPESTATUS[@]}")
same "the exit code of a --dry-run with a closed stdout" 0 "${codes[0]}"
same "what head has seen of a --dry-run" "echo y" "$(cat out)"

# --- an endless stdin: results come while it is open ---
mkfifo inputs
for options in "-k" "-j 1"; do
    # shellcheck disable=SC2086  # words on purpose
    fanfold map $options 'echo got {}' <inputs >map.out 2>map.log &
    started[map]=$!
    exec 5>inputs
    for number in 1 2 3; do
        echo "$number" >&5
        await "the result of input $number, while stdin is open" has_line "^got $number\$" map.out
    done
    exec 5>&-
    ended map
    same "the exit code at the end of stdin" 0 "$code"
done

# A stdin far longer than what may be on its way.
run 0 fanfold map -k --function fanfold.echo < <(seq 3000000 |
    sed 's/$/ and so forth, a line of some length/')
same "lines of a long stdin" 3000000 "$(wc -l <out)"
same "the last of them" '3000000 and so forth, a line of some length' "$(tail -n 1 out)"
