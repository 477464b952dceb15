"""Hosts in network namespaces, joined by switch.py, and what is run in them."""
import subprocess
import sys
from pathlib import Path

SWITCH = Path(__file__).with_name("switch.py")
COUNTS = ("packets", "bytes", "delivered", "lost", "cut_off", "overflowed")


class Network:
    """with Network(["broker", "worker-1"], seed=1) as network: ...

    One thread uses it. Raises RuntimeError where namespaces or TUN devices are not allowed."""

    def __init__(self, hosts, seed):
        self.switch = subprocess.Popen([sys.executable, "-B", SWITCH, str(seed), *hosts],
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                       stderr=subprocess.PIPE, text=True)
        self.address, self.namespace = {}, {}
        for line in iter(self.switch.stdout.readline, "ready\n"):
            if not line:
                raise RuntimeError(self.switch.communicate()[1].strip())
            _, host, self.address[host], self.namespace[host] = line.split()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.switch.communicate()

    def inside(self, host, *command):
        """The command as it is run in the host, with its own process id."""
        return ["nsenter", f"--net={self.namespace[host]}", "--", *map(str, command)]

    def path(self, sender, receiver, **settings):
        """delay and jitter in ms, late and loss in percent, cut: 1 or 0; "*" stands for all."""
        self._ask("path", sender, receiver, settings)

    def both_ways(self, one, other, **settings):
        self.path(one, other, **settings)
        self.path(other, one, **settings)

    def host(self, host, **settings):
        """Of its access in both directions: rate in Mbit/s, queue in KiB."""
        self._ask("host", host, settings)

    def counts(self):
        """{(sender, receiver): {what: number}} since the start"""
        lines = (line.split() for line in self._ask("counts"))
        return {(words[1], words[2]): dict(zip(COUNTS, map(int, words[3:]))) for words in lines}

    def _ask(self, *words):
        settings = words[-1] if isinstance(words[-1], dict) else {}
        words = [word for word in words if word is not settings]
        words += [f"{name}={value}" for name, value in settings.items()]
        print(*words, file=self.switch.stdin, flush=True)
        answer = []
        for line in iter(self.switch.stdout.readline, "ok\n"):
            if not line.startswith("count "):
                raise RuntimeError(f"the switch says: {line.strip()}")
            answer.append(line)
        return answer
