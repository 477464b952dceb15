#!/bin/bash
# Where commands run: in their submitter's folder wherever a worker has it, with a fleet as without
# one; elsewhere in fresh folders, which is said, and so is what they have left there.
# shellcheck disable=SC1091,SC2016,SC2119,SC2154  # common.sh is beside it; what is in single quotes
# is for other shells
. "$(dirname "$0")/common.sh"

start_broker
start_gatherer
start_worker near --slots 2 --allow-exec
await_workers 1
mkdir folder
cd folder || exit 1

# --- the same with a fleet and without one ---
for broker in '' "$broker_endpoint"; do
    export FANFOLD_BROKER=$broker
    run 0 fanfold map 'echo hi >out-{}.txt' ::: 1 2
    silent
    same "files, broker '$broker'" 'hi hi' "$(cat out-1.txt out-2.txt | xargs)"
    prints 'hi' fanfold map cat ::: out-1.txt
    rm out-?.txt
    prints "$work/folder" fanfold map 'pwd; :' ::: x
    prints "$work/folder" fanfold map --cwd here 'pwd; :' ::: x
    prints "$work" fanfold map --cwd .. 'pwd -P; :' ::: x
    prints "/" fanfold map --cwd / 'pwd; :' ::: x
    # What was asked for is no surprise.
    run 0 fanfold map --cwd fresh 'pwd; ls -A | wc -l; echo hi >out-{}.txt' ::: 1
    silent
    has_line '/fanfold-commands-' out || fail "no folder of its own: $(cat out)"
    has_line '^0$' out || fail "it is not empty: $(cat out)"
    [[ ! -e out-1.txt ]] || fail "a command in a fresh folder wrote elsewhere"
    run 1 fanfold map --cwd "$work/nowhere" true ::: x
    says "cannot enter folder $work/nowhere"
done
prints "$work/folder" fanfold map --function fanfold.echo ::: "$work/folder"

# --- -j is how many run at a time, with a broker too ---
start slow fanfold map -j 1 'touch began; until [ -e ../go ]; do sleep 0.05; done; :' ::: 1 2
await "the first fragment runs" test -e began
same "-j" 1 "$(fanfold status --output json last | field max_running)"
touch ../go
ended slow
same "the exit code" 0 "$code"

run 0 fanfold submit -j 1 true ::: 1
same "-j of submit" 1 "$(fanfold status --output json last | field max_running)"
run 255 fanfold map --cwd '' true ::: 1
says "^fanfold: --cwd '': here, fresh, or a folder is wanted"

# --- a worker that has not the folder: it is mounted for the client alone ---
alone=(unshare -m bash -c 'mount -t tmpfs none . && cd "$PWD" && "$@"' alone)
if ! "${alone[@]}" true 2>/dev/null; then
    echo "cwd_test: left out: no mount namespace may be made here"
    exit 0
fi
run 0 "${alone[@]}" fanfold map -k 'pwd; echo hi >out-{}.txt' ::: $(seq 12)
same "twelve folders" 12 "$(grep -c '/fanfold-commands-' out)"
same "said once" 1 "$(grep -c 'worker near has not this folder.*see --cwd$' err)"
same "what is left behind is named" 10 "$(grep -c '^fanfold: left behind on worker near by' err)"
says 'by fragment 3, and gone: out-3.txt; see --cwd$'
says 'more is left behind; no more is named'
run 0 "${alone[@]}" fanfold map --quiet 'echo hi >out-{}.txt' ::: 1
silent
run 0 "${alone[@]}" fanfold map --output json 'touch a-{} b' ::: 1
same "in JSON" 'a-1, b' "$(field value <out | python3 -c '
import ast, sys
names = ast.literal_eval(sys.stdin.read())["left_behind"].split(", ")
print(", ".join(sorted(names)))')"
run 1 "${alone[@]}" fanfold map cat ::: out-1.txt
says 'exit code 1 in a fresh folder, for its worker has not this one \(see --cwd\)'
same "its stderr is told once" 1 "$(grep -c 'No such file' err)"
run 0 "${alone[@]}" fanfold map --cwd "$work" 'pwd; :' ::: x
silent
