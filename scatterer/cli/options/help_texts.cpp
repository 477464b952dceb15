#include "scatterer/cli/options/help_texts.hpp"

#include "scatterer/cli/options/parallel_options.hpp"

namespace fanfold::scatterer::cli {

namespace {

constexpr HelpText program_text{
    "fanfold [options] VERB [options] …",
    "Scatters a job over a fleet of workers and folds the results back together.",
    R"(Verbs:
  map         scatter a job, gather it, print the results
  submit      scatter a job and leave; prints its id
  jobs        list the jobs that the broker knows
  status      show one job
  wait        wait until jobs have ended
  results     print a job's results
  cancel      end a job and what it runs
  set         change how running jobs are served: priority, weight, limit
  retry       run again what failed in jobs that have ended
  forget      forget jobs that have ended, their results and keys
  workers     list the workers
  gatherers   list the gatherers, or empty one of its jobs
  functions   list the functions that workers offer
  doctor      try from here each port of the fleet that a role needs
  keygen      make the keys by which programs know each other
  backup      copy what the daemons of this host keep on disk, while they run
  restore     put such a copy in its place again

Without a broker (--broker, or FANFOLD_BROKER) map runs the whole fleet in its
own process. `fanfold help VERB` has each verb's options and examples.

Exit codes: 0 all well (tolerated failures included); 1 to 100 so many fragments
without a good result; 101 more than that; 130 interrupted by Ctrl-C; 255
anything wrong with the call or the system.)"};

constexpr HelpText map_text{
    R"(fanfold map [options] [--] COMMAND… [SOURCE…]
       fanfold map [options] --function NAME [SOURCE…])",
    R"(Scatters COMMAND over inputs, or inputs over a function, and prints the results as they come.
Options end at COMMAND. A SOURCE is ::: ARG… or :::: FILE… (lines); several cross, :::+ and ::::+
link. Without one, the lines of stdin.
In COMMAND, {} is the input, {.} without extension, {/} without folders, {//} its folder, {/.} its
bare name, {1} the first of several, {#} the fragment's number, {%} its slot's; without any, {} is
appended. Without a COMMAND the inputs are the commands.)",
    R"(Examples:
  fanfold map -k 'wc -l < {}' ::: *.txt            lines of each file, in order
  fanfold map --timeout 10s --retries 2 curl -sf ::: $(cat urls)
  find . -name '*.png' -print0 | fanfold map -0 -j 8 'convert {} {.}.jpg'
  fanfold map 'echo {1} {2}' ::: a b ::: 1 2       every combination
  fanfold map --pipe 'sort | uniq -c' < big        blocks of lines on stdin
  fanfold map --csv --header : 'mail {to}' :::: people.csv
  fanfold map < commands                           each line is a command
  seq 9999 | fanfold map -k --function fanfold.echo   a function of the fleet
  fanfold map --gather quorum=3 --deadline 5s 'ping -c1 {}' :::: hosts
  fanfold map --output json --max-failures 5% ./check ::: *.xml
On workers with the label, 2 GiB to a fragment:
  fanfold map --require gpu --resource mem=2G ./render {} ::: scene*
What takes longer than 30 s is tried a second time beside the first:
  fanfold map --hedge 30s ./fetch {} ::: $(cat urls)
Interrupted or killed, and started again:
  fanfold map --joblog log --resume ./render ::: scene*   what is not in the log
  fanfold map --joblog log --resume-failed ./render ::: scene*   and what failed
  fanfold map -k --job-key renders ./render ::: scene*    one job each time)",
    parallel_answer};

constexpr HelpText submit_text{
    R"(fanfold submit [options] [--] COMMAND… [SOURCE…]
       fanfold submit [options] --function NAME [SOURCE…])",
    R"(Scatters a job as map does, and leaves once all of it is accepted. Prints the job's id. Needs
a broker. With --job-key the same command again finds the same job: it submits what is missing, if
anything, and prints the same id. Other inputs or another command under the same key are an error,
and change nothing.)",
    R"(Examples:
  job=$(fanfold submit --deadline 1h ./render {} ::: scene*.blend)
  fanfold wait $job && fanfold results -k $job > all
  fanfold results last                                   what was submitted last
As often as one likes, it is one job:
  fanfold submit --job-key renders-7 ./render {} ::: scene*.blend)",
    parallel_answer};

constexpr HelpText jobs_text{
    "fanfold jobs [options]",
    R"(Lists the jobs that the broker knows, the latest last: with keys your own, as an
administrator everybody's.)",
    R"(Examples:
  fanfold jobs --since 1d --state failed
  fanfold jobs --output json | jq 'select(.outcome == "running")')"};

constexpr HelpText status_text{
    "fanfold status [options] JOB…",
    "Shows jobs. JOB is `last`, `last:2` (the one before), any unique beginning or end of an id, "
    "or a job's name.",
    R"(Examples:
  fanfold status last
  fanfold status nightly last:2
  fanfold status --output json 0192f3)"};

constexpr HelpText wait_text{
    "fanfold wait [options] JOB…",
    R"(Waits until the jobs have ended. The exit code tells how, as map's does; those of several
jobs add up.)",
    R"(Examples:
  fanfold wait last
  fanfold wait 0192f3 77ab)"};

constexpr HelpText results_text{
    "fanfold results [options] JOB [FRAGMENTS]",
    R"(Prints a job's results, those of a running job as they come. The exit code tells how it
ended, as map's does. FRAGMENTS are those that are wanted, numbered from 1: then it tells how many
of these have no good result.)",
    R"(Examples:
  fanfold results -k last > all
  fanfold results last 3,5-9      of these fragments
  fanfold results --failed last   why which failed
  fanfold results --now last      what is there already
  fanfold results --output json 0192f3 | jq .value)"};

constexpr HelpText cancel_text{"fanfold cancel [options] JOB…",
                               R"(Ends jobs as cancelled; what they run is killed. With --fragments
only those, numbered from 1: they count as failed, and the job goes on.)",
                               R"(Examples:
  fanfold cancel last
  fanfold cancel --fragments 3,5-9 last)"};

constexpr HelpText set_text{
    "fanfold set [options] JOB…",
    R"(Changes how jobs that run are served among others. Jobs of a higher priority go first; those
of one priority share the slots' time by their weights.)",
    R"(Examples:
  fanfold set --priority 10 last
  fanfold set --max-running 4 --weight 0.5 0192f3)"};

constexpr HelpText retry_text{
    "fanfold retry [options] JOB…",
    R"(Runs again what has no good result in jobs that have ended; the good results stay. For jobs
that were submitted, or have a key. wait and results then wait for them again.)",
    R"(Examples:
  fanfold retry last && fanfold wait last
  fanfold retry --output json 0192f3 | jq .fragments)"};

constexpr HelpText forget_text{
    "fanfold forget [options] JOB…",
    R"(Forgets jobs that have ended: their results are gone, and their keys are free. (An ended job
is forgotten anyway after the broker's --keep.))",
    R"(Examples:
  fanfold results -k last > all && fanfold forget last)"};

constexpr HelpText workers_text{
    "fanfold workers [options]",
    "Lists the workers: slots, what runs, what they offer, their labels and resources, and why one "
    "gets nothing at present.",
    R"(Examples:
  fanfold workers --output json | jq .slots
  fanfold workers --output json | jq 'select(.labels | index("gpu")) | .resources')"};

constexpr HelpText gatherers_text{
    "fanfold gatherers [options] [drain|resume NAME…]",
    R"(Lists the gatherers: how many jobs each gathers, and of how many it keeps results. A gatherer
that is drained gets no new jobs, and those that it has go to other gatherers with all their
results, while they run too, until it has none; then it may be ended. That lasts until it ends, or
is resumed. The jobs of a gatherer with a store go only to one with a store. Jobs of map that have
ended stay: their results are no longer needed.)",
    R"(Examples:
  fanfold gatherers
  fanfold gatherers drain --wait store-1 && ssh store-1 halt)"};

constexpr HelpText functions_text{
    "fanfold functions [options]",
    "Lists the functions that workers offer, with the slots that can run each.",
    R"(Examples:
  fanfold functions)"};

constexpr HelpText doctor_text{
    "fanfold doctor [options] [--from ROLE]",
    R"(Tries, from this host and with its keys, each port of the fleet that a client, a worker or a
gatherer needs, and says which are reached. Exits with 255 when one is not.)",
    R"(Examples:
  fanfold doctor --broker tcp://head:7411 --from worker)"};

constexpr HelpText keygen_text{
    "fanfold keygen [options] --keys FOLDER",
    R"(Makes a key in FOLDER/identity, closed to others, and prints the line for the broker's file
of allowed keys, which says who has it and what it may do. Whoever has FOLDER can then use --keys
FOLDER.)",
    R"(Examples:
  fanfold keygen --keys head --for-broker     head/{identity,broker.pub,allowed}
  trust='--trust head/broker.pub'
  fanfold keygen --keys ada --name ada $trust >> head/allowed
  fanfold keygen --keys node --name node --roles work $trust >> head/allowed
  fanfold keygen --keys store --name store --roles gather $trust >> head/allowed
  pkill -HUP fanfold-broker                   it reads head/allowed again
shared/security/SECURITY.md has the whole.)"};

constexpr HelpText backup_text{
    "fanfold backup [options] COPY",
    R"(Copies what the broker and the gatherer of this host keep on disk into the folder COPY,
each as it is at one moment, while they run. It must read their files: call it as their user.)",
    R"(Examples:
  fanfold backup /backup/$(date +%F)
  fanfold backup --state /srv/fanfold/broker /backup/broker-$(date +%F))"};

constexpr HelpText restore_text{
    "fanfold restore [options] COPY",
    R"(Puts what `fanfold backup` copied into COPY in the place of what is lost. End the daemons
before; start them afterwards, in any order: they compare what they have, run again what is gone
where they can, and say what they can't.)",
    R"(Examples:
  mv /srv/fanfold/broker/broker.db /srv/fanfold/broker/broker.db.damaged
  fanfold restore --state /srv/fanfold/broker /backup/broker-2026-11-28)"};

}  // namespace

const HelpText& program_help() { return program_text; }

const HelpText& help_of(Verb verb) {
    switch (verb) {
        case Verb::map: return map_text;
        case Verb::submit: return submit_text;
        case Verb::jobs: return jobs_text;
        case Verb::status: return status_text;
        case Verb::wait: return wait_text;
        case Verb::results: return results_text;
        case Verb::cancel: return cancel_text;
        case Verb::set: return set_text;
        case Verb::retry: return retry_text;
        case Verb::forget: return forget_text;
        case Verb::workers: return workers_text;
        case Verb::gatherers: return gatherers_text;
        case Verb::functions: return functions_text;
        case Verb::doctor: return doctor_text;
        case Verb::keygen: return keygen_text;
        case Verb::backup: return backup_text;
        case Verb::restore: return restore_text;
    }
    return program_text;
}

}  // namespace fanfold::scatterer::cli
