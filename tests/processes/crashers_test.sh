#!/bin/bash
# Fragments that kill their worker each time, among many that don't, while workers are started
# again: each of those ends `crashed` after three lone runs, and nobody else does.
# shellcheck disable=SC1091,SC2016,SC2119,SC2154  # common.sh is beside it; what is in single quotes
# is for other shells
. "$(dirname "$0")/common.sh"
export FANFOLD_BROKER=$broker_endpoint
start_broker --worker-timeout 2s --state state
start_gatherer --state state

# A worker's commands are not its children, but know its name: $WORKER_FOLDER holds its pid.
names=(w1 w2 w3)
revive() {  # NAME
    mkdir -p "folder-$1"
    start "$1" env WORKER_FOLDER="$work/folder-$1" fanfold-worker --name "$1" --slots 2 \
        --allow-exec --keep-env WORKER_FOLDER
    echo "${started[$1]}" >"folder-$1/pid"
}
for name in "${names[@]}"; do revive "$name"; done
await_workers 3

# Who is guilty says so first, and waits for its end.
cat >act <<'ACT'
case $1 in
    bad*) echo "$1" >>"$2/runs" &&
        until kill -KILL "$(cat "$WORKER_FOLDER/pid")"; do sleep 0.05; done &&
        exec sleep 300 ;;
esac
sleep 0.02
echo "$1"
ACT
seq 300 >input
sed -i -e '40i bad1' -e '41i bad2' -e '200i bad3' input
start map fanfold map -k --output json -a input "sh $work/act {} $work"
deaths=0
until=$((SECONDS + 3 * patience))
while alive "${started[map]}"; do
    ((SECONDS < until)) || fail "the job does not end; $deaths workers died"
    for name in "${names[@]}"; do
        alive "${started[$name]}" && continue
        ended "$name"
        deaths=$((deaths + 1))
        revive "$name"
    done
    sleep 0.1
done
ended map
same "the exit code" 3 "$code"
same "who crashed" $'bad1\nbad2\nbad3' "$(python3 -c 'import json
words = open("input").read().split()
for line in open("map.out"):
    result = json.loads(line)
    if result["outcome"] != "value": print(words[result["index"]] if result["outcome"] == \
        "crashed" else result)
    elif result["value"]["stdout"].strip() != words[result["index"]]: print("wrong", result)')"
same "each result once" "$(seq 0 302)" "$(field index <map.out)"
has_line '3 of 303 missing: crashed: 40,42,202' map.log || fail "no outcome with its reason: $(cat map.log)"
for word in bad1 bad2 bad3; do
    runs=$(grep -c "^$word\$" runs)
    # Three that count; before them it may run beside another one, when nobody can say which of them
    # it was.
    ((runs >= 3 && runs <= 6)) || fail "$word ran $runs times"
done
((deaths >= 6 && deaths <= 18)) || fail "$deaths workers died of three fragments"
echo "$deaths workers died, $(sort runs | uniq -c | xargs)"

# The fleet is as good as before.
for name in "${names[@]}"; do
    alive "${started[$name]}" && continue
    ended "$name"
    revive "$name"
done
prints $'4\n5' fanfold map -k echo ::: 4 5
