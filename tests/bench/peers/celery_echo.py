"""The echo through Celery, with Redis below it: a group for each job. The program is also the
module that the workers load.

usage: PEER_PORT=PORT celery_echo.py SECONDS
"""

import os
import sys

from celery import Celery, group

URL = f"redis://127.0.0.1:{os.environ['PEER_PORT']}/"
app = Celery("celery_echo", broker=URL + "0", backend=URL + "1")
app.conf.update(task_serializer="pickle", result_serializer="pickle",
                accept_content=["pickle", "json"], worker_prefetch_multiplier=64)


@app.task
def echo(fragment):
    return fragment


def run(payloads):
    # By default, the client looks for results every half a second.
    return group(echo.s(each) for each in payloads).apply_async().get(timeout=100, interval=0.005)


if __name__ == "__main__":
    from celery_echo import echo  # noqa: F811  under the name by which the workers know it
    from echo_jobs import measure_echo

    measure_echo(float(sys.argv[1]), 500, run)
