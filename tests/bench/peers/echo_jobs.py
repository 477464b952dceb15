"""What the Python programs for other systems share: the same work for each, measured in the same
way."""

import statistics
import struct
import time

WORKERS = 2
SMALL_JOB = 10


def payload(index):
    return struct.pack("<QQ", index, index ^ 0xFFFF)


def measure_echo(seconds, large, run):
    """`run` takes payloads and returns the results in their order. Jobs of `large` one after
    another, then jobs of 10, each for a time."""

    def run_job(count):
        payloads = [payload(index) for index in range(count)]
        begin = time.monotonic()
        results = run(payloads)
        took = time.monotonic() - begin
        if results != payloads:
            raise SystemExit("a result is not its fragment's")
        return took

    run_job(SMALL_JOB)  # to warm up
    done = took = 0
    while took < seconds:
        took += run_job(large)
        done += large
    print(f"per_second,{done / took:.2f}")
    times = []
    while sum(times) < seconds:
        times.append(run_job(SMALL_JOB) * 1e6)
    times.sort()
    print(f"p50_us,{statistics.median(times):.2f}")
    print(f"p99_us,{times[len(times) * 99 // 100]:.2f}")
