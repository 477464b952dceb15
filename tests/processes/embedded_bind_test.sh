#!/bin/bash
# Remote workers join a pipeline that has no daemons: `fanfold map --bind`; and endpoints that are
# advertised as others than those bound.
# shellcheck disable=SC1091,SC2016,SC2119,SC2154  # common.sh is beside it; what is in single quotes
# is for other shells
. "$(dirname "$0")/common.sh"

# --- a map that binds: its own slots and a worker from outside share the work ---
cat >share.sh <<'END'
# Waits until commands of both workers have begun, so that neither can take all.
echo "$$" >>"$1/pids"
touch "$1/begun.$2"
until [ "$(ls "$1" | grep -c '^begun')" -ge 4 ]; do sleep 0.05; done
echo "$2"
END
start map fanfold map -k -j 2 --output json --bind "$broker_endpoint" --deadline 600s sh \
    "$work/share.sh" "$work" ::: 1 2 3 4 5 6
# (The port answers as soon as the map is there; a worker that comes too early tries again by
# itself.)
start_worker w1 --slots 2 --allow-exec
ended map
same "the exit code: $(cat map.log)" 0 "$code"
same "indices in order" "$(seq 0 5)" "$(field index <map.out)"
same "workers that took part" $'embedded\nw1' "$(field worker <map.out | sort -u)"
none_left pids

# The broker of that map is gone. The worker stays, and joins the next one on the same port.
alive "${started[w1]}" || fail "the worker left with its broker: $(cat w1.log)"
rm -f begun.* pids
start map fanfold map -k -j 2 --output json --bind "$broker_endpoint" --deadline 600s sh \
    "$work/share.sh" "$work" ::: 1 2 3 4
ended map
same "the exit code: $(cat map.log)" 0 "$code"
same "workers that took part again" $'embedded\nw1' "$(field worker <map.out | sort -u)"

# A function that only a worker from outside has: the job says that it waits for one.
start map fanfold map -k --bind "$broker_endpoint" --deadline 600s --function rev ::: abc def
await "the map says what it waits for" has_line "no worker offers the function 'rev'; it waits" \
    map.log
start_worker w2 --function rev=rev
ended map
same "the exit code: $(cat map.log)" 0 "$code"
same "its results" $'cba\nfed' "$(grep . map.out)"
has_line "fanfold-worker --broker $broker_endpoint\$" map.log ||
    fail "it does not say how to join: $(cat map.log)"

# The worker from outside is killed: its work is done by the slots inside.
rm -f pids
start map fanfold map -k -j 1 --bind "$broker_endpoint" \
    'echo $$ >>'"$work"'/pids; test -e '"$work"'/go || exec sleep 300; echo {}' ::: a b c
await "both slots of w1 and the one inside run" has_lines 3 pids
stop w1 KILL
none_left_outside() { (($(while read -r pid; do alive "$pid" && echo "$pid"; done <pids |
    wc -l) == 1)); }
await "the commands of the killed worker end" none_left_outside
touch go
while read -r pid; do kill "$pid" 2>/dev/null; done <pids
ended map
same "the failed one was inside" 1 "$code"
same "results" 2 "$(wc -l <map.out)"
stop w2

# --- advertised endpoints ---
# Peers use these, here ports of a forwarder, and never those that are bound.
cat >forwarder.py <<'END'
import socket, sys, threading
def pump(source, target):
    try:
        while data := source.recv(65536): target.sendall(data)
    except OSError: pass
    for end in (source, target):
        try: end.shutdown(socket.SHUT_RDWR)
        except OSError: pass
def serve(listener, port):
    while True:
        near, _ = listener.accept()
        print("forwarded", port, flush=True)
        far = socket.create_connection(("127.0.0.1", port))
        for ends in ((near, far), (far, near)):
            threading.Thread(target=pump, args=ends, daemon=True).start()
ports = [int(word) for word in sys.argv[1:]]
listeners = [(socket.create_server(("127.0.0.1", entry)), port)
             for entry, port in zip(ports[::2], ports[1::2])]
for listener, port in listeners: threading.Thread(target=serve, args=(listener, port)).start()
print("ready", flush=True)
END
p=$first_port
start_ready forwarder python3 forwarder.py $((p + 10)) "$p" $((p + 11)) $((p + 1)) $((p + 12)) \
    $((p + 2)) $((p + 13)) $((p + 3))
start_broker --advertise tcp://127.0.0.1:$((p + 10))
start_gatherer --advertise tcp://127.0.0.1:$((p + 12))
start_worker w3
seq 1000 >numbers
run 0 fanfold map -k --broker "$broker_endpoint" --function fanfold.echo <numbers
cmp -s out numbers || fail "the results over advertised endpoints are not the input"
for port in $((p + 1)) $((p + 2)) $((p + 3)); do
    has_line "^forwarded $port\$" forwarder.out ||
        fail "nobody went to port $port by its advertised one: $(cat forwarder.out)"
done
for name in w3 gatherer broker; do stop "$name"; done

# Bound to every address and advertised as none: peers take the host that they know the broker by.
start_ready broker fanfold-broker --insecure --bind "tcp://0.0.0.0:$p"
start_ready gatherer fanfold-gatherer --insecure --broker "$broker_endpoint" --bind \
    "tcp://0.0.0.0:$((p + 2))"
for name in broker gatherer; do has_line 'INSECURE.*0\.0\.0\.0.*without keys' "$name.log" ||
    fail "$name does not warn: $(cat "$name.log")"; done
start_worker w4
run 0 fanfold map -k --broker "$broker_endpoint" --function fanfold.echo <numbers
cmp -s out numbers || fail "the results of a fleet bound to 0.0.0.0 are not the input"
