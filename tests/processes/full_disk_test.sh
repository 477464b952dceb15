#!/bin/bash
# The disk under a store fills up in the middle of a job: the log says so, the process lives on, new
# jobs are refused. With room again, everything that was accepted arrives, also when the daemon was
# killed while the disk was full. A worker without room for commands leaves the work to others.
# shellcheck disable=SC1091,SC2119,SC2154  # common.sh is beside it

# The disks are small ones in memory, in a mount namespace of the test's own.
if [[ -z ${FANFOLD_TEST_MOUNTS:-} ]]; then
    for how in -m -rm; do
        unshare "$how" mount -t tmpfs none /mnt 2>/dev/null &&
            FANFOLD_TEST_MOUNTS=yes exec unshare "$how" bash "$0"
    done
    echo "full_disk_test: skipped: no mount namespace may be made here"
    exit 77
fi
. "$(dirname "$0")/common.sh"
export FANFOLD_BROKER=$broker_endpoint
trap 'status=$?; umount -l broker gatherer 2>/dev/null; (exit "$status"); finish' EXIT

silence=1s
[[ -z ${FANFOLD_SANITIZER:-} ]] || silence=5s
seq -f '%04000g' 10000 >large  # 40 MB, for a disk of 24
seq 20000 >small
mkdir broker gatherer
room() { mount -o remount,size="$2" "$1" || fail "cannot give $1 $2"; }
durable_broker() { start_broker --worker-timeout "$silence" --state broker; }
durable_gatherer() { start_gatherer --state gatherer; }
full_is_told() { grep -Eq "cannot write $1/$1.db.*disk is full; make room" "$1.log"; }
ends_complete() {  # JOB INPUT
    run 0 fanfold results -k "$1"
    cmp -s out "$2" ||
        fail "the results of $1 differ from $2: $(diff out "$2" | head -n 4 | cut -c 1-200)"
}

# The daemon whose disk is full is killed, can't start there, and starts again with room.
kill_and_start() {  # DAEMON
    stop "$1" KILL
    rm -f "$1.out"
    case $1 in
        broker) start broker fanfold-broker --bind "$broker_endpoint" --state broker \
            --worker-timeout "$silence" ;;
        gatherer) start gatherer fanfold-gatherer --bind "tcp://127.0.0.1:$((first_port + 2))" \
            --name gatherer --state gatherer ;;
    esac
    started_or_ended() { [[ -s $1.out ]] || dead "${started[$1]}"; }
    await "$1 starts on its full disk, or refuses to" started_or_ended "$1"
    if dead "${started[$1]}"; then
        ended "$1"
        same "the exit code of a $1 that is started on a full disk" 255 "$code"
        [[ $(tail -n 1 "$1.log") =~ $1/$1.db.*full.*room ]] ||
            fail "no error that names the full disk and the way out: $(tail -n 1 "$1.log")"
        room "$1" 256m
        "durable_$1"
    else
        room "$1" 256m
    fi
}

for daemon in broker gatherer; do
    for killed in no yes; do
        mount -t tmpfs -o size=256m none broker || fail "no disk"
        mount -t tmpfs -o size=256m none gatherer || fail "no disk"
        durable_broker
        durable_gatherer
        # What was accepted before…
        run 0 fanfold submit --function fanfold.echo -a small
        before=$(cat out)
        room "$daemon" 24m
        # …and a job that does not fit.
        if [[ $daemon == broker ]]; then
            start large fanfold submit --connect-timeout 300s --function fanfold.echo -a large
        else
            start_worker worker --slots 2
            start large fanfold submit --function fanfold.echo -a large
        fi
        await "the $daemon says that its disk is full" full_is_told "$daemon"
        if [[ $daemon == broker ]]; then
            run 255 fanfold submit --function fanfold.echo ::: a
            says 'accepts nothing at present: cannot write broker/broker.db.*make room'
            run 0 fanfold jobs  # who looks is answered
            alive "${started[large]}" || fail "the client did not wait: $(cat large.log)"
            [[ ! -s large.out ]] || fail "more is accepted than there is room for"
        else
            ended large
            same "exit code of a submission while the gatherer's disk is full" 0 "$code"
        fi
        alive "${started[$daemon]}" ||
            fail "the $daemon did not outlive a full disk: $(cat "$daemon.log")"

        if [[ $killed == yes ]]; then kill_and_start "$daemon"; else room "$daemon" 256m; fi
        if [[ $daemon == broker ]]; then
            start_worker worker --slots 2
            ended large
            same "exit code of the submission that waited: $(cat large.log)" 0 "$code"
        else
            [[ $killed == yes ]] ||
                await "the gatherer writes again" has_line 'can be written again' gatherer.log
        fi
        ends_complete "$before" small
        ends_complete "$(cat large.out)" large
        # And it takes new jobs.
        prints $'1\n2' fanfold map -k --function fanfold.echo ::: 1 2
        for name in worker gatherer broker; do stop "$name"; done
        umount broker gatherer
        rm ./*.log
    done
done

# --- a worker whose disk for commands is full ---
# Its trouble is not the fragments': the other worker does the work.
start_broker
start_gatherer
mkdir sick bin
# The sanitizer for threads has files of a megabyte there.
mount -t tmpfs -o size=16m,nr_inodes=40 none sick
trap 'status=$?; umount -l broker gatherer sick 2>/dev/null; (exit "$status"); finish' EXIT
# shellcheck disable=SC2016  # the script itself expands its argument
printf '#!/bin/sh\necho "$1"\n' >bin/repeat
chmod +x bin/repeat
TMPDIR=$work/sick start_worker sick --slots 2 --allow-exec
PATH=$work/bin:$PATH start_worker well --slots 2 --allow-exec
await_workers 2
fill() {
    for number in $(seq 50); do : >"sick/$number"; done 2>/dev/null
    cat /dev/zero >sick/1 2>/dev/null
}
trouble_of() { fanfold workers --output json | grep "\"name\":\"$1\"" | field trouble; }
in_trouble() { [[ -n $(trouble_of sick) ]]; }
well_again() { [[ -z $(trouble_of sick) ]]; }
fill
seq 300 >numbers
run 0 fanfold map -k --cwd fresh -a numbers 'sleep 0.01; echo {}'
cmp -s out numbers || fail "not each result once beside a sick worker"
await "the sick worker says why" in_trouble
[[ $(trouble_of sick) == *'No space left'* ]] || fail "the trouble is told as: $(trouble_of sick)"
has_line 'worker takes nothing.*No space left' sick.log ||
    fail "the worker does not log its trouble"
find sick -maxdepth 1 -type f -delete
await "the worker is well again" well_again

# --- a command that only one of them has ---
run 0 fanfold map -k -a numbers 'repeat {}'
cmp -s out numbers || fail "not each result once where one lacks the command"
await "the worker is well again" well_again

# …and one that nobody has.
run 101 fanfold map -k -a numbers 'no-such-tool {}'
says 'not found'
