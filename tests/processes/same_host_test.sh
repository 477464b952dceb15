#!/bin/bash
# Peers of one host and user take ipc where they are told of TCP: seen in the system's list of sockets. With --no-ipc they don't; a broker that
# is killed is found again, whether or not it offers ipc when it is back. And --compress: fewer bytes over TCP, the same results.
# shellcheck disable=SC1091,SC2119,SC2154  # common.sh beside it is read, and names the endpoint
proxy=$(realpath "$(dirname "$0")/proxy.py")
. "$(dirname "$0")/common.sh"
export FANFOLD_BROKER=$broker_endpoint
export XDG_RUNTIME_DIR=$work/run
mkdir -m 700 "$XDG_RUNTIME_DIR"

# twins OFFSET: established connections at the twin of the test's port OFFSET.
twins() { awk -v "name=-127.0.0.1-$((first_port + $1))$" '$6 == "03" && $8 ~ name' /proc/net/unix | wc -l; }
# tcps OFFSET: the same of the port itself.
tcps() {
    awk -v "port=$(printf ':%04X' $((first_port + $1)))" '$4 == "01" && substr($2, length($2) - 4) == port' /proc/net/tcp /proc/net/tcp6 |
        wc -l
}
echo_works() {
    run 0 fanfold map -k --function fanfold.echo <numbers
    cmp -s numbers out || fail "fanfold.echo in order is not its input"
}
seq 1 20000 >numbers

# --- all by ipc ----------------------------------------------------------------------------------------------------------
start_broker --state state --worker-timeout 2s
start_gatherer --state state
start_worker w1 --slots 1
await_workers 1
echo_works
same "connections to the broker by ipc (gatherer, worker)" 2 "$(twins 0)"
same "connections to the gatherer by ipc (worker)" 1 "$(twins 2)"
same "connections by tcp" 0 "$(($(tcps 0) + $(tcps 1) + $(tcps 2) + $(tcps 3)))"

# --- the broker dies and comes back, with ipc and without ----------------------------------------------------------------------
peers_are_back() { (($("$1" 0) >= 2)) && [[ $(fanfold workers --output json | wc -l) == 1 ]]; }
stop broker KILL
start_broker --state state --worker-timeout 2s
await "the peers are back by ipc" peers_are_back twins
echo_works
stop broker KILL
start_broker --state state --worker-timeout 2s --no-ipc
await "the peers are back by tcp" peers_are_back tcps
echo_works
same "connections to the broker by ipc" 0 "$(twins 0)"
stop broker
stop gatherer
stop w1
[[ -z $(find "$XDG_RUNTIME_DIR/fanfold" -name "*-$((first_port + 2))") ]] || fail "the gatherer left its twin behind"

# --- by nobody -------------------------------------------------------------------------------------------------------------
start_broker --no-ipc
start_gatherer --no-ipc
start_worker w1 --slots 1
await_workers 1
echo_works
same "connections to the broker by tcp" 2 "$(tcps 0)"
same "connections to the gatherer by tcp" 1 "$(tcps 2)"
same "sockets of either by ipc" 0 "$(grep -Ec -- "-($first_port|$((first_port + 2)))$" /proc/net/unix)"

# --- compressed ------------------------------------------------------------------------------------------------------------
# Through a proxy on each of the four ports, which counts: blocks, dispatches, results and values get smaller, the output stays the same.
stop w1
stop gatherer
stop broker
near=$((first_port + 8))
start_broker --no-ipc --advertise "tcp://127.0.0.1:$near"
start_gatherer --no-ipc --advertise "tcp://127.0.0.1:$((near + 2))"
pairs=()
for offset in 0 1 2 3; do pairs+=("$((near + offset))=$((first_port + offset))"); done
start_ready proxy python3 "$proxy" counts counts "${pairs[@]}"
export FANFOLD_BROKER=tcp://127.0.0.1:$near
start_ready w1 fanfold-worker --name w1 --slots 1
await_workers 1
python3 -c 'for i in range(100000): print(f"a line of text that repeats itself, number {i}, " * 3)' >text
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
    ((bytes[i] * 2 < plain[i])) || fail "${ways[i]}: with --compress ${bytes[i]} bytes, without ${plain[i]}"
done
