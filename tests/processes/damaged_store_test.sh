#!/bin/bash
# The files of a store are cut short, lose bits, vanish or become something else after a kill in the
# middle of a job. A daemon that is started on them has all that it had accepted, or refuses and
# says which file it is about and what to do; never less in silence.
# shellcheck disable=SC1091,SC2119,SC2154  # common.sh is beside it
. "$(dirname "$0")/common.sh"
export FANFOLD_BROKER=$broker_endpoint
RANDOM=${FANFOLD_TEST_SEED:-4711}
few=8 many=10  # places that are damaged, of each kind
[[ -z ${FANFOLD_SANITIZER:-} ]] || few=2 many=3

# --- a life that ends well and one that ends by SIGKILL ---
# Some of it all is in the database, the rest in its log.
quick=12000
slow=9000
{ seq -f '0.0000%07g' "$quick" && seq -f '0.01%07g' "$slow"; } >input
life() {
    start_broker --worker-timeout 2s --state made
    start_gatherer --state made
    start_worker worker --slots 2
}
# status NAME…: numbers of the job's status.
status() {
    local text name numbers=()
    text=$(fanfold status --output json "$job")
    for name; do [[ $text =~ \"$name\":\ ?([0-9]+) ]] && numbers+=("${BASH_REMATCH[1]}"); done
    echo "${numbers[*]}"
}
have_values() { (($(status values) >= $1)); }
frame=$((65536 + 24)) # of a store's log
have_frames() {       # NUMBER, in the log of each
    local size
    for size in $(stat -c %s made/{broker,gatherer}.db-wal); do ((size > 32 + $1 * frame)) ||
        return 1; done
}
# promptly WHAT COMMAND…: as `await`, but it looks many times a second.
promptly() {
    local what=$1 until=$((SECONDS + patience))
    shift
    until "$@" 2>/dev/null; do
        ((SECONDS < until)) || fail "not within $patience s: $what"
        sleep 0.01
    done
}
# crash NAME…: by SIGKILL, all at once.
crash() {
    local name
    for name; do kill -KILL "${started[$name]}" || fail "$name does not run"; done
    for name; do
        { wait "${started[$name]}"; } 2>/dev/null
        unset "started[$name]"
    done
}

life
run 0 fanfold submit --function fanfold.sleep -a input
job=$(cat out)
await "some results are safe" have_values $((quick / 2))
for name in worker gatherer broker; do stop "$name"; done
life
at_start=$(status values)
# Not more than that: each case copies the logs and reads them.
promptly "the logs have enough frames to damage" have_frames 24
promptly "more results are safe" have_values $((at_start + 100))
crash broker gatherer worker

start_broker --state made
safe=$(status values)  # what the gatherer had told the broker before the kill
((safe > at_start && safe < quick + slow)) || fail "$safe values before the kill"
crash broker

# --- one case: a damaged copy, and what the daemon makes of it ---
declare -A verdicts=([refused]=0 [whole]=0 [finished]=0)

# What is wrong with a case; the others are tried nevertheless.
wrong=0
complain() {
    echo "$test_name: $*" >&2
    wrong=$((wrong + 1))
}

# fresh_copy: the folder `copy` is as the kill left it.
fresh_copy() { rm -rf copy && cp -r made copy; }

# settled DAEMON: it is ready or has ended.
settled() {
    local stat
    [[ -s $1.out ]] || ! read -r stat <"/proc/${started[$1]}/stat" || [[ ${stat##*) } == [ZX]* ]]
}

# begin DAEMON WHAT: on the copy, until it is ready or has ended.
begin() {
    case $1 in
        broker) start broker fanfold-broker --bind "$broker_endpoint" --worker-timeout 1s --state \
            copy ;;
        gatherer)
            start gatherer fanfold-gatherer --broker "$broker_endpoint" --bind \
                "tcp://127.0.0.1:$((first_port + 2))" --name gatherer --state copy
            ;;
    esac
    promptly "$2: the $1 starts or refuses" settled "$1"
}

# Both stores, whole or damaged, with a worker: the job runs to its end, and every result is its
# fragment's.
finish_job() {
    [[ -n ${started[gatherer]:-} ]] || begin gatherer "$1"
    start_worker worker --slots 256
    run 0 fanfold results -k "$job"
    cmp -s out input || fail "$1: the results differ from the inputs: $(diff out input | head -n 4)"
    crash worker gatherer broker
    verdicts[finished]=$((verdicts[finished] + 1))
}

has_what_was_accepted() {
    local got
    case $1 in
        broker)
            got=$(status accepted values)
            [[ $got == "$((quick + slow)) $safe" ]] ||
                complain "$2: the broker has '$got' fragments and values, not $((quick + slow)) $safe"
            ;;
        gatherer)
            run 0 fanfold results --now --output json "$job"
            got=$(wc -l <out)
            ((got >= safe)) ||
                complain "$2: the gatherer has $got values, of $safe which it had confirmed"
            ;;
    esac
}

# The daemon on the damaged copy. WHAT says what was done to it.
try() {  # DAEMON WHAT
    local daemon=$1 what="$1: $2"
    rm -f "$daemon.log" "$daemon.out"
    begin "$daemon" "$what"
    if alive "${started[$daemon]}"; then
        verdicts[whole]=$((verdicts[whole] + 1))
        [[ $daemon == broker ]] || begin broker "$what"
        has_what_was_accepted "$daemon" "$what"
        ((verdicts[whole] % 12 == 1)) && finish_job "$what"
        crash "${!started[@]}"
        return
    fi
    ended "$daemon"
    ((code == 255)) || complain "$what: it ended with $code: $(cat "$daemon.log")"
    [[ $(cat "$daemon.log") =~ copy/$daemon\.db.*(restore|name (an empty|another)|run that \
        release) ]] ||
        complain "$what: the error does not name the file and the way out: $(cat "$daemon.log")"
    verdicts[refused]=$((verdicts[refused] + 1))
}

# flip FILE POSITION: one bit of the byte.
flip() {
    local byte bit=$((1 << RANDOM % 8))
    byte=$(od -An -tu1 -j "$2" -N 1 "$1")
    # shellcheck disable=SC2059  # the format is the byte
    printf "\\x$(printf %x $((byte ^ bit)))" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

# The numbers of a subshell would not follow from the seed.
somewhere() { place=$(((RANDOM * 32768 + RANDOM) % $1)); }  # below SIZE

# --- all of it ---
for daemon in broker gatherer; do
    database=copy/$daemon.db
    log=$database-wal
    log_bytes=$(stat -c %s "made/$daemon.db-wal")
    database_bytes=$(stat -c %s "made/$daemon.db")
    frames=$(((log_bytes - 32) / frame))
    ((frames > 20)) || fail "only $frames frames in the log of the $daemon: this is no test"

    fresh_copy
    try "$daemon" "nothing was done to it"

    positions=(0 1 31 32 33 $((log_bytes - 1)) $((log_bytes - frame)))
    for ((i = 0; i < few; i++)); do
        somewhere "$frames"
        border=$((32 + frame * place))
        positions+=("$border" $((border + 1)) $((border + 24)))
    done
    for ((i = 0; i < many; i++)); do somewhere "$log_bytes" && positions+=("$place"); done
    for position in "${positions[@]}"; do
        fresh_copy
        truncate -s "$position" "$log"
        try "$daemon" "the log is cut at byte $position of $log_bytes"
    done

    positions=(0 5 12 17 20 26)  # the log's header
    for ((i = 0; i < few; i++)); do
        somewhere "$frames" && positions+=($((32 + frame * place + RANDOM % 24)))
    done
    for ((i = 0; i < many; i++)); do somewhere "$log_bytes" && positions+=("$place"); done
    for position in "${positions[@]}"; do
        fresh_copy
        flip "$log" "$position"
        try "$daemon" "a bit of byte $position of the log is flipped"
    done

    positions=(1 16 18 19 27 30 35 59 63 98)  # the database's header
    for ((i = 0; i < few; i++)); do
        somewhere $((database_bytes / 65536)) && positions+=($((65536 * place + RANDOM % 40)))
    done
    for ((i = 0; i < many; i++)); do somewhere "$database_bytes" && positions+=("$place"); done
    for position in "${positions[@]}"; do
        fresh_copy
        flip "$database" "$position"
        try "$daemon" "a bit of byte $position of the database is flipped"
    done

    for position in 0 50 100 65536 $((65536 + 1)) $((database_bytes / 2)) \
        $((database_bytes - 65536)) $((database_bytes - 1)); do
        fresh_copy
        truncate -s "$position" "$database"
        try "$daemon" "the database is cut at byte $position of $database_bytes"
    done

    for position in 0 3 8 15; do
        fresh_copy
        flip "$database-mark" "$position"
        try "$daemon" "a bit of byte $position of the mark is flipped"
    done

    fresh_copy
    rm "$log"
    try "$daemon" "the log is gone"
    fresh_copy
    rm "$database"
    try "$daemon" "the database is gone"
    try "$daemon" "the database is gone, and it is tried again"
    fresh_copy
    rm "$database" "$log"
    try "$daemon" "both are gone"
    fresh_copy
    seq 10000 >"$database"
    try "$daemon" "the database is a text"
    fresh_copy
    rm "$log"
    seq 10000 >"$database"
    try "$daemon" "the database is a text, and the log is gone"
done

echo "${verdicts[refused]} refused, ${verdicts[whole]} whole, of these ${verdicts[finished]} to the job's end"
((verdicts[refused] > 0 && verdicts[whole] > 0 && verdicts[finished] > 0)) ||
    fail "only one kind of case: this is no test"
((wrong == 0)) || fail "$wrong cases are wrong"
