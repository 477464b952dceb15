#!/bin/bash
# A fleet of separate processes on this machine: a broker, a gatherer and some workers, over TCP on
# loopback.
#
# usage: scripts/fleet-local.sh up [--workers N] [--slots M] [--volatile] [--secure] [--port P]
#                                  [-- WORKER ARGUMENTS...]
#        scripts/fleet-local.sh status
#        scripts/fleet-local.sh down
#
#   --workers N   worker processes (3)
#   --slots M     executions at a time in each of them (2)
#   --volatile    keep everything in memory; else accepted jobs and their results are kept in the
#                 run folder, and outlive the fleet
#   --secure      make keys in the run folder, and encrypt everything; FANFOLD_KEYS then names those
#                 of a client
#   --port P      first port of four: P and P+1 for the broker, P+10 and P+11 for the gatherer
#                 (7411)
# What follows `--` goes to every worker, for instance: -- --function wc='wc -w'
#
# Pid files and logs lie in $FANFOLD_RUN (by default fanfold-UID under $XDG_RUNTIME_DIR or /tmp);
# the programs are taken from $FANFOLD_BIN, or the release build, or PATH.
set -u -o pipefail
source_folder=$(cd "$(dirname "$0")/.." && pwd)
run=${FANFOLD_RUN:-${XDG_RUNTIME_DIR:-/tmp}/fanfold-$(id -u)}

die() {
    echo "fleet-local.sh: $*" >&2
    exit 1
}

# --- processes ---
# A pid file holds the pid and the time of its start in ticks since boot: together they name one
# process for ever.

start_of() {
    local stat
    stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
    # The second field is the program's name in parentheses and may hold anything; the start is the
    # 20th field after it.
    # shellcheck disable=SC2086  # fields are wanted
    set -- ${stat##*) }
    [[ $1 != Z ]] || return 1
    echo "${20}"
}

# Prints the pid of a pid file's process; fails when that process has ended.
living_pid() {
    local pid start
    read -r pid start 2>/dev/null <"$1" || return 1
    [[ -n $start && $(start_of "$pid") == "$start" ]] && echo "$pid"
}

pid_files() {
    find "$run" -maxdepth 1 -name '*.pid' 2>/dev/null | sort
}

# Starts a program in the background, and waits (20 s at most) until it says on its standard output
# that it is ready.
start() {
    local name=$1 program=$2 pid
    shift 2
    # It has a session of its own, since Ctrl-C at the terminal is not for the fleet, and does not
    # inherit the lock.
    setsid "$program" "$@" --log-file "$run/$name.log" \
        </dev/null >"$run/$name.out" 2>"$run/$name.err" {lock}>&- &
    pid=$!
    echo "$pid $(start_of "$pid")" >"$run/$name.pid"
    for ((tries = 0; tries < 400; tries++)); do
        if grep -q '^ready' "$run/$name.out"; then
            disown "$pid"
            return
        fi
        living_pid "$run/$name.pid" >/dev/null || break
        sleep 0.05
    done
    echo "fleet-local.sh: ${program##*/} ($name) is not ready; the end of what it said:" >&2
    tail -q -n 20 "$run/$name.log" "$run/$name.err" >&2 2>/dev/null
    take_down
    exit 1
}

# Ends what the pid files name and nothing else: SIGTERM, and SIGKILL to what is left after ten
# seconds.
take_down() {
    local file pid signal tries
    for signal in TERM KILL; do
        while read -r file; do
            pid=$(living_pid "$file") && kill -s "$signal" "$pid" 2>/dev/null
        done < <(pid_files)
        for ((tries = 0; tries < 200; tries++)); do
            local alive=0
            while read -r file; do
                living_pid "$file" >/dev/null && alive=1
            done < <(pid_files)
            ((alive)) || break 2
            sleep 0.05
        done
    done
    find "$run" -maxdepth 1 -name '*.pid' -delete 2>/dev/null
    rm -f "$run/endpoint"
}

# --- commands ---

find_programs() {
    local folder
    for folder in "${FANFOLD_BIN:-}" "$source_folder/build/release/bin"; do
        [[ -n $folder && -x $folder/fanfold-broker ]] && echo "$folder" && return
    done
    folder=$(command -v fanfold-broker) && dirname "$folder" && return
    die "no programs found; build them (cmake --preset release && cmake --build --preset" \
        "release), or name their folder with FANFOLD_BIN"
}

number() {
    if ! [[ $2 =~ ^[0-9]{1,6}$ ]] || ((10#$2 < $3 || 10#$2 > $4)); then
        die "$1 takes a number from $3 to $4, not '$2'"
    fi
    echo $((10#$2))
}

# A key for each part of the fleet, and one for clients, anew at each start.
make_keys() {
    local keygen=("$1/fanfold" keygen) keys=$run/keys part roles
    rm -rf "$keys"
    mkdir -m 700 "$keys" || exit 1
    "${keygen[@]}" --keys "$keys/broker" --for-broker || exit 1
    for part in gatherer:gather worker:work client:submit,admin; do
        roles=${part#*:} part=${part%:*}
        "${keygen[@]}" --keys "$keys/$part" --name "$part" --roles "$roles" \
            --trust "$keys/broker/broker.pub" >>"$keys/broker/allowed" || exit 1
    done
}

up() {
    local workers=3 slots=2 port=7411 arguments=() keep=1 secure=0 file bin
    while (($# > 0)); do
        case $1 in
            --workers | --slots | --port) (($# > 1)) || die "$1 takes a number" ;;&
            --workers) workers=$(number "$1" "$2" 0 1000) && shift || exit 1 ;;
            --slots) slots=$(number "$1" "$2" 1 4096) && shift || exit 1 ;;
            --port) port=$(number "$1" "$2" 1 65000) && shift || exit 1 ;;
            --volatile) keep=0 ;;
            --secure) secure=1 ;;
            --)
                shift
                arguments=("$@")
                break
                ;;
            *) die "unknown argument '$1'; see the head of this script" ;;
        esac
        shift
    done
    bin=$(find_programs) || exit 1

    (umask 077 && mkdir -p "$run")
    if ! [[ -d $run && -O $run && -w $run ]]; then
        die "the run folder $run is not a writable folder of yours; name another with FANFOLD_RUN"
    fi
    # Two calls at the same time: the second one waits for the first, and then finds its fleet.
    exec {lock}>"$run/lock"
    flock "$lock"
    while read -r file; do
        if living_pid "$file" >/dev/null; then
            die "a fleet is up already in $run ($(head -n 1 "$run/endpoint" 2>/dev/null));" \
                "end it with: $0 down"
        fi
    done < <(pid_files)
    find "$run" -maxdepth 1 \
        \( -name '*.pid' -o -name '*.out' -o -name '*.err' -o -name '*.log' \) -delete

    local broker=tcp://127.0.0.1:$port
    local state=(--volatile)
    ((!keep)) || state=(--state "$run/state")
    unset FANFOLD_KEYS
    local of_broker=() of_gatherer=() of_worker=()
    if ((secure)); then
        make_keys "$bin"
        of_broker=(--keys "$run/keys/broker")
        of_gatherer=(--keys "$run/keys/gatherer")
        of_worker=(--keys "$run/keys/worker")
    fi
    {
        echo "export FANFOLD_BROKER=$broker"
        ((!secure)) || echo "export FANFOLD_KEYS=$run/keys/client"
    } >"$run/endpoint"
    start broker "$bin/fanfold-broker" --bind "$broker" "${of_broker[@]}" "${state[@]}"
    start gatherer "$bin/fanfold-gatherer" --broker "$broker" --name gatherer \
        --bind "tcp://127.0.0.1:$((port + 10))" "${of_gatherer[@]}" "${state[@]}"
    for ((i = 1; i <= workers; i++)); do
        start "worker-$i" "$bin/fanfold-worker" --broker "$broker" --name "worker-$i" \
            --slots "$slots" "${of_worker[@]}" "${arguments[@]}"
    done
    echo "# broker, gatherer and $workers workers of $slots slots are up;" \
        "logs and pid files are in $run"
    cat "$run/endpoint"
}

status() {
    local file pid name any=0 all=0
    while read -r file; do
        name=$(basename "$file" .pid)
        any=1
        if pid=$(living_pid "$file"); then
            printf '%-12s running  %s\n' "$name" "$pid"
        else
            printf '%-12s ended    its log: %s\n' "$name" "$run/$name.log"
            all=1
        fi
    done < <(pid_files)
    if ((!any)); then
        echo "no fleet in $run"
        return 3
    fi
    cat "$run/endpoint"
    return "$all"
}

down() {
    if [[ -z $(pid_files) ]]; then
        echo "no fleet in $run"
        return
    fi
    exec {lock}>"$run/lock"
    flock "$lock"
    take_down
    echo "the fleet in $run is down; its logs stay there"
}

command=${1:-}
(($# == 0)) || shift
case $command in
    up) up "$@" ;;
    status | down)
        (($# == 0)) || die "$command takes no arguments"
        "$command"
        ;;
    -h | --help) sed -n '2,21s/^# \{0,1\}//p' "$0" ;;
    *) die "say up, status or down; see $0 --help" ;;
esac
