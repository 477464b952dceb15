"""Bare TCP over the test network: what its links give to anybody, in the same run."""
import subprocess
import sys

PORT = 5001  # and those above it
RECEIVE = """
import socket, sys
server = socket.create_server(("", int(sys.argv[1])))
print("ready", flush=True)
peer, _ = server.accept()
while peer.recv(1 << 20):
    pass
peer.sendall(b"!")
"""
SEND = """
import socket, sys, time
began = time.monotonic()
peer = socket.create_connection((sys.argv[1], int(sys.argv[2])))
for _ in range(int(sys.argv[3])):
    peer.sendall(bytes(1 << 10))
peer.shutdown(socket.SHUT_WR)
assert peer.recv(1) == b"!"
print(time.monotonic() - began)
"""


def transfer(network, flows):
    """Seconds until all of [(sender, receiver, KiB)], at once, are there."""
    def python(host, program, *words):
        return subprocess.Popen(network.inside(host, sys.executable, "-c", program, *words),
                                stdout=subprocess.PIPE, text=True)
    servers = [python(receiver, RECEIVE, PORT + number)
               for number, (_, receiver, _) in enumerate(flows)]
    for server in servers:
        assert server.stdout.readline() == "ready\n"
    clients = [python(sender, SEND, network.address[receiver], PORT + number, kibibytes)
               for number, (sender, receiver, kibibytes) in enumerate(flows)]
    took = max(float(client.communicate()[0]) for client in clients)
    for server in servers:
        server.communicate()
    return took
