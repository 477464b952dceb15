#!/bin/bash
# Connections that prove no key: however many there are, and whatever they send, a fleet with keys
# serves those who have one, and takes little memory for the others.
# shellcheck disable=SC1091,SC2154  # common.sh is beside it
peers=$(realpath "$(dirname "$0")/hostile_peers.py")
export FANFOLD_TEST_SECURE=1
. "$(dirname "$0")/common.sh"
python=/usr/bin/python3 # the one that Debian's packages are for
if ! "$python" -c 'import msgpack, zmq' 2>err; then
    echo "skipped: $python lacks zmq or msgpack; scripts/setup.sh --checks installs them"
    exit 0
fi
export FANFOLD_BROKER=$broker_endpoint
connections=500 size=$((200 << 20)) most=128 # MiB
if [[ -n ${FANFOLD_SANITIZER:-} ]]; then
    connections=20 size=$((20 << 20)) most=4000 # a sanitizer walks through what is set aside
fi

# The broker may open few files.
start broker bash -c 'ulimit -n 200 && exec "$@"' - \
    fanfold-broker --volatile --bind "$broker_endpoint" "${of_broker[@]}"
await "the broker is ready" ready broker
start_gatherer
start_worker w1 --slots 2 --function 'nap=sleep 0.01; cat'
await_workers 1

peak() { awk '$1 == "VmHWM:" { print int($2 / 1024) }' "/proc/${started[$1]}/status"; }
before=([0]=$(peak broker) [1]=$(peak gatherer))
seq 1 300 >numbers
start job fanfold map --connect-timeout 60s -k --function nap -a numbers
await "the job's first results" has_lines 1 job.out
run 0 "$python" "$peers" handshakes "$connections" "$size" "$first_port" "$((first_port + 1))" \
    "$((first_port + 2))" "$((first_port + 3))"
cat out
ended job
same "the job beside it" "0 $(md5sum <numbers)" "$code $(md5sum <job.out)"
after=([0]=$(peak broker) [1]=$(peak gatherer))
for i in 0 1; do
    echo "a daemon had ${before[i]} MiB, and has had ${after[i]} MiB at most"
    ((after[i] - before[i] < most)) || fail "a daemon took $((after[i] - before[i])) MiB more"
done
has_line 'a connection is closed peer=127.0.0.1: it sent much without proving a key' gatherer.log ||
    fail "the gatherer's log does not say what it closed"

# --- many that say nothing ---
start idle "$python" "$peers" half-open 600 5 "$first_port" "$((first_port + 3))"
await "the eldest of one address are closed" has_line \
    'a connection is closed peer=127.0.0.1: too many of one address have not proved a key' \
    gatherer.log
await "no more come than the broker may open files" has_line \
    'a connection is closed peer=127.0.0.1: this program may open no more files' broker.log
prints "$(cat numbers)" fanfold map --connect-timeout 60s -k --function fanfold.echo -a numbers
ended idle
