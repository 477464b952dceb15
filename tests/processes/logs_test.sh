#!/bin/bash
# Logs: one event a line, as text or JSON; a job can be followed through all programs by grepping
# its id.
# shellcheck disable=SC1091,SC2016,SC2046,SC2119,SC2154  # common.sh is beside it; options are
# words; what is in single quotes is for other shells
. "$(dirname "$0")/common.sh"

# As options of a program whose log goes to NAME.json.
logged() { echo --log-level debug --log-format json --log-file "$1.json"; }
start_broker $(logged broker)
start_gatherer $(logged gatherer)
start_worker worker --function 'twice=sed p' $(logged worker)
await_workers 1
run 0 fanfold map --broker "$broker_endpoint" $(logged client) -k --function twice ::: a b c
silent
run 1 fanfold map --broker "$broker_endpoint" --quiet --retries 1 --function fanfold.fail ::: why
run 0 fanfold jobs --broker "$broker_endpoint" --output json
mapfile -t jobs < <(field id <out)
same "jobs" 2 "${#jobs[@]}"
for program in worker gatherer broker; do stop "$program"; done

# Every line is a JSON object with the same first members, and lines of a job name it.
for program in broker gatherer worker client; do
    python3 - "$program.json" "${jobs[0]}" <<'END' || fail "$program.json: $(cat "$program.json")"
import datetime, json, sys
lines = [json.loads(line) for line in open(sys.argv[1])]
assert lines, "nothing is logged"
for line in lines:
    datetime.datetime.fromisoformat(line["time"].replace("Z", "+00:00"))
    assert line["level"] in ("trace", "debug", "info", "warning", "error"), line
    assert line["component"] and line["event"], line
assert any(line.get("job") == sys.argv[2] for line in lines), "the job is not in it"
END
done

# Text: one line an event, and the same job in all of them.
logged() { echo --log-level debug --log-file "$1.text"; }
{
    start_broker $(logged broker)
    start_gatherer $(logged gatherer)
    start_worker worker --allow-exec $(logged worker)
    run 0 fanfold map --broker "$broker_endpoint" $(logged client) 'echo $FANFOLD_JOB; :' ::: a
}
job=$(cat out)
for program in worker gatherer broker; do stop "$program"; done
for program in broker gatherer worker client; do
    has_line "$program: .*job=$job" "$program.text" ||
        fail "$program.text says nothing of job $job: $(cat "$program.text")"
    odd=$(grep -Ev \
        '^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:.]{12} (trace|debug|info|warning|error) [a-z]+: ' \
        "$program.text")
    same "odd lines in $program.text" '' "$odd"
done

# The level is obeyed; what is not well is told also at a high one.
start broker fanfold-broker --bind "$broker_endpoint" --log-level off
await "the broker is ready" ready broker
start_gatherer --log-level error
start_worker worker --log-level error
run 1 fanfold map --broker "$broker_endpoint" --quiet --log-level off --function fanfold.fail ::: a
silent
for program in worker gatherer broker; do
    stop "$program"
    [[ ! -s $program.log ]] || fail "the $program logs below its level: $(cat "$program.log")"
done

# A file is begun again past its size, and on SIGHUP; a name takes 64 characters of a line.
start_broker --log-level trace --log-file rotated.log --log-rotate 2K:2
start_gatherer --log-file gatherer.text
long=$(printf 'w%.0s' {1..200})
start_ready worker fanfold-worker --broker "$broker_endpoint" --name "$long"
await_workers 1
for _ in {1..12}; do
    run 0 fanfold map --broker "$broker_endpoint" --function fanfold.echo ::: {1..9}
done
same "old log files" "rotated.1.log rotated.2.log rotated.log" "$(echo rotated*)"
for file in rotated*; do
    (($(wc -c <"$file") <= 2048)) || fail "$file has $(wc -c <"$file") bytes"
done
for program in broker gatherer; do
    file=gatherer.text
    [[ $program == gatherer ]] || file=rotated.log
    mv "$file" "$file.moved"
    kill -HUP "${started[$program]}"
    await "the log of the $program goes on in a new file" test -e "$file"
done
run 0 fanfold map --broker "$broker_endpoint" --function fanfold.echo ::: a
await "the new file has lines" has_line 'gatherer: job ended' gatherer.text
for program in worker gatherer broker; do stop "$program"; done
cat rotated*log* >all.text
has_line "peer=${long:0:64}[^w]" all.text || fail "the worker's name is not cut: $(grep ww all.text)"
run 255 fanfold-broker --keys "$work/no-keys" --log-file late.text
has_line 'error broker: the program ends: .*no-keys' late.text || fail "its log has not why it ended"
run 255 fanfold-broker --log-rotate 100M
says "--log-rotate: '100M' is not SIZE:COUNT"
run 255 fanfold-broker --log-rotate 1M:x

run 255 fanfold-broker --bind "$broker_endpoint" --log-level loud
says 'loud'
touch regular
run 255 fanfold-broker --bind "$broker_endpoint" --log-file regular/below
says 'regular/below'
run 255 fanfold map --log-format xml echo ::: a
says "'xml'"
