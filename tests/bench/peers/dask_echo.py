"""The echo through Dask: Client.map over two processes of one thread. usage: dask_echo.py
SECONDS"""

import sys

from dask.distributed import Client, LocalCluster

from echo_jobs import WORKERS, measure_echo


def echo(fragment):
    return fragment


if __name__ == "__main__":
    with LocalCluster(n_workers=WORKERS, threads_per_worker=1, dashboard_address=None,
                      silence_logs=50) as cluster, Client(cluster) as client:
        measure_echo(float(sys.argv[1]), 1000,
                     lambda payloads: client.gather(client.map(echo, payloads, pure=False)))
