// The echo through gearmand: tasks in the foreground, run by two workers. usage: gearman_echo
// SECONDS PORT
#include <libgearman/gearman.h>

#include "tests/bench/children.hpp"
#include "tests/bench/peers/echo.hpp"

namespace fanfold::bench {
namespace {

constexpr const char* host = "127.0.0.1";
constexpr std::uint64_t tasks_at_once = 1000;

gearman_return_t give_back(gearman_job_st* job, void*) {
    return gearman_job_send_data(job, gearman_job_workload(job), gearman_job_workload_size(job));
}

void work(int port) {
    gearman_worker_st* worker = gearman_worker_create(nullptr);
    check(worker && gearman_success(
                        gearman_worker_add_server(worker, host, static_cast<in_port_t>(port))),
          "a worker knows its server");
    auto function = gearman_function_create(give_back);
    check(gearman_success(gearman_worker_define_function(worker, "echo", 4, function, 0, nullptr)),
          "a worker offers its function");
    while (gearman_success(gearman_worker_work(worker))) {
    }
}

gearman_return_t take_result(gearman_task_st* task) {
    auto& results = *static_cast<Results*>(gearman_task_context(task));
    results.take(gearman_task_data(task), gearman_task_data_size(task));
    return GEARMAN_SUCCESS;
}

void run_job(gearman_client_st* client, std::uint64_t count) {
    Results results(count);
    std::vector<Numbered> fragments;
    for (std::uint64_t i = 0; i < count; ++i) fragments.push_back(numbered(i));
    for (std::uint64_t i = 0; i < count; ++i) {
        gearman_return_t outcome{};
        gearman_client_add_task(client, nullptr, &results, "echo", nullptr, &fragments[i],
                                sizeof(Numbered), &outcome);
        check(gearman_success(outcome), "a task is added");
        if ((i + 1) % tasks_at_once != 0 && i + 1 != count) continue;
        check(gearman_success(gearman_client_run_tasks(client)), "tasks run");
        gearman_client_task_free_all(client);
    }
    check(results.complete(), "all results are there");
}

void run(double seconds, int port) {
    Children workers;
    for (std::uint32_t i = 0; i < peer_workers; ++i) workers.start([&] { work(port); });
    gearman_client_st* client = gearman_client_create(nullptr);
    check(client && gearman_success(
                        gearman_client_add_server(client, host, static_cast<in_port_t>(port))),
          "the client knows its server");
    gearman_client_set_data_fn(client, take_result);
    measure_echo(seconds, 10 * tasks_at_once, [&](std::uint64_t count) { run_job(client, count); });
    gearman_client_free(client);
}

}  // namespace
}  // namespace fanfold::bench

int main(int count, char** arguments) {
    return fanfold::bench::peer_main(count, arguments, fanfold::bench::run);
}
