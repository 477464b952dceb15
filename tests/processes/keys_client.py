"""A client with a key, written from shared/wire/PROTOCOL.md alone, that says what it may not.

usage: keys_client.py knock FOLDER ROUTER|PULL ENDPOINT says whether its key is let in
       keys_client.py deny FOLDER ROLE ENDPOINT         sends a ROUTER each message that the role
                                                        may not; all are refused
       keys_client.py push FOLDER ROLE ENDPOINT LOG     sends a PULL the same; says how many, once
                                                        the log shows that they were counted
       keys_client.py collect FOLDER ENDPOINT JOB       asks a gatherer for a job's results; says
                                                        what comes within a second, if anything
"""
import os
import re
import sys
import time
import uuid

import msgpack
import zmq
import zmq.utils.monitor

HELLO, REFUSED, COLLECT, NOT_ALLOWED = 1, 3, 60, 5
CLIENT, ANYBODY, NOBODY = {"submit", "admin"}, {"submit", "work", "gather", "admin"}, set()
# Each message that may be sent to a bound socket, by its number, and who may; and those that nobody
# but the broker and gatherers send.
MESSAGES = {
    4: ("Heartbeat", ANYBODY), 5: ("Bye", ANYBODY), 10: ("Block", {"submit"}),
    11: ("Seal", {"submit"}), 14: ("Cancel", CLIENT),
    15: ("Watch", CLIENT), 19: ("Query", CLIENT), 21: ("Find", {"submit"}), 23: ("Retry", CLIENT),
    25: ("Adjust", CLIENT), 27: ("CancelFragments", CLIENT),
    31: ("Done", {"work"}), 40: ("Results", {"work"}), 52: ("Gathered", {"gather"}),
    53: ("Propose", {"gather"}), 54: ("Forget", CLIENT),
    55: ("Forgotten", {"gather"}), 60: ("Collect", CLIENT), 63: ("Acknowledge", CLIENT),
    2: ("Welcome", NOBODY), 3: ("Refused", NOBODY), 12: ("Accepted", NOBODY),
    13: ("Sealed", NOBODY), 16: ("Located", NOBODY),
    17: ("Notice", NOBODY), 18: ("Ended", NOBODY), 20: ("Report", NOBODY), 22: ("Found", NOBODY),
    24: ("Retried", NOBODY),
    26: ("Adjusted", NOBODY), 28: ("FragmentsCancelled", NOBODY),
    30: ("Dispatch", NOBODY), 32: ("Release", NOBODY),
    33: ("Drop", NOBODY), 34: ("SendAgain", NOBODY),
    35: ("Recall", NOBODY), 36: ("Examine", NOBODY), 50: ("Assign", NOBODY), 51: ("Errors", NOBODY),
    56: ("AllowedKeys", NOBODY), 61: ("Values", NOBODY),
    62: ("Failures", NOBODY), 64: ("Concluded", NOBODY),
}
HELLOS = {1: CLIENT, 2: {"work"}, 3: {"gather"}}
PATIENCE = 20_000  # milliseconds


def words_of(path):
    return [line.split() for line in open(path) if not line.startswith("#")]


def connect(kind, folder, endpoint):
    socket = zmq.Context.instance().socket(kind)
    identity = {name: key.encode() for name, key in words_of(f"{folder}/identity")}
    socket.setsockopt(zmq.LINGER, 1000)
    socket.curve_publickey, socket.curve_secretkey = identity["public"], identity["secret"]
    # Of a gatherer's socket the key is another than the broker's.
    socket.curve_serverkey = (SERVER_KEY or words_of(f"{folder}/broker.pub")[0][0]).encode()
    monitor = socket.get_monitor_socket()
    socket.connect(endpoint)
    return socket, monitor


def denied_to(role):
    """The headers that this role may not send: all fields are left out, and have their defaults."""
    hellos = [[HELLO, 1, 0, claimed] for claimed, roles in HELLOS.items() if role not in roles]
    return hellos + [[number] for number, (_, roles) in MESSAGES.items() if role not in roles]


def knock(folder, bound, endpoint):
    verdicts = {zmq.Event.HANDSHAKE_SUCCEEDED: "let in", zmq.Event.HANDSHAKE_FAILED_AUTH: "refused"}
    _, monitor = connect(zmq.DEALER if bound == "ROUTER" else zmq.PUSH, folder, endpoint)
    deadline = time.monotonic() + PATIENCE / 1000
    while monitor.poll(max(0, deadline - time.monotonic()) * 1000):
        event = zmq.utils.monitor.recv_monitor_message(monitor)["event"]
        if event in verdicts:
            print(verdicts[event])
            return
    sys.exit("no handshake ended in time")


def deny(folder, role, endpoint):
    socket, _ = connect(zmq.DEALER, folder, endpoint)
    headers = denied_to(role)
    for header in headers:
        socket.send(msgpack.packb(header))
        name = "Hello" if header[0] == HELLO else MESSAGES[header[0]][0]
        if not socket.poll(PATIENCE):
            sys.exit(f"no answer to {name} by a key for {role}")
        answer = msgpack.unpackb(socket.recv_multipart()[0])
        refused = answer[0] == REFUSED and answer[1] == NOT_ALLOWED
        if not refused or f"may not send {name};".encode() not in answer[2]:
            sys.exit(f"{name} by a key for {role} was answered {answer}")
    print(f"{len(headers)} messages refused")


def push(folder, role, endpoint, log):
    socket, _ = connect(zmq.PUSH, folder, endpoint)
    headers = denied_to(role)
    user = os.path.basename(folder)
    # The log says how many there were, one line a second at most. Between such lines one message
    # more is sent.
    counted = lambda: max(
        [int(number) for number in re.findall(rf"denied.*, by user {user}\b.* (\d+) so far",
                                              open(log).read())], default=0)
    before = wait_for_more(lambda: socket.send(msgpack.packb(headers[0])), counted, counted() + 1)
    for header in headers:
        socket.send(msgpack.packb(header))
    wait_for_more(lambda: socket.send(msgpack.packb(headers[0])), counted, before + len(headers))
    print(f"{len(headers)} messages dropped")


def wait_for_more(send_one, counted, wanted):
    deadline = time.monotonic() + PATIENCE / 1000
    while time.monotonic() < deadline:
        send_one()
        line_due = time.monotonic() + 1.1
        while time.monotonic() < line_due:
            if counted() >= wanted:
                return counted()
            time.sleep(0.05)
    sys.exit(f"the log does not say that {wanted} messages were denied")


def collect(folder, endpoint, job):
    socket, _ = connect(zmq.DEALER, folder, endpoint)
    socket.send(msgpack.packb([COLLECT, 1, uuid.UUID(job).bytes, True, False, 0, 1 << 20]))
    print(socket.recv_multipart() if socket.poll(1000) else "nothing")


SERVER_KEY = ""
arguments = sys.argv[1:]
if arguments[0].startswith("--server="):
    SERVER_KEY = arguments.pop(0).removeprefix("--server=")
{"knock": knock, "deny": deny, "push": push, "collect": collect}[arguments[0]](*arguments[1:])
