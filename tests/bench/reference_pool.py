"""Python's own pool: 16-byte payloads through Pool.map with chunks of 1,000, in two processes.

usage: reference_pool.py COUNT
"""

import multiprocessing
import struct
import sys
import time


def echo(payload):
    return payload


if __name__ == "__main__":
    count = int(sys.argv[1])
    payloads = [struct.pack("<QQ", index, index ^ 0xFFFF) for index in range(count)]
    with multiprocessing.Pool(2) as pool:
        pool.map(echo, payloads[:10])
        begin = time.monotonic()
        results = pool.map(echo, payloads, chunksize=1000)
        took = time.monotonic() - begin
    if results != payloads:
        sys.exit("reference_pool.py: a result is not its fragment's")
    print(f"per_second,{count / took:.2f}")
