#!/bin/bash
# Peers that mean ill, on real sockets: whatever bytes they send to a fleet's ports, the job that
# runs completes with the right results, jobs beside it are served, no process dies, memory stays
# bounded, and the nonsense is counted and told at a limited rate.
# shellcheck disable=SC1091,SC2016,SC2119,SC2154  # common.sh is beside it; what is in single quotes
# is for other shells
peers=$(realpath "$(dirname "$0")/hostile_peers.py")
. "$(dirname "$0")/common.sh"

python=/usr/bin/python3 # the one that Debian's packages are for
if ! "$python" -c 'import msgpack, zmq' 2>err; then
    echo "skipped: $python lacks zmq or msgpack; scripts/setup.sh --checks installs them"
    tail -n 1 err
    exit 0
fi

control=$first_port blocks=$((first_port + 1)) results=$((first_port + 2)) \
    collect=$((first_port + 3))
ports=("$control" "$blocks" "$results" "$collect")
(ulimit -S -n 256 && exec true) || fail "the limit of open files can't be set"
ulimit -S -n 256 # fewer than the half-open connections: the daemons raise it themselves
start_broker
start_gatherer
start_worker worker-1 --slots 2 --function 'nap=sleep 0.02; cat'
start_worker worker-2 --slots 2 --function 'nap=sleep 0.02; cat'
await_workers 2

# --- a job that runs all the time: its input ends when all the attacks are over ---
# It is fed as fast as it runs, and never far ahead: a slow machine has no more left at the end than
# a quick one.
mkfifo input
feed() {
    local number=0
    until [[ -e over ]]; do
        if ! has_lines $((number - 80)) job.out; then
            sleep 0.1
            continue
        fi
        for ((i = 0; i < 20; i++)); do echo $((number++)); done
    done
}
feed >input &
started[feed]=$!
start job fanfold map --broker "$broker_endpoint" --connect-timeout 60s -k --function nap -a input
await "the job's first results" has_lines 1 job.out

# And jobs beside it, one after the other.
slowest=0
neighbour() {
    local before after
    before=$(date +%s%N)
    prints "$(seq 1 1000)" fanfold map --broker "$broker_endpoint" --connect-timeout 60s -k \
        --function fanfold.echo -a numbers
    after=$((($(date +%s%N) - before) / 1000000))
    ((after <= slowest)) || slowest=$after
}
seq 1 1000 >numbers
neighbour
echo "alone: a job of 1000 fragments took $slowest ms"

attack() {
    attack=$*
    start attack "$python" "$peers" "$@"
}
survive() {
    until dead "${started[attack]}"; do neighbour; done
    ended attack
    echo "$attack: a job of 1000 fragments beside it took $slowest ms at most"
    slowest=0
    ((code == 0)) || fail "the attack failed: $(cat attack.log)"
}

attack noise "${ports[@]}"
survive
attack half-open 500 3 "${ports[@]}"
survive
attack oversize "${ports[@]}"
survive
for port in "$control" "$collect"; do
    attack malformed dealer "$port" 10000
    survive
done
for port in "$blocks" "$results"; do
    attack malformed push "$port" 10000
    survive
done
attack loans "$control"
survive
attack deaf "$control" broker.log
survive
attack replay "$control"
survive
replayed=$(cat attack.out)
neighbour

# --- all is as it should be ---
touch over
ended job
((code == 0)) || fail "the job ended with $code: $(tail -n 3 job.log)"
# As a gatherer, so that no job may begin meanwhile; again, since one line a second is written of
# what is stale.
stale_epoch() { "$python" "$peers" stale-epoch "$control" &&
    has_line 'passed over what is stale.*earlier-life' broker.log; }
await "the log is about a gatherer of an earlier life" stale_epoch
count=$(wc -l <job.out)
same "the results of $count fragments" "$(seq 0 $((count - 1)) | md5sum)" "$(md5sum <job.out)"
((count > 100)) || fail "only $count fragments ran"

run 0 fanfold results --broker "$broker_endpoint" -k "$replayed"
same "the replayed job's results" "$(printf 'fragment %d\n' {0..9})" "$(cat out)"
run 0 fanfold status --broker "$broker_endpoint" --output json "$replayed"
same "the replayed job's fragments" "10 10" "$(field accepted <out) $(field values <out)"

most=400 # MiB
[[ -z ${FANFOLD_SANITIZER:-} ]] || most=4000
for name in broker gatherer worker-1 worker-2; do
    alive "${started[$name]}" || fail "$name has died"
    peak=$(awk '$1 == "VmHWM:" { print int($2 / 1024) }' "/proc/${started[$name]}/status")
    echo "$name: $peak MiB at most"
    ((peak < most)) || fail "$name took $peak MiB at its peak, more than $most"
    # those are the neighbours'
    lines=$(grep -Evc ': (job (opened|sealed|ended)|collector attached|peer (joined|gone)) ' \
        "$name.log")
    ((lines < 1000)) || fail "$name wrote $lines lines on nonsense to its log"
    ! grep -q 7531902468013579 "$name.log" || fail "the log of $name has a job's token"
    ! LC_ALL=C grep -q $'[\x01-\x08\x0b-\x1f\x7f]' "$name.log" ||
        fail "the log of $name has control characters"
done
for name in broker gatherer; do
    has_line 'a peer is cut off.*peer=hostile-' "$name.log" ||
        fail "$name does not say that it cut a peer off"
    has_line '[0-9]+ more like it' "$name.log" || fail "$name does not say how much it left out"
done
has_line 'a peer is cut off.*peer=wicked-worker' broker.log ||
    fail "the wicked worker was not cut off"
has_line 'passed over what is stale.*earlier-life.*; [0-9]{2,} so far' broker.log ||
    fail "replayed messages are not counted"
has_line 'refused.*earlier-life.*belongs to a gatherer of a later start' broker.log ||
    fail "the log has no gatherer of an earlier life"
! has_line '^forged line' broker.log || fail "a line of the log is forged"
echo "$count fragments of the long job ran"
