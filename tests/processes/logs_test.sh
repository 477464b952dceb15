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
run 255 fanfold-broker --bind "$broker_endpoint" --log-level loud
says 'loud'
touch regular
run 255 fanfold-broker --bind "$broker_endpoint" --log-file regular/below
says 'regular/below'
run 255 fanfold map --log-format xml echo ::: a
says "'xml'"
