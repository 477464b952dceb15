#!/bin/bash
# A fleet runs over ipc where its endpoints say so, without keys and with them: seen in the system's
# list of sockets. Folders that others could use are refused. And --compress: fewer bytes over TCP,
# the same results.
# shellcheck disable=SC1091,SC2119,SC2154  # common.sh beside it is read, and names the endpoint
proxy=$(realpath "$(dirname "$0")/proxy.py")
unset FANFOLD_TEST_SECURE  # it makes its own keys
. "$(dirname "$0")/common.sh"
run_folder=$work/run
over_ipc=ipc://$run_folder/broker
mkdir -m 700 "$run_folder"

# peers NAME: established connections at the socket of this name.
peers() { awk -v "name=$run_folder/$1" '$6 == "03" && $8 == name' /proc/net/unix | wc -l; }
# tcps: of this test's ports, those at which somebody listens.
tcps() {
    local offset ports=''
    for offset in 0 1 2 3; do ports+=$(printf '|:%04X' $((first_port + offset))); done
    awk -v "ports=(${ports:1})$" '$4 == "0A" && $2 ~ ports' /proc/net/tcp /proc/net/tcp6 | wc -l
}
echo_works() {
    run 0 fanfold map -k --function fanfold.echo <numbers
    cmp -s numbers out || fail "fanfold.echo in order is not its input"
}
seq 1 20000 >numbers
export FANFOLD_BROKER=$over_ipc

# --- a whole fleet -------------------------------------------------------------------------------
ipc_fleet() {
    start_ready broker fanfold-broker --bind "$over_ipc" --state state --worker-timeout 2s \
        "${of_broker[@]}"
    start_ready gatherer fanfold-gatherer --broker "$over_ipc" --bind "ipc://$run_folder/gatherer" \
        --state state --name gatherer "${of_gatherer[@]}"
    start_ready w1 fanfold-worker --broker "$over_ipc" --name w1 --slots 1 "${of_worker[@]}"
}
one_worker() { [[ $(fanfold workers --output json | wc -l) == 1 ]]; }
end_fleet() { for name in w1 gatherer broker; do stop "$name"; done; }

ipc_fleet
await "the broker knows the worker" one_worker
echo_works
same "connections to the broker (gatherer, worker)" 2 "$(peers broker)"
same "connections to the gatherer (worker)" 1 "$(peers gatherer)"
same "ports at which they listen" 0 "$(tcps)"
# The broker dies, and comes back at the socket that it left.
stop broker KILL
start_ready broker fanfold-broker --bind "$over_ipc" --state state --worker-timeout 2s
peers_are_back() { (($(peers broker) >= 2)) && one_worker; }
await "the peers are back" peers_are_back
echo_works
end_fleet

# --- with keys -----------------------------------------------------------------------------------
make_keys
of_broker=(--keys "$keys/broker") of_gatherer=(--keys "$keys/gatherer")
of_worker=(--keys "$keys/worker")
export FANFOLD_KEYS=$keys/client
rm -r state
ipc_fleet
await "the broker knows the worker" one_worker
echo_works
same "connections to the gatherer (worker)" 1 "$(peers gatherer)"
run 255 env -u FANFOLD_KEYS fanfold jobs
says 'wants keys'
end_fleet
unset FANFOLD_KEYS
of_broker=() of_gatherer=() of_worker=()

# --- folders that others could use ---------------------------------------------------------------
mkdir -m 755 readable
mkdir writable && chmod 777 writable
run 255 fanfold-broker --bind "ipc://$work/readable/broker" --volatile
says "cannot bind ipc://$work/readable/broker: its folder $work/readable is open to other users"
says "close it with: chmod 700 $work/readable, or make another with: mkdir -m 700 FOLDER"
run 255 fanfold-broker --bind "ipc://$work/missing/broker" --volatile
says "there is no folder $work/missing; make it with: mkdir -m 700 $work/missing"
run 255 fanfold-broker --bind ipc://@abstract --volatile
says 'has no folder'
run 255 fanfold-worker --broker "ipc://$work/writable/broker"
says "its folder $work/writable can be written by other users; make one of your own with: mkdir"
run 255 fanfold jobs --broker "ipc://$work/writable/broker"
says "its folder $work/writable can be written by other users"

# --- compressed ----------------------------------------------------------------------------------
# Through a proxy on each of the four ports, which counts: blocks, dispatches, results and values
# get smaller, the output stays the same.
near=$((first_port + 8))
start_broker --advertise "tcp://127.0.0.1:$near"
start_gatherer --advertise "tcp://127.0.0.1:$((near + 2))"
pairs=()
for offset in 0 1 2 3; do pairs+=("$((near + offset))=$((first_port + offset))"); done
start_ready proxy python3 "$proxy" counts counts "${pairs[@]}"
export FANFOLD_BROKER=tcp://127.0.0.1:$near
start_ready w1 fanfold-worker --name w1 --slots 1
await_workers 1
python3 -c 'for i in range(100000): print(f"a line of text, which repeats itself: {i}, " * 3)' >text
# Leaves in `bytes` what went through each port.
measure() {
    local before after i
    mapfile -t before < <(cut -d ' ' -f 2 counts)
    run 0 fanfold map -k --function fanfold.echo "$@" <text
    cmp -s text out || fail "map $* changed its input"
    mapfile -t after < <(cut -d ' ' -f 2 counts)
    bytes=()
    for i in 0 1 2 3; do bytes+=($((after[i] - before[i]))); done
}
measure
plain=("${bytes[@]}")
measure --compress
ways=("control (dispatches)" "blocks" "results" "collect (values)")
for i in 0 1 2 3; do
    ((plain[i] > $(wc -c <text))) || fail "${ways[i]} went past the proxy: ${plain[i]} bytes"
    ((bytes[i] * 2 < plain[i])) ||
        fail "${ways[i]}: with --compress ${bytes[i]} bytes, without ${plain[i]}"
done
