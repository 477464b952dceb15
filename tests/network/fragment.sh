#!/bin/bash
# A fragment of the test network's jobs. It records its start and its end, takes as long as its
# payload says, and answers with what it got and so much more.
# usage: fragment.sh RECORD WORKER, with `SECONDS KIB FILLER` on stdin
say() { echo "$1 $FANFOLD_INDEX $2 $FANFOLD_ATTEMPT $EPOCHREALTIME" >>"$record"; }
set -e  # what is killed has not ended
record=$1
say start "$2"
read -r -d ' ' seconds
read -r -d ' ' kibibytes
md5sum
sleep "$seconds"
((kibibytes == 0)) || head -c "${kibibytes}K" /dev/zero | tr '\0' v
say end "$2"
