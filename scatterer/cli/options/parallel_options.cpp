#include "scatterer/cli/options/parallel_options.hpp"

#include <algorithm>
#include <string_view>

namespace fanfold::scatterer::cli {

namespace {

struct Answer {
    std::string_view options;  // with blanks between and around them
    const char* text;
};

constexpr Answer answers[]{
    // --- inputs
    {" -l ", "fanfold's is -n: each input is a line"},
    {" -E -e --eof ", "there is none: cut the input before, as with sed '/WORD/,$d'"},
    {" -i -U --replace ", "fanfold's is -I STRING"},
    {" --rpl --parens ",
     "there is none, because commands are filled in without Perl: use {}, {.}, {/}, {//}, {/.}, "
     "with --plus more, or the shell's own ${name%.*}"},
    {" --basenamereplace --bnr --basenameextensionreplace --bner --dirnamereplace --dnr "
     "--extensionreplace --er --seqreplace --slotreplace ",
     "there is none: only the string for the input can be chosen, with -I"},
    {" --link --xapply ", "fanfold's is :::+ or ::::+ before the second source"},
    {" -r --no-run-if-empty ",
     "there is none, because without inputs nothing is run anyway; an "
     "empty line is an input"},
    {" --filter ", "there is none: filter the inputs before"},
    {" --interactive -p -o --tty --open-tty ",
     "there is none, because commands have no terminal: their input is the fragment's"},
    // --- pipe
    {" --pipe-part --pipepart ", "fanfold's is --pipe -a FILE"},
    {" --recstart --recend --regexp --regex --remove-rec-sep --removerecsep --rrs ",
     "there is none: --pipe cuts at line ends, or with -d or -0 at that character"},
    {" --round-robin --round --roundrobin ",
     "there is none, because each block is a fragment of its own, which any slot may run"},
    {" --cat --fifo ", "there is none: write stdin to a file first, as in 'cat > in; wc in'"},
    {" --tee --shard --bin --group-by --groupby --sqlmaster --sqlworker --sqlandworker --sql ",
     "there is none: each input goes to one fragment"},
    {" --block-timeout --bt ", "there is none: blocks are sent when they are full"},
    // --- how it runs
    {" --halt-on-error ", "fanfold's is --halt"},
    {" --retry-failed ", "fanfold's is --resume-failed, and the command again"},
    {" --load --memfree --noswap --memsuspend --limit --swap ",
     "there is none, because a worker runs what its slots allow: bound them with its --slots, "
     "--limit-memory and --resource"},
    {" --termseq --term-seq ",
     "there is none: commands get SIGTERM, and SIGKILL after their grace"},
    {" --process-slot-var ", "fanfold's is FANFOLD_SLOT, which every command finds"},
    {" --shebang --shebang-wrap --hashbang ", "there is none: write a script that calls fanfold"},
    {" --semaphore --sem --id --semaphoretimeout --semaphorename --semaphore-name --st --fg --bg "
     "--wait ",
     "there is none: use flock(1) for locks"},
    {" --tmux --tmuxpane --fake ", "there is none, because commands may run on other hosts"},
    {" --shell-completion --embed --session --record-env ",
     "there is none: the environment of a map without a broker is the caller's; with a broker name "
     "what a command needs with --env"},
    {" --tmpdir --compress-program --tempdir ",
     "there is none, because outputs go to no files on their way"},
    // --- hosts
    {" -S --sshlogin --sshloginfile --slf --controlmaster -M --ssh --sshdelay --nonall --onall "
     "--filter-hosts --hostgroups --hgrp --hostgroup --use-cpus-instead-of-cores "
     "--use-sockets-instead-of-threads --use-cores-instead-of-threads ",
     "fanfold's is a fleet: start fanfold-worker on each host, and name its broker with --broker"},
    {" --transferfile --tf --transfer --return --trc --cleanup --basefile --bf --rsync-opts ",
     "there is none: share a disk, or pass data on stdin with --pipe or --function"},
    // --- what is shown
    {" -u --ungroup --line-buffer --linebuffer --lb --latest-line --ll ",
     "there is none: a fragment's output is shown as a whole, when it has ended"},
    {" --files --output-as-files --files0 --outputasfiles ", "fanfold's is --results FOLDER"},
    {" --color --ctag --ctagstring --color-failed --cf ", "there is none: --tag is without colour"},
    {" --jsonl --template --tmpl ", "there is none; --output json prints an object a line"},
    {" --citation --bibtex --nonotice ", "there is none: nothing asks to be cited"},
    {" --number-of-cpus --number-of-cores --number-of-sockets --number-of-threads --show-limits "
     "--max-line-length-allowed ",
     "there is none: nproc(1) and getconf(1) tell"},
    {" --minversion --gnu --tollef --profile -J --internal-pipe-means-argfiles --debug -D ",
     "there is none"},
    {" -V --version ", "fanfold's is before the verb: fanfold --version"},
};

}  // namespace

std::string parallel_answer(const std::string& option) {
    const std::string wanted = ' ' + option + ' ';
    const auto* found = std::ranges::find_if(answers, [&](const Answer& answer) {
        return answer.options.find(wanted) != std::string_view::npos;
    });
    return found == std::end(answers) ? std::string() : found->text;
}

}  // namespace fanfold::scatterer::cli
