#!/bin/bash
# Runs other systems on the same task as Fanfold, as far as they are installed (scripts/setup.sh
# --peers): an echo of 16 bytes with two workers, and jobs of 10 of them, as many as fit in a time;
# and /bin/true by what runs commands. Appends the figures to a file.
#
# usage: peers.sh QUICK PORT FILE      QUICK: 1 for a moment of each, as a test; takes six ports
# from PORT on
#
# Servers listen on loopback, keep what they write in a temporary folder, and are ended by their
# pid.
set -u -o pipefail
quick=$1 port=$2 file=$(realpath "$3")
source_folder=$(cd "$(dirname "$0")/../.." && pwd)
peers=$source_folder/tests/bench/peers
if ((quick)); then seconds=0.3 commands=50; else seconds=5 commands=500; fi
export PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$peers PYTHONWARNINGS=ignore C_FORCE_ROOT=1
python=/usr/bin/python3  # Debian's own, for which its packages are
[[ -x "$python" ]] || python=python3
folder=$(mktemp -d) || exit 1
cd "$folder" || exit 1

pids=()
stop_servers() {
    local pid
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null; done
    for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null; done
    pids=()
}
end() {
    stop_servers
    cd / && rm -rf "$folder"
}
trap end EXIT
trap 'exit 130' INT TERM

leave_out() { echo "peers.sh: $1 is left out: $2" >&2; }
has() { command -v "$1" >/dev/null; }

# Starts a server that ends by itself should all else fail, and waits until its port is open: serve
# PORT COMMAND...
serve() {
    local tries its_port=$1
    shift
    timeout 300 "$@" >"server-$its_port.log" 2>&1 &
    pids+=($!)
    for ((tries = 0; tries < 200; tries++)); do
        (exec 3<>"/dev/tcp/127.0.0.1/$its_port") 2>/dev/null && return
        sleep 0.05
    done
    tail -n 5 "server-$its_port.log" >&2
    return 1
}

# Keeps what a program prints: peer NAME COMMAND...
peer() {
    local name=$1 figures line
    shift
    echo "peers: $name" >&2
    if ! figures=$("$@" 2>client.err) || [[ -z $figures ]]; then
        leave_out "$name" "$(tail -n 1 client.err)"
        return
    fi
    while read -r line; do echo "1,peer-$name,$line" >>"$file"; done <<<"$figures"
}

# Builds a client and runs it against its server: through NAME PORT LIBRARY SERVER COMMAND...
through() {
    local name=$1 its_port=$2 library=$3
    shift 3
    has "$1" || { leave_out "$name" "there is no $1" && return; }
    if ! "${CXX:-g++}" -std=c++20 -O2 -I"$source_folder" -o "$name" "$peers/${name}_echo.cpp" \
        "-l$library" -pthread 2>build.err; then
        leave_out "$name" "its client can't be built: $(grep -m 1 error build.err)"
        return
    fi
    if serve "$its_port" "$@"; then peer "$name" timeout 120 "./$name" "$seconds" "$its_port"; \
        else leave_out "$name" "its server does not start"; fi
    stop_servers
}

celery() {
    local its_port=$1
    if ! has redis-server ||
        ! "$python" -c 'import celery, redis' 2>/dev/null; then leave_out celery \
        "it is not installed" && return; fi
    export PEER_PORT=$its_port
    serve "$its_port" redis-server --port "$its_port" --bind 127.0.0.1 --save '' --appendonly no \
        --dir "$folder" || return
    timeout 300 "$python" -m celery -A celery_echo worker -P prefork -c 2 --without-gossip \
        --without-mingle --without-heartbeat -l ERROR \
        >celery.log 2>&1 &
    pids+=($!)
    peer celery timeout 120 "$python" "$peers/celery_echo.py" "$seconds"
    stop_servers
}

# As many runs of /bin/true as are asked for, of which only the number and the time count.
true_by() { seq 1 "$commands" |
    timeout 120 "$python" "$source_folder/tests/bench/timed.py" "$commands" /dev/null "$@" |
    sed 's/^per_second/commands_per_second/'; }

through nats "$port" nats nats-server -a 127.0.0.1 -p "$port"
through redis $((port + 1)) hiredis redis-server --port $((port + 1)) --bind 127.0.0.1 --save '' \
    --appendonly no --dir "$folder"
through gearman $((port + 2)) gearman gearmand -u "$(id -un)" -L 127.0.0.1 -p $((port + 2)) -l \
    gearmand.log -P gearmand.pid -t 4
celery $((port + 3))
if "$python" -c 'import dask.distributed' 2>/dev/null; then
    peer dask timeout 120 "$python" "$peers/dask_echo.py" "$seconds"
else
    leave_out dask "it is not installed"
fi
peer xargs true_by xargs -P 2 -n 1 /bin/true
if has parallel; then
    peer parallel true_by parallel --will-cite -j 2 /bin/true
else
    leave_out parallel "it is not installed"
fi
