#!/bin/bash
# A client in Python that knows the protocol from shared/wire/PROTOCOL.md alone, against a fleet:
# shows that the document is enough.
# shellcheck disable=SC1091,SC2119,SC2154,SC2016  # common.sh beside it is read
client=$(realpath "$(dirname "$0")/stranger_client.py")
document=$(realpath "$(dirname "$0")/../..")/shared/wire/PROTOCOL.md
. "$(dirname "$0")/common.sh"

python=/usr/bin/python3 # the one that Debian's packages are for
if ! "$python" -c 'import msgpack, zmq' 2>err; then
    echo "skipped: $python lacks zmq or msgpack; scripts/setup.sh --checks installs them"
    tail -n 1 err
    exit 0
fi

start_broker
start_gatherer
start_worker worker-1 --slots 2
await_workers 1
prints "10 fragments came back as they were" "$python" "$client" "$broker_endpoint"

# Its job is one like any other.
run 0 fanfold jobs --broker "$broker_endpoint" --output json
same "the job's outcome" complete "$(field outcome <out)"
same "the job's title" "a stranger's job" "$(field title <out)"

# The smallest client runs as it stands in the document.
sed -n '/^```python$/,/^```$/p' "$document" | sed '/^```/d' >smallest.py
prints $'one\n2\n[3]' "$python" smallest.py "$broker_endpoint"
