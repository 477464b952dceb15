#!/bin/bash
# A fleet over TCP under load, while its processes are killed, stopped and started again at random; then a check of every fragment.
#
# usage: scripts/chaos.sh [--seconds N] [--seed S] [--port P] [--workers N] [--jobs N] [--pace MS] [--keep]
#
#   --seconds N   how long faults are made (60); what is under way then still has to end
#   --seed S      what happens, though not exactly when (at random; it is printed)
#   --port P      first port of four: P and P+1 for the broker, P+2 and P+3 for the gatherer (7511)
#   --workers N   worker processes, of 2 slots each (4)
#   --jobs N      jobs at a time (5)
#   --pace MS     mean time between two faults (1300)
#   --keep        keep the work folder also when all is well
#
# Broker and gatherer keep their state on disk. Jobs of several kinds are submitted, mapped and collected by clients that are killed too.
# Ends with the numbers of faults, jobs and fragments, and exits with 0 if none was lost, doubled or hung, and something was killed.
# The programs are taken from $FANFOLD_BIN, or the release build. The work folder (logs, inputs, outputs) is kept when something is wrong.
set -u -o pipefail
export LC_ALL=C
here=$(cd "$(dirname "$0")" && pwd)
seconds=60 seed=$((RANDOM * 32768 + RANDOM)) port=7511 workers=4 at_once=5 pace=1300 keep=0

die() {
    echo "chaos.sh: $*" >&2
    exit 2
}

while (($# > 0)); do
    case $1 in
        --seconds | --seed | --port | --workers | --jobs | --pace)
            [[ ${2:-} =~ ^[0-9]{1,9}$ ]] || die "$1 takes a number, not '${2:-}'"
            case $1 in
                --seconds) seconds=$((10#$2)) ;;
                --seed) seed=$((10#$2)) ;;
                --port) port=$((10#$2)) ;;
                --workers) workers=$((10#$2)) ;;
                --jobs) at_once=$((10#$2)) ;;
                --pace) pace=$((10#$2)) ;;
            esac
            shift
            ;;
        --keep) keep=1 ;;
        -h | --help) sed -n '2,17s/^# \{0,1\}//p' "$0" && exit 0 ;;
        *) die "unknown argument '$1'; see $0 --help" ;;
    esac
    shift
done
((workers > 0 && at_once > 0 && pace > 0)) || die "--workers, --jobs and --pace must be at least 1"
PATH=${FANFOLD_BIN:-$here/../build/release/bin}:$PATH
command -v fanfold-broker >/dev/null || die "no programs found; build them, or name their folder with FANFOLD_BIN"
export FANFOLD_BROKER=tcp://127.0.0.1:$port
RANDOM=$seed

work=$(mktemp -d /tmp/fanfold-chaos.XXXXXX)
mkdir "$work/jobs" "$work/marks"
cd "$work" || exit 2
keyed=0
fanfold submit --help 2>&1 | grep -q -e '--job-key' && keyed=1
forgets=0
fanfold --help 2>&1 | grep -Eq '^ +forget ' && forgets=1

# What a fragment of a command job does, by the first letter of its word.
cat >act <<'ACT'
case $2 in
    v*) sleep 0.02 ;;                                # a value soon
    w*) sleep 0.4 ;;                                 # a value, later
    f*) echo "as asked" >&2 && exit 7 ;;             # fails each time
    o*) mkdir "$1-$2" 2>/dev/null && exit 1 ;;       # fails the first time
    t* | s*) exec sleep 1000 ;;                      # ended by its timeout, or with its job
esac
echo "$2"
ACT

# --- processes ---------------------------------------------------------------------------------------------------------------
declare -A pids=() start_at=() resume_at=() leaving=() drivers=() frozen=()
declare -A counts=()
trouble() { echo "$*" | tee -a trouble; }
count() { counts[$1]=$((${counts[$1]:-0} + 1)); }
alive() { [[ $(sed 's/.*) //; s/ .*//' "/proc/$1/stat" 2>/dev/null) == [^ZX] ]]; }
is_client() { [[ $(cat "/proc/$1/comm" 2>/dev/null) == fanfold ]]; }
clock() { now=$((${EPOCHREALTIME/./} / 1000)); }  # ms

launch() {  # NAME
    local name=$1
    case $name in
        broker) set -- fanfold-broker --bind "$FANFOLD_BROKER" --worker-timeout 2s --state state ;;
        gatherer) set -- fanfold-gatherer --bind "tcp://127.0.0.1:$((port + 2))" --name gatherer --state state ;;
        *) set -- fanfold-worker --name "$name" --slots 2 --allow-exec ;;
    esac
    "$@" </dev/null >>"$name.out" 2>>"$name.log" &
    pids[$name]=$!
    unset "start_at[$name]" "leaving[$name]"
}

# A process of the fleet ends only when it is told to.
look_after() {
    local name pid code
    clock
    for name in "${!resume_at[@]}"; do
        ((now < resume_at[$name])) && continue
        unset "resume_at[$name]"
        kill -CONT "${pids[$name]}" 2>/dev/null
    done
    for pid in "${!frozen[@]}"; do
        ((now < frozen[$pid])) && continue
        is_client "$pid" && kill -CONT "$pid"
        unset "frozen[$pid]"
    done
    for name in "${!pids[@]}"; do
        alive "${pids[$name]}" && continue
        code=0
        { wait "${pids[$name]}" || code=$?; } 2>/dev/null
        unset "pids[$name]"
        if [[ -z ${leaving[$name]:-} ]]; then
            trouble "$name ended by itself with $code: $(tail -n 1 "$name.log")"
            start_at[$name]=$((now + 1000))
        elif [[ ${leaving[$name]} == TERM ]] && ((code != 0 && code != 143)); then  # 143: it had not begun to listen for signals
            trouble "$name was told to end, and did with $code: $(tail -n 1 "$name.log")"
        fi
    done
    for name in "${!start_at[@]}"; do
        ((now < start_at[$name])) && continue
        if [[ -z ${pids[$name]:-} ]]; then
            launch "$name"
        elif [[ ${leaving[$name]} == TERM ]]; then
            kill -TERM "${pids[$name]}"  # a worker that is told so twice does not wait for what it runs
            leaving[$name]=twice
            start_at[$name]=$((now + 15000))
        else
            trouble "$name does not end"
            kill -KILL "${pids[$name]}"
            leaving[$name]=KILL
        fi
    done
}

# --- jobs: each is driven by a process of its own -------------------------------------------------------------------------------
# client OUTPUT ARGUMENT…: `fanfold` with the stdin of the caller. Its pid is where the faults find it. Ends with 137 if it was killed, and
# with $again if its job was refused for now, before anything of it was accepted.
again=199
client() {
    local out=$1 code=0
    shift
    fanfold "$@" <&3 >"$out" 2>"$out.err" &
    echo $! >client.pid
    { wait $! || code=$?; } 2>/dev/null
    : >client.pid
    if ((code == 255)) && grep -q 'no gatherer is connected' "$out.err"; then
        sleep 0.5
        code=$again  # it has been away for longer than a new job waits for it
    elif ((code == 255)) && ! { [[ $whole == false ]] && grep -q 'it takes no further fragments' "$out.err"; }; then
        echo "job $number: 'fanfold $*' ended with $code: $(tail -n 1 "$out.err")" >>../../trouble
    fi
    return "$code"
}

# Words of these kinds, in disorder: words v 100 f 3.
words() {
    while (($# > 0)); do
        seq -f "$1%05.0f" "$2"
        shift 2
    done | shuf --random-source=<(yes "$seed $number")
}

# Input that comes slowly enough for a client to be met in its middle.
feed() {
    local lines part
    lines=$(wc -l <input)
    part=$((lines / 6 + 1))
    for ((at = 1; at <= lines; at += part)); do
        sed -n "$at,$((at + part - 1))p;$((at + part))q" input || return
        sleep "0.$((RANDOM % 4))"
    done
}

# plan_job: chooses a kind of job; sets `way`, `options`, `what` and `whole`, and writes `input` and `plan`.
# A plan: whether every fragment must have its own result, which outcomes may be, how many values at least and at most, a deadline in seconds.
plan_job() {
    local outcomes='"complete"' values=null deadline=0 some
    whole=true way=submit options=()
    what=(-- sh "$work/act" "$work/marks/$number" '{}')
    case $((RANDOM % 12)) in
        0 | 1 | 2) kind=echo what=(--function fanfold.echo) && seq $((20000 + RANDOM * 2)) >input ;;
        3) kind=wide what=(--function fanfold.echo) && seq -f "%0$((500 + RANDOM % 3000))g" $((1000 + RANDOM / 10)) >input ;;
        4) kind=fail what=(--function fanfold.fail) outcomes='"partial"' && seq $((1 + RANDOM / 10)) >input ;;
        5) kind=naps && words v $((50 + RANDOM % 150)) w 10 >input ;;
        6) kind=errors options=(--timeout 2s --retries 1) outcomes='"partial"' && words v 40 f $((1 + RANDOM % 9)) t 2 o 8 >input ;;
        7) kind=retried options=(--retries 2) && words v 30 o $((10 + RANDOM % 40)) >input ;;
        8)
            kind=available deadline=$((2 + RANDOM % 6)) whole=false
            options=(--deadline "${deadline}s" --gather available) && words v 60 w 20 s $((RANDOM % 3)) >input
            ;;
        9)
            kind=expired deadline=$((2 + RANDOM % 6)) whole=false outcomes='"expired"'
            options=(--deadline "${deadline}s") && words v 30 s 1 >input
            ;;
        10)
            some=$((10 + RANDOM % 20)) kind=quorum whole=false values=[$some,$some]
            options=(--gather "quorum=$some") && words v 40 w 10 s 1 >input
            ;;
        11)
            some=$((1 + RANDOM % 10))
            if ((RANDOM % 2)); then
                kind=tolerant options=(--max-failures "$some") && words v 40 f "$some" >input
            else
                kind=failed options=(--max-failures $((some - 1))) whole=false outcomes='"failed"' && words v 40 f "$some" >input
            fi
            ;;
    esac
    ((deadline == 0 && RANDOM % 3 == 0)) && way=map
    ((RANDOM % 2)) && options+=(-k)
    ((keyed)) && options+=(--job-key "chaos-$seed-$number")
    echo "{\"kind\":\"$kind\",\"way\":\"$way\",\"whole\":$whole,\"outcomes\":[$outcomes],\"values\":$values,\"deadline\":$deadline}" >plan
}

submit_job() {
    local code=0
    id=
    while :; do
        exec 3< <(feed)
        code=0
        client id submit --quiet --connect-timeout 300s "${options[@]}" "${what[@]}" || code=$?
        echo "$EPOCHREALTIME" >accepted
        # Who has read an id has the broker's word, whatever became of the client since.
        (($(wc -l <id) == 1)) && id=$(<id) && return
        # A policy can be met, or a deadline come, before all is sent.
        $whole || id=$(sed -nE 's/.*job ([0-9a-f-]{36}) has ended as .* it takes no further fragments.*/\1/p' id.err)
        [[ -z $id ]] || return
        ((code == again)) && continue
        ((code == 137)) || return
        # Without a key, what was sent of it is cancelled after its lease, and another job begins.
        ((keyed)) || echo >>abandoned
    done
}

collect_job() {
    local code=137 try order=()
    ((RANDOM % 2)) && order=(-k)
    exec 3</dev/null
    for ((try = 1; code == 137; try++)); do
        code=0
        client "collected.$try" results --quiet --connect-timeout 300s --output json "${order[@]}" "$id" || code=$?
    done
    echo "$code" >code
    echo "$EPOCHREALTIME" >ended
    # The gatherer may say that a job is complete before the broker knows.
    for ((try = 0; try < 60; try++)); do
        fanfold status --connect-timeout 300s --output json "$id" >ending 2>ending.err && ! grep -q '"outcome":"running"' ending && break
        sleep 0.5
    done
}

map_job() {
    local code=$again try
    for ((try = 1; code == 137 || code == again; try++)); do
        ((code == again || keyed)) || { echo >>abandoned && return; }
        exec 3< <(feed)
        code=0
        client "collected.$try" map --connect-timeout 300s --output json "${options[@]}" "${what[@]}" || code=$?
    done
    echo "$code" >code
}

drive() {
    number=$1
    trap - EXIT
    RANDOM=$((seed + number * 7919))
    mkdir "jobs/$number" && cd "jobs/$number" || exit 1
    plan_job
    if [[ $way == map ]]; then
        map_job
    else
        submit_job
        [[ -z $id ]] || collect_job
        # The rest is kept, and collected once more at the end.
        if [[ -n $id ]] && ((forgets && RANDOM % 2)); then
            fanfold forget --connect-timeout 300s "$id" >forgotten 2>&1 </dev/null || echo "job $number: forget: $(tail -n 1 forgotten)" >>../../trouble
        fi
    fi
    : >finished
}

# What was collected once is there again, until it is forgotten.
collect_again() {
    local folder id
    for folder in jobs/*/; do
        [[ -s $folder/id && -e $folder/finished && ! -e $folder/forgotten ]] || continue
        id=$(<"$folder/id")
        fanfold results --quiet --connect-timeout 60s --output json "$id" </dev/null >"$folder/again" 2>"$folder/again.err"
        echo $? >"$folder/again.code"
    done
}

# --- faults -----------------------------------------------------------------------------------------------------------------------
# Sets `victim` to a client's pid, if there is one.
choose_client() {
    local file found=() pid
    for file in jobs/*/client.pid; do
        read -r pid 2>/dev/null <"$file" || continue
        is_client "$pid" && found+=("$pid")
    done
    victim=
    ((${#found[@]} == 0)) || victim=${found[RANDOM % ${#found[@]}]}
}

kill_one() {  # NAME [MS]: it is started again after so long
    [[ -n ${pids[$1]:-} && -z ${leaving[$1]:-} ]] || return
    unset "resume_at[$1]"
    leaving[$1]=KILL
    kill -KILL "${pids[$1]}"
    start_at[$1]=$((now + ${2:-$((RANDOM % 2500))}))
    count "kill ${1%-*}"
}

fault() {
    local name=worker-$((1 + RANDOM % workers)) choice=$((RANDOM % 20)) victim pause=$((100 + RANDOM % 1200))
    ((RANDOM % 4)) || pause=$((2500 + RANDOM % 4000))  # past the worker timeout
    case $((RANDOM % 10)) in
        0 | 1) name=broker ;;
        2 | 3) name=gatherer ;;
    esac
    clock
    case $choice in
        0 | 1 | 2 | 3 | 4 | 5 | 6 | 7) kill_one "$name" ;;
        8 | 9 | 10 | 11)
            choose_client
            [[ -z $victim ]] || { kill -KILL "$victim" 2>/dev/null && count "kill client"; }
            ;;
        12) for name in broker gatherer; do kill_one "$name"; done ;;
        13) for name in "${!pids[@]}"; do kill_one "$name" "$pause"; done ;;
        14)
            choose_client
            [[ -z $victim ]] || { kill -STOP "$victim" 2>/dev/null && frozen[$victim]=$((now + pause)) && count "pause client"; }
            ;;
        15 | 16 | 17)
            [[ -n ${pids[$name]:-} && -z ${leaving[$name]:-} ]] || return
            kill -STOP "${pids[$name]}"
            resume_at[$name]=$((now + pause))
            count "pause ${name%-*}"
            ;;
        *)
            [[ -n ${pids[$name]:-} && -z ${leaving[$name]:-} && -z ${resume_at[$name]:-} ]] || return
            leaving[$name]=TERM
            kill -TERM "${pids[$name]}"
            start_at[$name]=$((now + 500 + RANDOM % 2000))
            count "restart ${name%-*}"
            ;;
    esac
}

# --- the run -----------------------------------------------------------------------------------------------------------------------
finish() {
    local code=$? file pid
    for pid in "${drivers[@]}"; do kill -KILL "$pid" 2>/dev/null; done
    for file in jobs/*/client.pid; do
        read -r pid 2>/dev/null <"$file" && is_client "$pid" && kill -KILL "$pid"
    done
    for pid in "${pids[@]}"; do kill -CONT "$pid" && kill -KILL "$pid"; done 2>/dev/null
    wait 2>/dev/null
    cd / || exit 2
    if ((code == 0 && !keep)); then rm -rf "$work"; else echo "the work folder is kept: $work"; fi
    exit "$code"
}
trap finish EXIT
trap 'exit 130' INT TERM

reap_drivers() {
    local number
    for number in "${!drivers[@]}"; do
        alive "${drivers[$number]}" && continue
        wait "${drivers[$number]}"
        [[ -e jobs/$number/finished ]] || trouble "the driver of job $number broke off"
        unset "drivers[$number]"
    done
}

nothing_runs() { ! fanfold jobs --connect-timeout 5s --output json | grep -q '"outcome":"running"'; }

echo "chaos: seed $seed, $seconds s, $workers workers, $at_once jobs at a time$( ((keyed)) && echo ', with keys')"
for name in broker gatherer; do launch "$name"; done
for ((i = 1; i <= workers; i++)); do launch "worker-$i"; done
exec 2>messages  # of this shell: each process that was killed is worth a line to it
started=0
fault_at=0
end=$((SECONDS + seconds))
while ((SECONDS < end)); do
    look_after
    reap_drivers
    while ((${#drivers[@]} < at_once)); do
        started=$((started + 1))
        drive "$started" &
        drivers[$started]=$!
    done
    if ((now >= fault_at)); then
        fault
        fault_at=$((now + 1 + RANDOM * 2 * pace / 32768))
    fi
    sleep 0.05
done

# Everything is there again; what is under way has this long to end. Then nothing may run, neither what clients left behind.
patience=$((SECONDS + 150))
for name in "${!resume_at[@]}"; do resume_at[$name]=0; done
for pid in "${!frozen[@]}"; do frozen[$pid]=0; done
while { ((${#drivers[@]} > 0)) || ! nothing_runs; } && ((SECONDS < patience)); do
    look_after
    reap_drivers
    sleep 0.2
done
nothing_runs || fanfold jobs --output json 2>/dev/null | grep '"outcome":"running"' >running
((${#drivers[@]} > 0)) || collect_again
look_after
for name in "${!counts[@]}"; do echo "$name ${counts[$name]}"; done | sort >faults
python3 "$here/chaos_check.py" "$work"
