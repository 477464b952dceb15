#!/bin/bash
# scripts/fleet-local.sh: up, up again, status, a process that died, down; and it never kills a
# process that it did not start.
set -eu -o pipefail
fleet=$(cd "$(dirname "$0")/../.." && pwd)/scripts/fleet-local.sh
work=$(mktemp -d)
export FANFOLD_RUN=$work/run
stranger=
finish() {
    local status=$?
    ((status == 0)) || tail -n 20 "$work"/run/*.log >&2 || true
    [[ -z $stranger ]] || kill "$stranger" 2>/dev/null || true
    "$fleet" down >/dev/null || true
    rm -rf "$work"
    exit "$status"
}
trap finish EXIT
fail() {
    echo "fleet_local_test: $*" >&2
    exit 1
}
# Fails unless the command ends with this exit code and its output matches.
expect() {
    local code=$1 pattern=$2 status=0 output
    shift 2
    output=$("$@" 2>&1) || status=$?
    [[ $status == "$code" && $output =~ $pattern ]] ||
        fail "'$*' ended with $status, and said: $output"
}
port=$FANFOLD_TEST_PORT
bin=${FANFOLD_BIN:?}

expect 3 '^no fleet in ' "$fleet" status
expect 0 '^no fleet in ' "$fleet" down
expect 1 "takes a number from 1 to 4096, not 'many'" "$fleet" up --slots many
expect 1 "unknown argument '--wrokers'" "$fleet" up --wrokers 2

expect 0 "export FANFOLD_BROKER=tcp://127.0.0.1:$port"'$' "$fleet" up --workers 2 --slots 1 \
    --volatile --port "$port" -- --function wc='wc -w'
expect 1 'a fleet is up already' "$fleet" up --port "$port"
expect 0 'broker +running.*gatherer +running.*worker-1 +running.*worker-2 +running' "$fleet" status
[[ $(find "$FANFOLD_RUN" -name '*.pid' | wc -l) == 4 ]] || fail "not four pid files"

# A worker that died is told of, and what stands in for its pid is not touched: here a process with
# another start time.
mapfile -t pids < <(cut -d ' ' -f 1 "$FANFOLD_RUN"/*.pid)
read -r victim start <"$FANFOLD_RUN/worker-2.pid"
kill -KILL "$victim"
for ((tries = 0; tries < 100; tries++)); do
    "$fleet" status >"$work/status" || break
    sleep 0.1
done
grep -Eq '^worker-2 +ended' "$work/status" || fail "the killed worker still counts as running"
sleep 1000 &
stranger=$!
echo "$stranger $start" >"$FANFOLD_RUN/worker-2.pid"

expect 0 'is down' "$fleet" down
kill -0 "$stranger" || fail "down killed a process that up did not start"
for pid in "${pids[@]}"; do
    state=$(cut -d ' ' -f 3 "/proc/$pid/stat" 2>"$work/gone") || continue
    [[ $state == Z ]] || fail "process $pid is left"
done
expect 3 '^no fleet in ' "$fleet" status

# With keys: a client finds its own by what `up` says, and without them it is told what it lacks.
expect 0 "export FANFOLD_BROKER=.*export FANFOLD_KEYS=$FANFOLD_RUN/keys/client" "$fleet" up \
    --secure --workers 1 --volatile --port "$port"
(
    eval "$("$fleet" status | grep '^export')"
    expect 0 '^12$' "$bin/fanfold" map -k --function fanfold.echo ::: 12
    unset FANFOLD_KEYS
    expect 255 'wants keys; .*--keys' "$bin/fanfold" jobs
) || exit 1
expect 0 'is down' "$fleet" down

# A program that can't start: its own words, an error, and nothing is left behind.
expect 0 'is up|are up' "$fleet" up --workers 0 --port "$port"
FANFOLD_RUN=$work/second expect 1 'is not ready' "$fleet" up --workers 1 --port "$port"
FANFOLD_RUN=$work/second expect 3 '^no fleet in ' "$fleet" status
