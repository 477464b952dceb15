"""Peers that mean ill, against the four ports of a fleet: one attack a call. Ends well when the
attack was carried out as planned.

usage: hostile_peers.py noise PORT...                        random bytes over raw TCP
       hostile_peers.py half-open COUNT SECONDS PORT...      connections that never finish their
                                                             handshake
       hostile_peers.py handshakes COUNT BYTES PORT...       connections that send so much in place
                                                             of a handshake; until all are closed
       hostile_peers.py oversize PORT...                     frames that announce more than the
                                                             limit
       hostile_peers.py malformed dealer|push PORT COUNT     messages that are none
       hostile_peers.py loans PORT                           a worker that takes work and then talks
                                                             nonsense
       hostile_peers.py deaf PORT LOG                        a client that asks and asks, and reads
                                                             no answer until the log is about it
       hostile_peers.py stale-epoch PORT                     a gatherer that was started again, and
                                                             its earlier life
       hostile_peers.py replay PORT                          a job of ten fragments whose block
                                                             comes a thousand times
"""
import os
import random
import resource
import socket
import sys
import time

import msgpack
import zmq

HOST = "127.0.0.1"
(HELLO, WELCOME, REFUSED, HEARTBEAT, BYE, PACKED, BLOCK, SEAL, SEALED, QUERY, REPORT, DISPATCH,
 GATHERED) = (1, 2, 3, 4, 5, 6, 10, 11, 13, 19, 20, 30, 52)
NOT_ALLOWED = 5
SANITIZED = bool(os.environ.get("FANFOLD_SANITIZER"))
PATIENCE = 80_000 if SANITIZED else 20_000  # milliseconds
TOKEN = 7_531_902_468_013_579  # a secret of its client
HEADER_LIMIT = 4 << 20
NAME_LIMIT = 255
FRAME_LIMIT = 257 << 20

chance = random.Random(5)

# A greeting of ZMTP 3.0 with the mechanism NULL, and a READY command as a PUSH socket's or a
# DEALER's.
GREETING = b"\xff" + bytes(8) + b"\x7f" + b"\x03\x00" + b"NULL".ljust(20, b"\0") + b"\0" + bytes(31)


def ready(kind):
    properties = b"\x0bSocket-Type" + len(kind).to_bytes(4, "big") + kind
    command = b"\x05READY" + properties
    return b"\x04" + bytes([len(command)]) + command


def frame(announced):
    return b"\x02" + announced.to_bytes(8, "big")


def is_closed(connection):
    """Whether the other side closes it, sooner or later."""
    connection.settimeout(PATIENCE / 1000)
    try:
        while connection.recv(1 << 16):
            pass
    except ConnectionError:
        pass
    except TimeoutError:
        return False
    return True


def noise(ports):
    connections = []
    for port in ports:
        for opening in (b"", b"\0", b"\x01", GREETING[:10], GREETING, GREETING + ready(b"DEALER"),
                        GREETING + ready(b"PUSH"), b"GET / HTTP/1.1\r\n"):
            for _ in range(10):
                connection = socket.create_connection((HOST, port))
                try:
                    connection.sendall(opening
                                       + chance.randbytes(chance.choice((1, 64, 5_000, 100_000))))
                except ConnectionError:
                    pass  # it was cut off in the middle
                connections.append(connection)
    time.sleep(0.5)
    for connection in connections:
        connection.close()


def half_open(count, seconds, ports):
    """Some say nothing, some a part of a greeting, a byte at a time."""
    connections = [socket.create_connection((HOST, ports[i % len(ports)])) for i in range(count)]
    until = time.monotonic() + seconds
    said = 0
    while time.monotonic() < until:
        for connection in connections[::2]:
            try:
                connection.send(GREETING[said % 10 : said % 10 + 1])
            except ConnectionError:
                pass
        said += 1
        time.sleep(0.2)
    for connection in connections:
        connection.close()


def handshakes(count, size, ports):
    """A command of that size after a greeting that promises keys. Prints how much was taken."""
    greeting = GREETING.replace(b"NULL\0", b"CURVE")
    announced = b"\x06" + size.to_bytes(8, "big")
    connections = {}
    for i in range(count):
        connection = socket.create_connection((HOST, ports[i % len(ports)]))
        connection.setblocking(False)
        connections[connection] = 0
    taken = 0
    started = time.monotonic()
    while connections and time.monotonic() - started < PATIENCE / 1000:
        for connection, sent in list(connections.items()):
            part = greeting + announced if sent == 0 else bytes(min(1 << 18, size - sent))
            try:
                connections[connection] += connection.send(part)
                taken += connections[connection] - sent
            except BlockingIOError:
                pass
            except ConnectionError:
                connection.close()
                del connections[connection]
                continue
            assert connections[connection] < size, "all that a connection has to send is taken"
    assert not connections, f"{len(connections)} of {count} connections are not closed"
    print(f"{taken / count / 1024:.0f} KiB of each connection were taken")


def oversize(ports):
    for port in ports:
        kind = b"PUSH" if port % 2 else b"DEALER"
        for announced in (FRAME_LIMIT + 1, 30 << 30, (1 << 63) - 1, (1 << 64) - 1):
            for other_kind in (b"PUSH", b"DEALER"):
                connection = socket.create_connection((HOST, port))
                connection.sendall(GREETING + ready(other_kind) + frame(announced))
                try:
                    connection.sendall(bytes(1 << 16))
                except ConnectionError:
                    pass
                assert is_closed(
                    connection), f"port {port} goes on with a frame of {announced} bytes"
                connection.close()
        # Announced within the limit, and never sent: no memory is used for what does not come. But
        # ThreadSanitizer walks through all of it, for which libzmq's thread stands still.
        for _ in range(1 if SANITIZED else 20):
            connection = socket.create_connection((HOST, port))
            connection.sendall(GREETING + ready(kind) + frame(FRAME_LIMIT) + bytes(1 << 16))


def zstd_frame(claimed):
    """A frame header that claims a content of so many bytes, and one empty last block."""
    return b"\x28\xb5\x2f\xfd" + b"\xe0" + claimed.to_bytes(8, "little") + b"\x01\x00\x00"


def malformed_messages():
    """Each of them is no message of the protocol, or none that makes sense, for any socket."""
    yield [b""]
    yield [b"\xdd\xff\xff\xff\xff"]  # five bytes that ask for 30 GB
    yield [b"\xdf\xff\xff\xff\xff"]
    yield [b"\xc6\xff\xff\xff\xff"]
    yield [b"\x91" * 100_000 + b"\xc0"]  # nested
    yield [b"\x92\x0a" + b"\x91" * 60 + b"\xc0"]
    yield [msgpack.packb([250, 1, 2])]
    yield [msgpack.packb([BLOCK, b"no job id"])]
    yield [msgpack.packb([BLOCK, b"x", -1, "first", None, {}])]
    yield [msgpack.packb([PACKED, 1 << 62, msgpack.packb([BLOCK])]), zstd_frame(1 << 62)]
    yield [msgpack.packb([PACKED, FRAME_LIMIT, msgpack.packb([BLOCK])]), zstd_frame(FRAME_LIMIT)]
    yield [msgpack.packb([PACKED, 100, msgpack.packb([PACKED, 100, b""])]), zstd_frame(100)]
    yield [msgpack.packb([PACKED, 100, b""])]
    yield [msgpack.packb([HELLO, 1, 0, 1, "x"]), b"a body", b"and a third frame"]
    yield [b"escape \x1b[2J\nforged line", b"\x07"]
    yield [chance.randbytes(chance.randrange(1, 200))]
    yield [chance.randbytes(50), chance.randbytes(5_000)]


def large_messages():
    """Near the limits of a header, or past them; lists that are bigger in memory than on the
    wire."""
    yield [bytes(HEADER_LIMIT + 1)]
    yield [b"\x93" + bytes([REPORT]) + b"\x01\xdd" + (4_000_000).to_bytes(4, "big")
           + b"\x90" * 4_000_000]
    job = os.urandom(16)
    yield [b"\x93" + bytes([GATHERED]) + msgpack.packb(job) + b"\xdd"
           + (1_000_000).to_bytes(4, "big") + b"\x92\x00\x01" * 1_000_000]


def connect(kind, port, name=b""):
    peer = zmq.Context.instance().socket(kind)
    peer.setsockopt(zmq.LINGER, PATIENCE)
    if name:
        peer.setsockopt(zmq.ROUTING_ID, name)
    peer.connect(f"tcp://{HOST}:{port}")
    return peer


def receive(peer, kind):
    """The next message of this kind, whatever comes before it."""
    deadline = time.monotonic() + PATIENCE / 1000
    while peer.poll(max(0, deadline - time.monotonic()) * 1000):
        header = msgpack.unpackb(peer.recv_multipart()[0])
        if header[0] == kind:
            return header
    sys.exit(f"no message of kind {kind} came in time")


def malformed(kind, port, count):
    peer = connect(zmq.DEALER if kind == "dealer" else zmq.PUSH, port,
                   b"hostile-%d" % port if kind == "dealer" else b"")
    sent = 0
    while sent < count:
        for message in malformed_messages():
            peer.send_multipart(message)
            sent += 1
    for _ in range(1 if SANITIZED else 3):  # a sanitizer reads each of them for many seconds
        for message in large_messages():
            peer.send_multipart(message)
    if kind == "dealer":  # it is told that it is cut off, and then nothing any more
        refused = receive(peer, REFUSED)
        assert refused[1] == NOT_ALLOWED and b"cut off" in refused[2], refused
        peer.send(msgpack.packb([HELLO, 1, 0, 1, "hostile"]))
        assert not peer.poll(1000), "it was answered though it is cut off"
    peer.close()


def loans(port):
    """Says Hello as a worker, takes chunks of whatever runs, and talks nonsense until it is cut
    off."""
    peer = connect(zmq.DEALER, port, b"wicked-worker")
    hello = [HELLO, 1, 0, 2, "wicked\x1b[2J\nworker", [0, 7], 4, ["fanfold.echo", "nap"]]
    peer.send(msgpack.packb(hello))
    receive(peer, DISPATCH)
    for _ in range(200):
        peer.send(b"\xc1 nonsense")
    refused = receive(peer, REFUSED)
    assert b"cut off" in refused[2], refused
    peer.close()


def deaf(port, log):
    """Once it reads, it is served again."""
    talker = connect(zmq.DEALER, port, b"talker")
    functions = [f"long-{number}-".ljust(NAME_LIMIT, "x") for number in range(3_500)]
    talker.send(msgpack.packb([HELLO, 1, 0, 2, "talker", [0, 8], 1, functions]))
    receive(talker, WELCOME)
    peer = zmq.Context.instance().socket(zmq.DEALER)
    peer.setsockopt(zmq.LINGER, PATIENCE)
    peer.setsockopt(zmq.SNDHWM, 0)
    peer.setsockopt(zmq.RCVHWM, 1)
    peer.setsockopt(zmq.RCVBUF, 1 << 16)
    peer.connect(f"tcp://{HOST}:{port}")
    hello = msgpack.packb([HELLO, 1, 0, 1, "deaf", [0, 6]])
    peer.send(hello)
    receive(peer, WELCOME)
    workers = 2
    for number in range(2_000):  # near two gigabytes of answers
        peer.send(msgpack.packb([QUERY, number, workers]))
    deadline = time.monotonic() + 3 * PATIENCE / 1000
    while not any(b"peer=deaf: it does not read" in line for line in open(log, "rb")):
        assert time.monotonic() < deadline, "nothing is said of who does not read"
        # The answers are long as long as this worker is there.
        talker.send(msgpack.packb([HEARTBEAT, 0, [], [], 0]))
        time.sleep(0.1)
    while peer.poll(1_000):
        peer.recv_multipart()
    peer.send(hello)
    receive(peer, WELCOME)
    for left in (peer, talker):
        left.send(msgpack.packb([BYE]))
        left.close()


def replay(port):
    me = b"replaying"
    peer = connect(zmq.DEALER, port, me)
    peer.send(msgpack.packb([HELLO, 1, 0, 1, "replaying", [0, 9]]))
    welcome = receive(peer, WELCOME)
    job = bytearray((time.time_ns() // 1_000_000).to_bytes(6, "big") + os.urandom(10))
    job[6], job[8] = job[6] & 0x0F | 0x70, job[8] & 0x3F | 0x80
    job = bytes(job)
    all_of_them, no_deadline, attached = 1, 0, False
    spec = ["fanfold.echo", "replayed", all_of_them, 0, 0, 0.0, False, no_deadline, 0, 0, attached,
            0, True, me]
    block = msgpack.packb([BLOCK, job, TOKEN, 0, 10, 10, b"", spec, 10])
    body = b"".join(msgpack.packb(f"fragment {i}") for i in range(10))
    blocks = connect(zmq.PUSH, int(welcome[4][-1].decode().rpartition(":")[2]))
    for _ in range(1000):
        blocks.send_multipart([block, body])
        peer.send(msgpack.packb([SEAL, job, TOKEN, 10]))
    stolen = msgpack.packb([BLOCK, job, 78, 0, 10, 10, b"", spec,
                            10])  # by somebody who knows the job's id, and not its token
    blocks.send_multipart([stolen, body])
    receive(peer, SEALED)
    blocks.close()
    peer.close()
    hexadecimal = job.hex()
    print("-".join((hexadecimal[:8], hexadecimal[8:12], hexadecimal[12:16], hexadecimal[16:20],
                    hexadecimal[20:])))


def stale_epoch(port):
    """A gatherer of an earlier life comes back after it has been started again."""

    def hello(epoch):
        return msgpack.packb([HELLO, 1, 0, 3, "twice-born", [epoch, 7], 0, [],
                              ["twice-born", [epoch, 7]]])

    later, earlier = connect(zmq.DEALER, port, b"later-life"), connect(zmq.DEALER, port,
                                                                       b"earlier-life")
    later.send(hello(5))
    receive(later, WELCOME)
    earlier.send(hello(4))
    refused = receive(earlier, REFUSED)
    assert b"belongs to a gatherer of a later start" in refused[2], refused
    later.send(msgpack.packb([BYE]))
    later.close()
    earlier.close()


def main(attack, arguments):
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if attack == "noise":
        noise([int(port) for port in arguments])
    elif attack == "half-open":
        half_open(int(arguments[0]), float(arguments[1]), [int(port) for port in arguments[2:]])
    elif attack == "handshakes":
        handshakes(int(arguments[0]), int(arguments[1]), [int(port) for port in arguments[2:]])
    elif attack == "oversize":
        oversize([int(port) for port in arguments])
    elif attack == "malformed":
        malformed(arguments[0], int(arguments[1]), int(arguments[2]))
    elif attack == "loans":
        loans(int(arguments[0]))
    elif attack == "deaf":
        deaf(int(arguments[0]), arguments[1])
    elif attack == "stale-epoch":
        stale_epoch(int(arguments[0]))
    elif attack == "replay":
        replay(int(arguments[0]))
    else:
        sys.exit(__doc__)


main(sys.argv[1], sys.argv[2:])
