"""What a network does to packets between hosts: delay, jitter, loss, cuts, rates and queues.

It does no input and output, reads no clock, and draws by its seed alone. Times are in seconds."""
import heapq
import random


class Path:
    """The way from one host to another; each direction has its own."""

    def __init__(self):
        self.delay = 0.0   # milliseconds
        self.jitter = 0.0  # milliseconds: a late packet comes up to so much later, out of order
        self.late = 0.0    # percent of the packets
        self.loss = 0.0    # percent of the packets
        self.cut = 0       # 1: nothing passes
        # What was handed in by the sender's host, what came out, and why the rest did not (packets)
        self.packets = self.bytes = self.delivered = self.lost = self.cut_off = self.overflowed = 0


class Access:
    """A host's access to the network in one direction, with the queue before it."""

    def __init__(self):
        self.rate = 0.0     # Mbit/s; 0: no limit
        self.queue = 256.0  # KiB
        self.free_at = 0.0

    def passed(self, now, size):
        """When a packet that comes now has passed; None if the queue is full."""
        if not self.rate:
            return now
        bytes_per_second = self.rate * 125e3
        begins = max(now, self.free_at)
        if (begins - now) * bytes_per_second + size > self.queue * 1024:
            return None
        self.free_at = begins + size / bytes_per_second
        return self.free_at


class Links:
    def __init__(self, hosts, seed):
        self.paths = [[Path() for _ in range(hosts)] for _ in range(hosts)]
        self.up = [Access() for _ in range(hosts)]
        self.down = [Access() for _ in range(hosts)]
        self.flights = []  # a heap: (time, order, from, to, packet, passed the receiver's access)
        self.order = 0     # keeps packets of one time in their order
        self.random = random.Random(seed)

    def send(self, now, sender, receiver, packet):
        """A packet leaves its host. What is lost or cut off takes its part of the rate before."""
        path = self.paths[sender][receiver]
        path.packets += 1
        path.bytes += len(packet)
        at = self.up[sender].passed(now, len(packet))
        if at is None:
            path.overflowed += 1
        elif path.cut:
            path.cut_off += 1
        elif path.loss and self.random.random() * 100 < path.loss:
            path.lost += 1
        else:
            at += path.delay / 1000
            if path.late and self.random.random() * 100 < path.late:
                at += self.random.random() * path.jitter / 1000
            self._fly(at, sender, receiver, packet, False)

    def _fly(self, at, sender, receiver, packet, passed):
        self.order += 1
        heapq.heappush(self.flights, (at, self.order, sender, receiver, packet, passed))

    def due(self, now):
        """[(receiver, packet)] that are to be delivered by now, in the order of their times."""
        delivered = []
        while self.flights and self.flights[0][0] <= now:
            at, _, sender, receiver, packet, passed = heapq.heappop(self.flights)
            path = self.paths[sender][receiver]
            if path.cut:
                path.cut_off += 1
            elif passed or not self.down[receiver].rate:
                path.delivered += len(packet)
                delivered.append((receiver, packet))
            else:
                at = self.down[receiver].passed(at, len(packet))
                if at is None:
                    path.overflowed += 1
                else:
                    self._fly(at, sender, receiver, packet, True)
        return delivered

    def next(self):
        """When something is due next; None if nothing is under way."""
        return self.flights[0][0] if self.flights else None
