// The command line: where options end, what values they take, what is refused and how the refusal
// reads.
#include <doctest/doctest.h>

#include "scatterer/cli/output/reports.hpp"
#include "scatterer/cli/output/table.hpp"
#include "tests/support/command_line.hpp"

using namespace fanfold;
using namespace fanfold::scatterer::cli;
using namespace std::chrono_literals;

namespace {

MapOptions map_of(Words words) {
    words.insert(words.begin(), "map");
    return parsed(words).map;
}

constexpr const char* endpoint = "tcp://127.0.0.1:7411";

}  // namespace

TEST_CASE("options end at COMMAND") {
    CHECK(map_of({"-k", "wc", "-l", "--", ":::", "a"}).words ==
          Words{"wc", "-l", "--", ":::", "a"});
    CHECK(map_of({"wc", "-k"}).words == Words{"wc", "-k"});
    CHECK_FALSE(map_of({"wc", "-k"}).job.ordered);
    CHECK(map_of({"--", "-odd", "--help"}).words == Words{"-odd", "--help"});
    CHECK(map_of({"-k", "--", "--", "x"}).words == Words{"--", "x"});
    CHECK(map_of({"map"}).words == Words{"map"});
    CHECK(map_of({"echo", "wait", ":::", "++", "a"}).words ==
          Words{"echo", "wait", ":::", "++", "a"});
    CHECK(map_of({"--function", "fanfold.echo", ":::", "-k"}).words == Words{":::", "-k"});
}

TEST_CASE("short options join, values may stand beside them or begin with a dash") {
    auto map = map_of({"-kj4", "-n2", "-0", "-a", "one", "-a", "-", "cat"});
    CHECK(map.job.ordered);
    REQUIRE(map.slots);
    CHECK(map.slots->number == 4);
    CHECK(map.sources.per_fragment == 2);
    CHECK(map.sources.separator == '\0');
    CHECK(map.sources.files == Words{"one", "-"});
    CHECK(map.words == Words{"cat"});
    CHECK(map_of({"--env", "A=-1", "--env=B=[x,y]", "cat"}).job.environment ==
          Words{"A=-1", "B=[x,y]"});
}

TEST_CASE("a job's policy") {
    auto job = map_of({"--timeout", "1.5", "--deadline", "1h30m", "--retries", "3", "--gather",
                       "quorum=5", "--max-failures", "2.5%", "x"})
                   .job;
    CHECK(job.timeout == 1500ms);
    CHECK(job.deadline == 90min);
    CHECK(job.retries == 3);
    CHECK(job.gather == Gather::quorum);
    CHECK(job.quorum == 5);
    CHECK(job.max_failures_percent == 2.5);
    CHECK_FALSE(job.max_failures);
    CHECK(map_of({"--fail-fast", "x"}).job.max_failures == 0u);
    CHECK(map_of({"--gather", "available", "x"}).job.gather == Gather::available);
    CHECK(map_of({"--timeout", "1us", "x"}).job.timeout == 1ms);
}

TEST_CASE("printing and the embedded fleet") {
    auto map = map_of({"--output", "json", "--tag", "--no-progress", "--declare", "wc=wc -w",
                       "--bind", "tcp://*:0", "--function", "wc"});
    CHECK(map.output == Format::json);
    CHECK(map.tag);
    CHECK(map.progress == false);
    CHECK(map.declared == std::vector<std::pair<std::string, std::string>>{{"wc", "wc -w"}});
    CHECK_FALSE(map_of({"x"}).progress);
    CHECK(map_of({"--block", "4M", "--pipe", "x"}).block_bytes == 4u << 20);
}

TEST_CASE("the broker comes from the option before or behind the verb, else from the environment") {
    CHECK(parsed({"jobs"}, endpoint).common.broker == endpoint);
    CHECK(parsed({"--broker", "tcp://a:1", "jobs"}, endpoint).common.broker == "tcp://a:1");
    CHECK(parsed({"jobs", "--broker", "tcp://a:1"}, endpoint).common.broker == "tcp://a:1");
    CHECK(parsed({"map", "--broker", "", "-j2", "x"}, endpoint).common.broker.empty());
    auto none = parsed({"map", "--broker=", "echo", "--title=", ":::", "a"}, endpoint);
    CHECK(none.common.broker.empty());
    CHECK(none.map.words == Words{"echo", "--title=", ":::", "a"});
    CHECK(parsed({"--connect-timeout", "200ms", "jobs"}, endpoint).common.connect_timeout == 200ms);
}

TEST_CASE("verbs that ask") {
    auto line = parsed({"wait", "--output", "json", "last", "01f"}, endpoint);
    CHECK(line.verb == Verb::wait);
    CHECK(line.query.jobs == Words{"last", "01f"});
    CHECK(line.query.output == Format::json);
    auto results = parsed({"results", "-k", "--now", "last"}, endpoint).query;
    CHECK(results.ordered);
    CHECK(results.now);
}

TEST_CASE("help and version are texts") {
    CHECK(contains(parse_command_line({"--help"}, "").text, "fanfold help VERB"));
    CHECK(contains(parse_command_line({"--version"}, "").text, "fanfold "));
    for (const char* verb :
         {"map", "submit", "jobs", "status", "wait", "results", "cancel", "workers", "functions"}) {
        auto text = parse_command_line({verb, "--help"}, "").text;
        CHECK(contains(text, std::string("Usage: fanfold ") + verb));
        CHECK(contains(text, "Examples:"));
        CHECK(contains(text, "--broker"));
    }
}

TEST_CASE("a refusal names the option, the value, and where to read on") {
    CHECK(contains(refusal({"map", "--timeout", "5x", "cat"}), "--timeout"));
    CHECK(contains(refusal({"map", "--timeout", "5x", "cat"}), "5x"));
    CHECK(contains(refusal({"map", "--timeout", "5x", "cat"}), "see fanfold map --help"));
    CHECK(contains(refusal({"map", "--bogus", "cat"}), "--bogus"));
    CHECK(contains(refusal({"map", "-j", "none", "cat"}), "-j 'none'"));
    CHECK(contains(refusal({"map", "-j", "1.5", "cat"}), "-j '1.5'"));
    CHECK(contains(refusal({"map", "-j", "+50%", "cat"}), "-j '+50%'"));
    CHECK(contains(refusal({"map", "-j", "100001", "cat"}), "-j '100001'"));
    CHECK(contains(refusal({"map", "--gather", "most", "cat"}), "quorum=K"));
    CHECK(contains(refusal({"map", "--gather", "quorum=0", "cat"}), "quorum=0"));
    CHECK(contains(refusal({"map", "--max-failures", "101%", "cat"}), "101%"));
    CHECK(contains(refusal({"map", "--env", "FANFOLD_NO_SUCH", "cat"}), "NAME=VALUE"));
    CHECK(contains(refusal({"map", "-d", "ab", "cat"}), "-d 'ab'"));
    CHECK(contains(refusal({"map", "--trim", "x", "cat"}), "--trim 'x'"));
    CHECK(contains(refusal({"map", "--header", "2", "cat"}), "--header '2'"));
    CHECK(contains(refusal({"map", "-I", "", "cat"}), "-I ''"));
    CHECK(contains(refusal({"map", "--nice", "20", "cat"}), "--nice '20'"));
    CHECK(contains(refusal({"map", "--output", "table", "cat"}), "text, json"));
    CHECK(contains(refusal({"map", "--broker", "localhost", "cat"}), "localhost"));
    CHECK(contains(refusal({"jobs"}, "nonsense"), "FANFOLD_BROKER"));
    CHECK(contains(refusal({"map", "--timeout"}), "--timeout"));
    CHECK(contains(refusal({"mop"}), "mop"));
}

TEST_CASE("what is mistyped is guessed, what GNU parallel has is answered") {
    CHECK(contains(refusal({"map", "--retires", "2", "cat"}), "did you mean --retries?"));
    CHECK(contains(refusal({"stats"}), "did you mean status?"));
    CHECK_FALSE(contains(refusal({"map", "--nothing-like-it", "cat"}), "did you mean"));
    CHECK(contains(refusal({"map", "--sshlogin", "host", "cat"}), "fanfold's is a fleet"));
    CHECK(contains(refusal({"map", "--memfree=1G", "cat"}), "--memfree: there is none, because"));
    CHECK(contains(refusal({"map", "-S", "host", "cat"}), "start fanfold-worker on each host"));
}

TEST_CASE("help without an option, too") {
    auto text = [](const Words& words) { return parse_command_line(words, "").text; };
    CHECK(contains(text({}), "Usage: fanfold "));
    CHECK(text({"help"}) == text({"--help"}));
    CHECK(text({"help", "map"}) == text({"map", "--help"}));
    CHECK(contains(text({"help", "map"}), "Usage: fanfold map"));
    CHECK(contains(text({"-V"}), "fanfold "));
    CHECK(contains(refusal({"help", "mop"}), "unknown verb 'mop'"));
}

TEST_CASE("options by GNU parallel's names") {
    const auto map = map_of({"--jobs", "3", "--wd", "...", "-N2", "-C", ",", "--dryrun", "--bar",
                             "--will-cite", "-q", "x"});
    CHECK(map.slots->number == 3);
    CHECK(map.place == Place::fresh);
    CHECK(map.sources.per_fragment == 2);
    CHECK(map.sources.colsep == ",");
    CHECK(map.dry_run);
    CHECK(map.progress == true);
    CHECK(map.command.no_shell);
    CHECK(map_of({"-P", "0", "x"}).slots->number == 0);
    CHECK(map_of({"-j-100000", "x"}).slots->number == 1);
    CHECK(map_of({"-j+1", "x"}).slots->number > 1);
    CHECK(map_of({"-j", "1%", "x"}).slots->number == 1);
    CHECK(map_of({"-j", "100%", "x"}).slots->of_processors);
    CHECK(map_of({"-d", "\\t", "x"}).sources.separator == '\t');
    CHECK(map_of({"-d", "\\x1f", "x"}).sources.separator == '\x1f');
    CHECK(map_of({"-d", "\\0", "x"}).sources.separator == '\0');
    CHECK(map_of({"--arg-sep", ",,", "x", ",,", "a"}).separators.arguments == ",,");
    CHECK(contains(refusal({"map", "-j50%", "x"}, endpoint), "this machine's processors"));
}

TEST_CASE("what makes no sense together is refused") {
    CHECK(contains(refusal({"map", "--pipe"}), "COMMAND"));
    for (const Words& lines :
         {Words{"--colsep", ","}, Words{"--csv"}, Words{"--header", ":"}, Words{"--trim", "l"},
          Words{"--skip-first-line"}, Words{"-n2"}, Words{"-m"}, Words{"--shuf"}}) {
        Words words{"map", "--pipe"};
        words.insert(words.end(), lines.begin(), lines.end());
        words.emplace_back("cat");
        CHECK(contains(refusal(words), "--pipe passes blocks"));
    }
    CHECK(contains(refusal({"map", "--nice", "3", "--function", "f"}), "--nice is for commands"));
    CHECK(contains(refusal({"map", "--arg-sep", "", "x"}), "--arg-sep ''"));
    CHECK(contains(refusal({"map", "--function", "f", "cat"}), "'cat'"));
    CHECK(contains(refusal({"map", "--json-lines", "cat"}), "--json-lines"));
    CHECK(contains(refusal({"map", "--pipe", "cat", ":::", "a"}), "--pipe"));
    CHECK(contains(refusal({"map", "--declare", "fanfold.echo=cat", "--function", "fanfold.echo"}),
                   "fanfold.echo"));
    CHECK(contains(refusal({"map", "--fail-fast", "--max-failures", "5%", "x"}), "--max-failures"));
    auto with_broker = refusal({"map", "--declare", "a=b", "cat"}, endpoint);
    CHECK(contains(with_broker, "--declare"));
    CHECK(contains(with_broker, endpoint));
    CHECK(contains(with_broker, "FANFOLD_BROKER"));
    CHECK(contains(refusal({"map", "--broker", endpoint, "--declare", "a=b", "cat"}), "--declare"));
    CHECK(contains(refusal({"map", "--broker", endpoint, "--bind", "tcp://*:0", "cat"}), "--bind"));
    CHECK(contains(refusal({"submit", "cat", ":::", "a"}), "needs a broker"));
    CHECK(contains(refusal({"jobs"}), "FANFOLD_BROKER"));
    CHECK(contains(refusal({"status"}, endpoint), "JOB"));
    CHECK(contains(refusal({"results", "a", "b"}, endpoint), "'b'"));
    CHECK(contains(refusal({"cancel", ""}, endpoint), "empty"));
    CHECK(contains(refusal({"submit", "--tag", "cat"}, endpoint), "--tag"));
}

TEST_CASE("a table is cut where it may be, for a narrow screen") {
    Table table({"ID", ">N", "~TITLE", "~OTHER"});
    table.add({"1", "10", "a title that is long", "x"});
    table.add({"2", "9", "h\u00e9llo w\u00f6rld", ""});
    CHECK(table.text() ==
          "ID   N  TITLE                 OTHER\n1   10  a title that is long  x\n2    9  "
          "h\u00e9llo w\u00f6rld           -\n");
    CHECK(table.text(26) ==
          "ID   N  TITLE        OTHER\n1   10  a title th\u2026  x\n2    9  h\u00e9llo w\u00f6rld  "
          "-\n");
    CHECK(table.text(24) ==
          "ID   N  TITLE      OTHER\n1   10  a title \u2026  x\n2    9  h\u00e9llo w\u00f6\u2026  "
          "-\n");
    CHECK(table.text(1) ==
          "ID   N  TITLE  OTHER\n1   10  a ti\u2026  x\n2    9  h\u00e9ll\u2026  -\n");
}

TEST_CASE("which jobs are listed") {
    const auto filter = parsed({"jobs", "--state", "failed", "--name", "x", "--user", "ada",
                                "--since", "2h", "--limit", "3"},
                               endpoint)
                            .query.filter;
    CHECK(filter.state == "failed");
    CHECK(filter.name == "x");
    CHECK(filter.user == "ada");
    CHECK(filter.since == 2h);
    CHECK(filter.limit == 3u);
    CHECK(contains(refusal({"jobs", "--limit", "0"}, endpoint), "--limit '0'"));
    CHECK(contains(refusal({"map", "--name", "", "x"}), "--name"));
    CHECK(contains(refusal({"map", "--name", std::string(201, 'x'), "x"}), "not of 201"));
}

TEST_CASE("reports as tables and JSON lines") {
    JobStatus job;
    job.id = "0192";
    job.total = 10;
    job.values = 4;
    CHECK(contains(jobs_report({job}, Format::text), "0192  running     10       4"));
    CHECK(contains(status_report(job, Format::json),
                   R"("outcome":"running","reason":"","total":10)"));
    CHECK(contains(status_report(job, Format::json), R"("user":"")"));
    JobStatus of_ada = job;
    of_ada.user = "ada";
    CHECK_FALSE(contains(jobs_report({job}, Format::text), "USER"));
    CHECK(contains(jobs_report({job, of_ada}, Format::text), "JOB   USER  OUTCOME"));
    CHECK(contains(jobs_report({job, of_ada}, Format::text), "0192  ada   running"));
    CHECK(contains(status_report(of_ada, Format::text), "user"));
    WorkerStatus one{.name = "w1", .slots = 2, .functions = {"a", "b"}};
    WorkerStatus two{.name = "w2", .slots = 3, .functions = {"b"}};
    CHECK(functions_report({one, two}, Format::text) ==
          "FUNCTION  SLOTS  WORKERS\na             2        1\nb             5        2\n");
    CHECK(contains(functions_report({one, two}, Format::json),
                   R"({"name":"b","slots":5,"workers":["w1","w2"]})"));
    CHECK(contains(workers_report({one}, Format::text), "a b"));
}

TEST_CASE("what a job asks of its workers") {
    auto job = parsed({"map", "--require", "gpu", "--require", "ssd", "--require", "gpu",
                       "--resource", "mem=2G", "--resource", "licence=1", "--compress", "x"},
                      endpoint)
                   .map.job;
    CHECK(job.require == Words{"gpu", "ssd"});
    CHECK(job.resources ==
          std::vector<ResourceAmount>{{"mem", std::uint64_t{2} << 30}, {"licence", 1}});
    CHECK(job.compress);
    CHECK(job.hedge == Hedge::by_function);
    CHECK_FALSE(map_of({"x"}).job.compress);
    CHECK(contains(refusal({"map", "--require", "", "x"}, endpoint), "--require ''"));
    for (const char* text : {"mem", "mem=", "mem=0", "=1", "mem=lots", "mem=-1"})
        CHECK(contains(refusal({"map", "--resource", text, "x"}, endpoint),
                       std::string("--resource '") + text + "'"));
    CHECK(contains(refusal({"map", "--resource", "mem=1", "--resource", "mem=2", "x"}, endpoint),
                   "'mem' is given twice"));
    CHECK(contains(refusal({"map", "--require", "gpu", "x"}),
                   "--require gpu: an embedded fleet's own worker has no labels"));
    CHECK(contains(refusal({"map", "--hedge", "auto", "x"}),
                   "--hedge: a second attempt runs on another worker"));
    CHECK(contains(refusal({"map", "--resource", "mem=1", "x"}),
                   "--resource mem: an embedded fleet's own worker"));
    CHECK(map_of({"--require", "gpu", "--bind", "tcp://*:0", "x"}).job.require == Words{"gpu"});
}

TEST_CASE("second attempts of stragglers") {
    CHECK(map_of({"--hedge", "auto", "--bind", "tcp://*:0", "x"}).job.hedge == Hedge::automatic);
    CHECK(map_of({"--hedge", "off", "x"}).job.hedge == Hedge::never);
    CHECK(map_of({"x"}).job.rerun == Rerun::automatic);
    CHECK(map_of({"--rerun-after", "never", "x"}).job.rerun == Rerun::never);
    CHECK(map_of({"--rerun-after", "90s", "x"}).job.rerun_after == 90s);
    auto job = map_of({"--hedge", "1.5", "--bind", "tcp://*:0", "x"}).job;
    CHECK(job.hedge == Hedge::after);
    CHECK(job.hedge_after == 1500ms);
    for (const char* text : {"", "0", "0s", "often", "-1s"})
        CHECK(contains(refusal({"map", "--hedge", text, "x"}),
                       std::string("--hedge '") + text + "'"));
}

TEST_CASE("labels, resources and second attempts are shown") {
    WorkerStatus worker{.name = "w1",
                        .labels = {"gpu", "ssd"},
                        .resources = {{"mem", std::uint64_t{3} << 30}, {"licence", 5}}};
    CHECK(contains(workers_report({worker}, Format::text), "gpu ssd  mem=3G licence=5"));
    CHECK(contains(workers_report({worker}, Format::json),
                   R"("labels":["gpu","ssd"],"resources":{"mem":3221225472,"licence":5})"));
    CHECK(contains(status_report({.id = "ID", .hedged = 2}, Format::text), "2 second attempts"));
    CHECK(contains(status_report({.id = "ID", .hedged = 2}, Format::json), R"("hedged":2)"));
    CHECK_FALSE(contains(status_report({.id = "ID"}, Format::text), "hedged"));
}

TEST_CASE("keys: wanted as text, and only with a broker that outlives the command") {
    CHECK(parsed({"map", "--broker", endpoint, "--job-key", "K", "echo"}).map.job.key == "K");
    CHECK(parsed({"submit", "--broker", endpoint, "--job-key", "K", "echo"}).map.job.key == "K");
    CHECK(contains(refusal({"map", "--job-key", "K", "echo"}),
                   "--job-key needs a broker that outlives the command: name one with --broker"));
    CHECK(contains(refusal({"map", "--broker", endpoint, "--job-key", "", "echo"}),
                   "--job-key '': a key is wanted"));
    CHECK(contains(refusal({"map", "--broker", endpoint, "--job-key", "K", "--shuf", "echo"}),
                   "the same inputs in the same order"));
}

TEST_CASE("--resume goes by a job log or by a key") {
    auto map = map_of({"--resume", "--joblog", "log", "echo"});
    CHECK(map.resume);
    CHECK_FALSE(map.resume_failed);
    map = map_of({"--resume-failed", "--joblog", "log", "echo"});
    CHECK(map.resume);
    CHECK(map.resume_failed);
    CHECK(parsed({"map", "--broker", endpoint, "--resume", "--job-key", "K", "echo"}).map.resume);
    CHECK(contains(refusal({"map", "--resume", "echo"}),
                   "--resume needs --joblog FILE, which lists what is done, or --job-key KEY"));
    CHECK(contains(
        refusal({"map", "--broker", endpoint, "--resume-failed", "--job-key", "K", "echo"}),
        "--resume-failed needs --joblog FILE"));
    CHECK(contains(refusal({"map", "--broker", endpoint, "--resume", "--joblog", "log", "--job-key",
                            "K", "echo"}),
                   "give one of them"));
    CHECK(contains(refusal({"map", "--resume", "--joblog", "log", "--shuf", "echo"}),
                   "the same order as before"));
    CHECK(contains(refusal({"submit", "--broker", endpoint, "--resume", "echo"}), "--resume"));
}

TEST_CASE("retry and forget name jobs, as cancel does") {
    auto line = parsed({"retry", "--broker", endpoint, "last", "01a2", "--output", "json"});
    CHECK(line.verb == Verb::retry);
    CHECK(line.query.jobs == Words{"last", "01a2"});
    CHECK(line.query.output == Format::json);
    CHECK(parsed({"forget", "--broker", endpoint, "last"}).verb == Verb::forget);
    CHECK(contains(refusal({"retry", "--broker", endpoint}), "a JOB is missing"));
    CHECK(contains(refusal({"forget", "last"}), "forget needs a broker"));
    CHECK(retry_report("ID", {.round = 1, .fragments = 3}, Format::text) ==
          "ID: 3 fragments run again\n");
    CHECK(retry_report("ID", {.round = 1, .fragments = 1}, Format::text) ==
          "ID: 1 fragment runs again\n");
    CHECK(retry_report("ID", {.round = 2, .fragments = 3}, Format::json) ==
          "{\"id\":\"ID\",\"round\":2,\"fragments\":3}\n");
    CHECK(forget_report("ID", Format::text) == "ID forgotten\n");
}

TEST_CASE("cancel may name fragments") {
    using Ranges = std::vector<std::pair<std::uint64_t, std::uint64_t>>;
    auto named = [](const std::string& text) {
        return parsed({"cancel", "--broker", endpoint, "--fragments", text, "last"})
            .query.fragments;
    };
    CHECK(named("3,5-9") == Ranges{{2, 3}, {4, 9}});
    CHECK(named("1") == Ranges{{0, 1}});
    CHECK(parsed({"cancel", "--broker", endpoint, "last"}).query.fragments.empty());
    for (const char* wrong :
         {"", ",", "3,", "a", "0", "5-3", "-3", "3-", "1-2-3", "1 2", "18446744073709551616"})
        CHECK(contains(refusal({"cancel", "--broker", endpoint, "--fragments", wrong, "last"}),
                       "such as 3,5-9"));
    CHECK(cancelled_report("ID", 1, Format::text) == "ID: 1 fragment has ended without a value\n");
    CHECK(cancelled_report("ID", 2, Format::text) ==
          "ID: 2 fragments have ended without a value\n");
    CHECK(cancelled_report("ID", 2, Format::json) == "{\"id\":\"ID\",\"cancelled\":2}\n");
}

TEST_CASE("a job's status shows its key and how often it was retried") {
    JobStatus job{.id = "ID", .key = "K", .round = 2};
    CHECK(contains(status_report(job, Format::json), "\"key\":\"K\",\"round\":2,"));
    CHECK(contains(status_report(job, Format::text), "K"));
    CHECK(contains(status_report(job, Format::text), "retried"));
    CHECK_FALSE(contains(status_report({.id = "ID"}, Format::text), "retried"));
}
