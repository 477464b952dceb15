#!/usr/bin/env python3
"""The test network's switch: makes hosts, passes packets between them, obeys lines on stdin.

usage: switch.py SEED HOST...

Prints `host NAME ADDRESS NAMESPACE` for each, then `ready`; `nsenter --net=NAMESPACE` runs a
command in a host. Each line on stdin is answered by `ok` or `error WHY`; * stands for every host:

    path FROM TO NAME=VALUE...  delay and jitter in ms, late and loss in percent, cut=1 or 0
    host NAME NAME=VALUE...     of its access, in both directions: rate in Mbit/s, queue in KiB
    counts                      before `ok`, for each path that was used, `count FROM TO PACKETS
                                BYTES DELIVERED_BYTES LOST CUT_OFF OVERFLOWED`

The switch ends with its stdin. The namespaces and devices have no names outside of it: they end
with the switch and the last process in them, whatever kills it.

A host's device is TUN, not TAP: no ARP can be lost, so a cut is as silent as between routed
networks. No offload is asked for: packets are of 1,500 bytes at most, so a rate is honest."""
import ctypes
import fcntl
import os
import select
import socket
import struct
import sys
import time

from links import Links

NETWORK = "10.77.0."
CLONE_NEWNET = 0x40000000
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 1, 0x1000
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1
SIOCSIFADDR, SIOCSIFNETMASK, SIOCSIFTXQLEN = 0x8916, 0x891C, 0x8943
WAITING_PACKETS = 5000  # in the kernel, until they are read here
MOST_BYTES = 2000       # above the MTU
TICK = 0.001            # seconds; to be woken up for each packet would cost most of the work
AT_ONCE = 64            # packets of one host, then the others have their turn


class Host:
    """A network namespace with one TUN device, whose other end is here."""

    def __init__(self, name, number):
        self.name, self.address = name, f"{NETWORK}{number}"
        if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "cannot make a network namespace")
        self.namespace = os.open("/proc/self/ns/net", os.O_RDONLY)
        self.slow_down_by_loss()
        self.device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(self.device, TUNSETIFF, struct.pack("16sH22x", b"net0", IFF_TUN | IFF_NO_PI))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
            def ask(what, layout, *values, device=b"net0"):
                request = struct.pack("16s" + layout, device, *values).ljust(40, b"\0")
                return fcntl.ioctl(control, what, request)
            ask(SIOCSIFTXQLEN, "i", WAITING_PACKETS)
            for what, address in ((SIOCSIFADDR, self.address), (SIOCSIFNETMASK, "255.255.255.0")):
                ask(what, "HH4s", socket.AF_INET, 0, socket.inet_aton(address))
            for device in (b"net0", b"lo"):
                flags, = struct.unpack_from("H", ask(SIOCGIFFLAGS, "", device=device), 16)
                ask(SIOCSIFFLAGS, "H", flags | IFF_UP, device=device)

    @staticmethod
    def slow_down_by_loss():
        """TCP as most hosts have it, whatever this one has; where Cubic is not allowed in a
        namespace, Reno always is."""
        for name in ("cubic", "reno"):
            try:
                with open("/proc/sys/net/ipv4/tcp_congestion_control", "w") as control:
                    control.write(name)
                return
            except OSError:
                pass

    def packets(self):
        for _ in range(AT_ONCE):
            try:
                yield os.read(self.device, MOST_BYTES)
            except BlockingIOError:
                return

    def deliver(self, packet):
        try:
            os.write(self.device, packet)
        except OSError:
            pass  # what the host has no room for is lost, as on any network


class Switch:
    def __init__(self, seed, names):
        self.hosts = [Host(name, number) for number, name in enumerate(names, 1)]
        self.links = Links(len(names), seed)
        self.unread = b""

    def run(self):
        for host in self.hosts:
            print("host", host.name, host.address, f"/proc/{os.getpid()}/fd/{host.namespace}")
        print("ready", flush=True)
        commands, everything = select.poll(), select.poll()
        commands.register(0, select.POLLIN)
        for descriptor in [0] + [host.device for host in self.hosts]:
            everything.register(descriptor, select.POLLIN)
        network = socket.inet_aton(NETWORK + "0")[:3]
        while True:
            due = self.links.next()
            left = 1 if due is None else due - time.monotonic()
            # With packets under way the devices are read at each tick, without being asked.
            ready = everything.poll(left * 1000) if left > TICK else commands.poll(TICK * 1000)
            if any(descriptor == 0 for descriptor, _ in ready) and not self.read_commands():
                return
            for sender, host in enumerate(self.hosts):
                for packet in host.packets():
                    receiver = packet[19] - 1
                    if packet[0] >> 4 == 4 and packet[16:19] == network and \
                            0 <= receiver < len(self.hosts):
                        self.links.send(time.monotonic(), sender, receiver, packet)
            for receiver, packet in self.links.due(time.monotonic()):
                self.hosts[receiver].deliver(packet)

    def read_commands(self):
        """False at the end of stdin."""
        got = os.read(0, 4096)
        *lines, self.unread = (self.unread + got).split(b"\n")
        for line in lines:
            try:
                self.obey(line.decode().split())
                print("ok", flush=True)
            except (ValueError, IndexError) as error:
                print("error", error, flush=True)
        return bool(got)

    def obey(self, words):
        if words == ["counts"]:
            self.print_counts()
        elif words[:1] == ["path"]:
            self.set(words[3:], ("delay", "jitter", "late", "loss", "cut"),
                     [self.links.paths[sender][receiver] for sender in self.named(words[1])
                      for receiver in self.named(words[2])])
        elif words[:1] == ["host"]:
            self.set(words[2:], ("rate", "queue"), [side[host] for host in self.named(words[1])
                                                   for side in (self.links.up, self.links.down)])
        else:
            raise ValueError(f"no command: {' '.join(words)}")

    def named(self, name):
        found = [number for number, host in enumerate(self.hosts) if name in ("*", host.name)]
        if not found:
            raise ValueError(f"no host is named {name}")
        return found

    @staticmethod
    def set(settings, known, places):
        for setting in settings:
            name, _, value = setting.partition("=")
            if name not in known or float(value) < 0:
                raise ValueError(f"no setting: {setting}; there are {' '.join(known)}")
            for place in places:
                setattr(place, name, float(value))

    def print_counts(self):
        for sender, paths in zip(self.hosts, self.links.paths):
            for receiver, path in zip(self.hosts, paths):
                if path.packets:
                    print("count", sender.name, receiver.name, path.packets, path.bytes,
                          path.delivered, path.lost, path.cut_off, path.overflowed)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    try:
        Switch(int(sys.argv[1]), sys.argv[2:]).run()
    except OSError as error:
        sys.exit(f"switch.py: {error}")
