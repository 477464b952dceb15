#!/bin/bash
# Runs real fleets over a network as it is: slow, lossy, cut in one direction, with hosts that stop
# and disks that fill. Prints a table with a line for each scenario; exits with 0 if all is well.
#
# usage: scripts/network.sh [--short] [--only REGEX] [--list] [--seed S] [--parallel N]
#                           [--chaos MINUTES] [--keep FOLDER]
#
#   --short        what takes less than a minute and must pass
#   --only REGEX   the scenarios with such a name
#   --list         print the names of the scenarios, and leave
#   --seed S       of the losses (1)
#   --parallel N   scenarios at a time (8); those that are about time run alone
#   --chaos M      instead: jobs one after the other and faults at random, for M minutes
#   --keep FOLDER  keep what the programs logged and the fragments recorded there
#
# All of it takes 10 to 17 minutes. Builds the programs first; $FANFOLD_BIN names a folder that has
# them. Needs root and /dev/net/tun, and leaves nothing behind. What the columns mean is told in
# tests/network/README.md.
set -u -o pipefail
source_folder=$(cd "$(dirname "$0")/.." && pwd)
for argument; do
    [[ $argument != -h && $argument != --help ]] || { sed -n '2,19s/^# \{0,1\}//p' "$0" && exit 0; }
done
if [[ -z ${FANFOLD_BIN:-} ]]; then
    export FANFOLD_BIN=$source_folder/build/release/bin
    (cd "$source_folder" && cmake --preset release >/dev/null &&
        cmake --build --preset release --target programs >&2) || exit 1
fi
exec python3 -B "$source_folder/tests/network/run.py" "$@"
