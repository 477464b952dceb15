"""A client of Fanfold written from shared/wire/PROTOCOL.md alone: ten fragments for fanfold.echo,
collected in order.

usage: stranger_client.py BROKER      (its control endpoint, such as tcp://127.0.0.1:7411)
"""
import os
import sys
import time

import msgpack
import zmq

(HELLO, WELCOME, REFUSED, HEARTBEAT, BYE, BLOCK, ACCEPTED, SEALED, LOCATED, ENDED) = (
    1, 2, 3, 4, 5, 10, 12, 13, 16, 18
)
COLLECT, VALUES, ACKNOWLEDGE, CONCLUDED = 60, 61, 63, 64
COMPLETE = 1
PATIENCE = 20_000  # milliseconds


def connect(context, kind, endpoint, routing_id=b""):
    socket = context.socket(kind)
    socket.setsockopt(zmq.LINGER, 1000)
    if routing_id:
        socket.setsockopt(zmq.ROUTING_ID, routing_id)
    socket.connect(endpoint)
    return socket


def send(socket, header, body=b""):
    socket.send_multipart([msgpack.packb(header)] + ([body] if body else []))


def receive(socket, *kinds):
    """The next message of one of these kinds, as its header and body; heartbeats and other news are
    passed over."""
    deadline = time.monotonic() + PATIENCE / 1000
    while socket.poll(max(0, deadline - time.monotonic()) * 1000):
        frames = socket.recv_multipart()
        header = msgpack.unpackb(frames[0])
        if header[0] == REFUSED:
            sys.exit(f"refused, code {header[1]}: {header[2].decode()}")
        if header[0] in kinds:
            return header, frames[1] if len(frames) > 1 else b""
    sys.exit(f"none of the messages {kinds} came in time")


def new_job_id():
    """A UUIDv7: the time in milliseconds, then random bits around the version and the variant."""
    id_bytes = bytearray((time.time_ns() // 1_000_000).to_bytes(6, "big") + os.urandom(10))
    id_bytes[6] = id_bytes[6] & 0x0F | 0x70
    id_bytes[8] = id_bytes[8] & 0x3F | 0x80
    return bytes(id_bytes)


def main(broker):
    context = zmq.Context()
    me = b"c" + os.urandom(6).hex().encode()[:11]
    control = connect(context, zmq.DEALER, broker, me)
    send(control, [HELLO, 1, 0, 1, "stranger", [0, int.from_bytes(os.urandom(8), "big")]])
    welcome, _ = receive(control, WELCOME)

    # The job in one block: the spec's fields after `owner` are left out, so they have their
    # defaults.
    job, token = new_job_id(), int.from_bytes(os.urandom(8), "big")
    payloads = [f"fragment {i}" for i in range(10)]
    body = b"".join(msgpack.packb(payload) for payload in payloads)
    all_of_them, no_deadline = 1, 0
    spec = ["fanfold.echo", "a stranger's job", all_of_them, 0, 0, 0.0, False, no_deadline, 0, 0,
            False, 0, True, me]
    blocks = connect(context, zmq.PUSH, welcome[4][0].decode())
    send(blocks, [BLOCK, job, token, 0, len(payloads), len(payloads), b"", spec, len(payloads)],
         body)

    missing = {ACCEPTED, SEALED, LOCATED}
    while missing:
        message, _ = receive(control, *missing)
        missing.discard(message[0])
        assert message[1] == job
        if message[0] == LOCATED:
            gatherer = message[3]

    collect = connect(context, zmq.DEALER, gatherer[3][0].decode())
    send(collect, [COLLECT, 1, job, True, False, 0, 1 << 20])
    values = []
    while True:
        message, body = receive(collect, VALUES, CONCLUDED)
        assert message[1] == job
        if message[0] == CONCLUDED:
            break
        position, first, count = message[2:5]  # newer brokers may append fields
        unpacker = msgpack.Unpacker()
        unpacker.feed(body)
        run = list(unpacker)
        assert first == len(values) and len(
            run) == count, "a run of another length, or out of order"
        values += run
        send(collect, [ACKNOWLEDGE, job, position])
    assert message[2] == COMPLETE and message[5] == len(
        payloads), f"the job ended otherwise: {message}"
    assert values == payloads, f"other values came back: {values}"

    ended, _ = receive(control, ENDED)
    assert ended[3] == COMPLETE
    send(control, [BYE])
    context.destroy(linger=1000)
    print(f"{len(values)} fragments came back as they were")


main(sys.argv[1])
