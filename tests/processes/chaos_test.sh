#!/bin/bash
# Half a minute of scripts/chaos.py: whatever is killed, nothing is lost, doubled or hung.
set -eu -o pipefail
chaos=$(cd "$(dirname "$0")/../.." && pwd)/scripts/chaos.py
seconds=30
[[ -z ${FANFOLD_SANITIZER:-} ]] || seconds=60
out=$(mktemp)
trap 'rm -f "$out"' EXIT
if ! "$chaos" --seconds "$seconds" --seed "${FANFOLD_TEST_SEED:-1}" --port "$FANFOLD_TEST_PORT" \
    --pace 800 >"$out"; then
    cat "$out" >&2
    exit 1
fi
cat "$out"
grep -Eq '^lost 0, doubled 0, hung 0, wrong 0$' "$out"
