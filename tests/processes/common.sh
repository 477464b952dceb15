#!/bin/bash
# What the tests of real programs share. Sourced: it makes a work folder of its own and enters it,
# and at exit ends the processes that were started here, by pid, and says what they logged if the
# test failed.
#
# Waits have generous bounds, for slow and busy machines; nothing is measured by them. Needs
# FANFOLD_BIN, and FANFOLD_TEST_PORT where TCP is used (20 ports from there are the test's own).
# With FANFOLD_TEST_SECURE=1 the fleet over TCP has keys.
# shellcheck disable=SC2034  # some are for those that source this
set -u -o pipefail
test_name=$(basename "$0" .sh)
PATH=$FANFOLD_BIN:$PATH
unset FANFOLD_BROKER FANFOLD_KEYS
patience=40
soon=2  # seconds in which a quick command surely ends, or what it starts has started
if [[ -n ${FANFOLD_SANITIZER:-} ]]; then
    patience=160
    soon=6
fi
work=$(mktemp -d)
cd "$work" || exit 1
export XDG_STATE_HOME=$work/state-home  # of daemons that are told nothing of --state
declare -A started=()  # name -> pid

fail() {
    echo "$test_name: $*" >&2
    exit 1
}

finish() {
    local status=$? name
    # By SIGKILL: what a test has to say about a graceful end, it says itself.
    for name in "${!started[@]}"; do kill -CONT "${started[$name]}" 2>/dev/null &&
        kill -KILL "${started[$name]}" 2>/dev/null; done
    wait 2>/dev/null
    if ((status != 0)); then
        for name in "$work"/*.log; do
            [[ -s $name ]] && tail -n 25 -v "$name" >&2
        done
    fi
    cd / && rm -rf "$work"
    exit "$status"
}
trap finish EXIT

# --- running a command to its end ---
# run CODE COMMAND…: the command must end with this exit code. Leaves its streams in the files `out`
# and `err`.
run() {
    local wanted=$1 code=0
    shift
    timeout -k 5 "$patience" "$@" >out 2>err || code=$?
    ((code == wanted)) && return
    fail "'$*' ended with $code instead of $wanted (124: not within $patience s)
--- its stdout begins with
$(head -c 2000 out)
--- its stderr ends with
$(tail -c 2000 err)"
}

# same WHAT WANTED GOT
same() {
    [[ $2 == "$3" ]] || fail "$1: wanted
${2:0:2000}
--- but got
${3:0:2000}
--- the last stderr:
$(tail -c 1000 err 2>/dev/null)"
}

# prints WANTED COMMAND…: the command ends well and prints exactly this (a last line end aside).
prints() {
    local wanted=$1
    shift
    run 0 "$@"
    same "$*" "$wanted" "$(cat out)"
}

# says REGEX: what the last `run` wrote to stderr matches.
says() { grep -Eq -e "$1" err || fail "no line of the last stderr matches '$1': $(cat err)"; }
says_not() { ! grep -Eq -e "$1" err || fail "the last stderr should not match '$1': $(cat err)"; }
silent() { [[ ! -s err ]] || fail "nothing was to be said on stderr, but: $(cat err)"; }

# --- waiting and processes ---
# await WHAT COMMAND…: until the command succeeds.
await() {
    local what=$1 until=$((SECONDS + patience))
    shift
    until "$@" >/dev/null 2>&1; do
        ((SECONDS < until)) || fail "not within $patience s: $what"
        sleep 0.1
    done
}

alive() { [[ -e /proc/$1/stat ]] &&
    [[ $(sed 's/.*) //; s/ .*//' "/proc/$1/stat" 2>/dev/null) == [^ZX] ]]; }
dead() { ! alive "$1"; }
has_line() { grep -Eq -e "$1" "$2"; }                      # REGEX FILE
has_lines() { [[ -e $2 ]] && (($(wc -l <"$2") >= $1)); }  # NUMBER FILE

# Commands under test write their pids into a file, a line each: `echo $$ >>FILE; exec …`.
none_left() {
    local pid
    while read -r pid; do await "process $pid of $1 ends" dead "$pid"; done <"$1"
}

# start NAME COMMAND…: in the background, its streams in NAME.out and NAME.log.
start() {
    local name=$1
    shift
    : >"$name.out" # of an earlier one of this name nothing is seen from here on
    "$@" </dev/null >"$name.out" 2>>"$name.log" &
    started[$name]=$!
}

# ended NAME: waits for its end; its exit code is left in `code`.
ended() {
    await "$1 (pid ${started[$1]}) ends" dead "${started[$1]}"
    code=0
    { wait "${started[$1]}" || code=$?; } 2>/dev/null
    unset "started[$1]"
}

stop() {  # NAME [SIGNAL]
    kill -"${2:-TERM}" "${started[$1]}" || fail "$1 does not run"
    ended "$1"
}

# --- a fleet over TCP ---
first_port=${FANFOLD_TEST_PORT:-}
broker_endpoint=tcp://127.0.0.1:$first_port

# Folders of keys, in `keys`; those of clients serve every `fanfold` from then on.
keys=$work/keys
make_key() {  # NAME ROLES
    fanfold keygen --keys "$keys/$1" --name "$1" --roles "$2" --trust "$keys/broker/broker.pub" \
        >>"$keys/broker/allowed" ||
        fail "no key for $1"
}
make_keys() {
    mkdir -m 700 "$keys"
    fanfold keygen --keys "$keys/broker" --for-broker || fail "no key for the broker"
    make_key gatherer gather
    make_key worker work
    make_key client submit
}
of_broker=() of_gatherer=() of_worker=()
if [[ -n ${FANFOLD_TEST_SECURE:-} ]]; then
    make_keys
    of_broker=(--keys "$keys/broker") of_gatherer=(--keys "$keys/gatherer") \
        of_worker=(--keys "$keys/worker")
    export FANFOLD_KEYS=$keys/client
fi

ready() {  # NAME
    dead "${started[$1]}" && return 0  # what follows tells
    has_line '^ready' "$1.out"
}

start_ready() {
    local name=$1
    start "$@"
    await "$name is ready" ready "$name"
    alive "${started[$name]}" || fail "$name ended at its start: $(cat "$name.log")"
}

# kept_where OPTION…: leaves in `kept` how a daemon with these options is told where its state is:
# in memory, unless they name a folder.
kept_where() {
    local option
    kept=(--volatile)
    for option; do [[ $option == --state || $option == --state=* || $option == --volatile ]] &&
        kept=(); done
}

start_broker() {
    kept_where "$@"
    start_ready broker fanfold-broker --bind "$broker_endpoint" "${of_broker[@]}" "${kept[@]}" "$@"
}
start_gatherer() {
    kept_where "$@"
    start_ready gatherer fanfold-gatherer --broker "$broker_endpoint" --bind \
        "tcp://127.0.0.1:$((first_port + 2))" --name gatherer \
        "${of_gatherer[@]}" "${kept[@]}" "$@"
}
start_worker() {  # NAME [OPTION…]
    local name=$1
    shift
    start_ready "$name" fanfold-worker --broker "$broker_endpoint" --name "$name" \
        "${of_worker[@]}" "$@"
}

# The broker knows exactly this many workers.
workers_known() { [[ $(fanfold workers --broker "$broker_endpoint" --output json |
    wc -l) == "$1" ]]; }
await_workers() { await "the broker knows $1 workers" workers_known "$1"; }

# field NAME: of the JSON objects on stdin, one a line.
field() { python3 -c 'import json, sys
for line in sys.stdin: print(json.loads(line)[sys.argv[1]])' "$1"; }
