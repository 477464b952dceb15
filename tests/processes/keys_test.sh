#!/bin/bash
# A fleet with keys: nobody gets in whose key is not allowed, nobody does what his role is not for,
# a key that is taken out of the file is shut out at once, nothing can be read on the wire, and no
# secret is anywhere but in its file.
# shellcheck disable=SC1091,SC2016,SC2034,SC2119,SC2154  # common.sh is beside it; what is in single
# quotes is for other shells
folder=$(realpath "$(dirname "$0")")
unset FANFOLD_TEST_SECURE # it makes its own
. "$(dirname "$0")/common.sh"
p=$first_port

# --- on the wire: a marker that is there without keys, and with keys is not ---
marker=a-payload-that-everybody-could-read
tap_run() {  # KIND: a job whose every hop goes through the proxy
    start_ready "tap-$1" python3 "$folder/proxy.py" tape "$1.tape" $((p + 10))="$p" \
        $((p + 11))=$((p + 1)) $((p + 12))=$((p + 2)) \
        $((p + 13))=$((p + 3))
    start_broker --advertise tcp://127.0.0.1:$((p + 10))
    start_gatherer --advertise tcp://127.0.0.1:$((p + 12))
    start_ready worker fanfold-worker --broker tcp://127.0.0.1:$((p + 10)) --name worker \
        "${of_worker[@]}"
    prints "$marker" fanfold map --broker tcp://127.0.0.1:$((p + 10)) --function fanfold.echo ::: \
        "$marker"
    for name in worker gatherer broker; do stop "$name"; done
    stop "tap-$1"
}
tap_run plain
seen=$(grep -ac "$marker" plain.tape)
((seen > 0)) || fail "the proxy does not see what travels in the open"

make_keys
make_key boss admin
make_key bob submit
of_broker=(--keys "$keys/broker") of_gatherer=(--keys "$keys/gatherer") \
    of_worker=(--keys "$keys/worker")
export FANFOLD_KEYS=$keys/client
tap_run secure
[[ -s secure.tape ]] || fail "nothing went through the proxy"
for word in "$marker" fanfold.echo worker; do
    ! grep -aq "$word" secure.tape || fail "'$word' can be read on the wire"
done

# Not in what programs write, and not in their command lines.
no_secret_to_be_seen() {
    local file
    sed -n 's/^secret //p' "$keys"/*/identity >secrets
    for file in "$work"/*.log "$work"/*.out err out /proc/[0-9]*/cmdline; do
        ! grep -aFqf secrets "$file" 2>/dev/null || fail "a secret key is in $file"
    done
}

# --- files ---
same "mode of a folder and its secret" $'700\n600' \
    "$(stat -c %a "$keys/client" "$keys/client/identity")"
run 255 fanfold keygen --keys "$keys/client"
says 'cannot make .*keys/client/identity: File exists'
chmod 644 "$keys/client/identity"
for program in "fanfold jobs" fanfold-worker fanfold-gatherer; do
    # shellcheck disable=SC2086  # words on purpose
    run 255 $program --broker "$broker_endpoint" --keys "$keys/client"
    says 'keys/client/identity can be read by others \(mode 0644\); close it with: chmod 600 '
done
chmod 600 "$keys/client/identity"
chmod 755 "$keys/client"
for program in "fanfold jobs" fanfold-worker fanfold-gatherer; do
    # shellcheck disable=SC2086  # words on purpose
    run 255 $program --broker "$broker_endpoint" --keys "$keys/client"
    says 'the folder of keys .*keys/client can be read by others .*close it with: chmod 700 '
done
chmod 700 "$keys/client"
chmod 640 "$keys/broker/identity"
run 255 fanfold-broker --bind "$broker_endpoint" --volatile --keys "$keys/broker"
says 'can be read by others'
chmod 600 "$keys/broker/identity"
run 255 fanfold-broker --bind "tcp://0.0.0.0:$p" --volatile --keys ""
says "cannot bind tcp://0.0.0.0:$p without keys.*--keys.*--insecure"
run 255 fanfold map --broker '' --bind "tcp://0.0.0.0:$p" --keys '' echo ::: a
says "cannot bind tcp://0.0.0.0:$p without keys.*--insecure"
cp "$keys/broker/allowed" allowed.good
echo "nonsense here" >>"$keys/broker/allowed"
run 255 fanfold-broker --bind "$broker_endpoint" --volatile --keys "$keys/broker"
says "keys/broker/allowed:[0-9]+: 'nonsense' is no public key"
cp allowed.good "$keys/broker/allowed"

# --- who gets in ---
start_broker
start_gatherer
start_worker worker --allow-exec
await_workers 1
prints $'a\nb' fanfold map -k --broker "$broker_endpoint" echo ::: a b
run 255 fanfold jobs --broker "$broker_endpoint" --keys ''
says "the broker at $broker_endpoint wants keys; .*--keys"
fanfold keygen --keys "$keys/stranger" --trust "$keys/broker/broker.pub" >stranger.line ||
    fail "no key for the stranger"
run 255 fanfold jobs --broker "$broker_endpoint" --keys "$keys/stranger"
says "does not let this key in: .*; have it added"
read -r stranger_key _ <stranger.line
await "the refusal is in the log" grep -Fq "key $stranger_key" broker.log
has_line 'unknown key refused' broker.log ||
    fail "the log does not say what it is: $(cat broker.log)"
# A broker that is another than the one whose key is known.
mv "$keys/stranger/broker.pub" broker.pub
fanfold keygen --keys "$keys/impostor" --for-broker || fail "no key for an impostor"
cp "$keys/impostor/broker.pub" "$keys/stranger/"
run 255 fanfold jobs --broker "$broker_endpoint" --keys "$keys/stranger" --connect-timeout 1s
says "no broker answers at .*perhaps it has another key"
cp broker.pub "$keys/stranger/"

# --- what each may say ---
python=/usr/bin/python3 # the one that Debian's packages are for
if "$python" -c 'import msgpack, zmq' 2>err; then
    of_the_gatherer=$(sed -n 's/^public //p' "$keys/gatherer/identity")
    client() { run 0 "$python" "$folder/keys_client.py" "$@"; }
    client knock "$keys/client" ROUTER "$broker_endpoint"
    same "the client's key" "let in" "$(cat out)"
    stranger_at() {  # ROUTER|PULL PORT [--server=KEY]
        client "${@:3}" knock "$keys/stranger" "$1" "tcp://127.0.0.1:$2"
        same "a stranger's key at port $2" refused "$(cat out)"
    }
    stranger_at ROUTER "$p"
    stranger_at PULL $((p + 1))
    stranger_at PULL $((p + 2)) "--server=$of_the_gatherer"
    stranger_at ROUTER $((p + 3)) "--server=$of_the_gatherer"
    for who in client:submit worker:work gatherer:gather boss:admin; do
        client deny "$keys/${who%:*}" "${who#*:}" "$broker_endpoint"
        client push "$keys/${who%:*}" "${who#*:}" "tcp://127.0.0.1:$((p + 1))" broker.log
        client "--server=$of_the_gatherer" deny "$keys/${who%:*}" "${who#*:}" \
            "tcp://127.0.0.1:$((p + 3))"
        client "--server=$of_the_gatherer" push "$keys/${who%:*}" "${who#*:}" \
            "tcp://127.0.0.1:$((p + 2))" gatherer.log
    done

    # Another user's job: what it holds is for its own user alone, and for administrators.
    run 0 fanfold submit --broker "$broker_endpoint" echo ::: mine
    job=$(cat out)
    run 0 fanfold wait --broker "$broker_endpoint" "$job"
    client "--server=$of_the_gatherer" collect "$keys/bob" "tcp://127.0.0.1:$((p + 3))" "$job"
    same "what another user gets" nothing "$(cat out)"
    asked_again_is_logged() { # one line a second is written
        client "--server=$of_the_gatherer" collect "$keys/bob" "tcp://127.0.0.1:$((p + 3))" "$job"
        has_line "denied.*job=$job.*Collect of another's job, by user bob" gatherer.log
    }
    await "the log says so" asked_again_is_logged
    client "--server=$of_the_gatherer" collect "$keys/boss" "tcp://127.0.0.1:$((p + 3))" "$job"
    grep -q mine out || fail "an administrator does not get it: $(cat out)"
else
    echo "not checked, message by message: $python lacks zmq or msgpack; scripts/setup.sh --checks installs them ($(tail -n 1 err))"
fi

no_secret_to_be_seen

# --- SIGHUP ---
rehash() { kill -HUP "${started[broker]}"; }
lines=$(grep -c 'allowed keys read' broker.log)
read_again() { (($(grep -c 'allowed keys read' broker.log) > lines)); }
# A file with an error changes nothing.
sed 's/^\(.*\) worker work$/\1 worker/' allowed.good >"$keys/broker/allowed"
rehash
await "the error is in the log" has_line \
    'stay as they were.*keys/broker/allowed:[0-9]+: write it as KEY USER ROLE' broker.log
same "workers" 1 "$(fanfold workers --broker "$broker_endpoint" --output json | wc -l)"
# The stranger is let in, the worker is shut out while it runs something.
start map fanfold map --broker "$broker_endpoint" \
    "touch $PWD/running; while ! test -e $PWD/go; do sleep 0.1; done; echo {}" ::: x
await "the command runs" test -e running
grep -v ' worker work$' allowed.good >"$keys/broker/allowed"
cat stranger.line >>"$keys/broker/allowed"
rehash
await "the file is read again" read_again
await_workers 0
ended worker
has_line 'no longer let in|does not let this key in' worker.log ||
    fail "the worker does not say why it leaves: $(cat worker.log)"
prints '' fanfold jobs --broker "$broker_endpoint" --keys "$keys/stranger" --output json
# Another worker with a key of its own takes the fragment over.
lines=$(grep -c 'allowed keys read' broker.log)
make_key second work
rehash
await "the file is read again" read_again
of_worker=(--keys "$keys/second")
touch go
start_worker second --allow-exec
ended map
same "the exit code" 0 "$code"
same "the result" x "$(cat map.out)"
alive "${started[broker]}" || fail "SIGHUP has ended the broker"
kill -HUP "${started[gatherer]}"

# --- a pipeline without daemons, with keys ---
for name in second gatherer broker; do stop "$name"; done
cp allowed.good "$keys/broker/allowed"
start map fanfold map --keys "$keys/broker" --bind "$broker_endpoint" --deadline 600s --function \
    rev ::: abc
of_worker=(--keys "$keys/worker")
start_worker third --function rev=rev
ended map
same "the exit code: $(cat map.log)" 0 "$code"
same "the result" cba "$(cat map.out)"
stop third
no_secret_to_be_seen
