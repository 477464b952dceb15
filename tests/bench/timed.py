"""Runs a command and tells how long it took, and how much memory its largest process had.

usage: timed.py COUNT OUTPUT COMMAND...      COUNT: pieces that the command deals with; OUTPUT: a
                                             file for its standard output
"""

import resource
import subprocess
import sys
import time

count, output, command = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
with open(output, "wb") as file:
    begin = time.monotonic()
    code = subprocess.run(command, stdout=file, check=False).returncode
    took = time.monotonic() - begin
if code != 0:
    sys.exit(f"timed.py: {command[0]} ended with {code}")
print(f"per_second,{count / took:.2f}")
print(f"peak_mib,{resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024:.2f}")
