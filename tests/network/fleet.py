"""The real programs on the hosts of a test network: broker, gatherer, two workers, and a client."""
import os
import signal
import subprocess
import time
from pathlib import Path

FRAGMENT = Path(__file__).with_name("fragment.sh")
WORKERS = ("worker-1", "worker-2")
DAEMONS = ("broker", "gatherer") + WORKERS
HOSTS = DAEMONS + ("client",)
SLOTS = 2       # of each worker
PATIENCE = 30   # seconds in which a daemon surely starts


class Fleet:
    """Each daemon's state, output and log are in the folder, by its name."""

    def __init__(self, network, folder, programs, options):
        self.network, self.folder, self.programs = network, folder, programs
        self.options = dict(options)  # of daemons, by name
        self.record = folder / "record"
        self.record.touch()
        self.broker = f"tcp://{network.address['broker']}:7411"
        self.gatherer = f"tcp://{network.address['gatherer']}:7421"  # where it binds
        self.environment = {}  # of daemons, by name
        self.processes = {}

    def fragment(self, worker):
        return f"bash {FRAGMENT} {self.record} {worker}"

    def command(self, name):
        state = self.folder / name
        if name == "broker":
            words = ["--bind", self.broker, "--insecure", "--state", state]
        elif name == "gatherer":
            words = ["--broker", self.broker, "--bind", self.gatherer, "--insecure",
                     "--name", name, "--state", state]
        else:
            words = ["--broker", self.broker, "--name", name, "--slots", SLOTS,
                     "--function", f"work={self.fragment(name)}"]
        return [self.programs / f"fanfold-{name.partition('-')[0]}", *words,
                *self.options.get(name, [])]

    def start(self, *names):
        for name in names:
            self._open(name, name, self.command(name))
        until = time.monotonic() + PATIENCE
        for name in names:
            while b"ready" not in (self.folder / f"{name}.out").read_bytes():
                if time.monotonic() > until or self.processes[name].poll() is not None:
                    said = (self.folder / f"{name}.log").read_text().splitlines()[-1:]
                    raise RuntimeError(f"{name} did not start: {' '.join(said)}")
                time.sleep(0.05)

    def start_again(self, name):
        """Without waiting for it: perhaps it reaches nobody."""
        self._open(name, name, self.command(name))

    def start_client(self, host, *words):
        self._open("client", host, [self.programs / "fanfold", *words, "--broker", self.broker])

    def start_clone(self, name, host):
        """Another gatherer of this name, on another host, with nothing on its disk."""
        command = map(str, self.command(name))
        change = {str(self.folder / name): str(self.folder / "clone"),
                  self.gatherer: f"tcp://{self.network.address[host]}:7421"}
        self._open("clone", host, [change.get(word, word) for word in command])

    def _open(self, name, host, command):
        with open(self.folder / f"{name}.out", "wb") as out, \
                open(self.folder / f"{name}.log", "ab") as log:
            self.processes[name] = subprocess.Popen(
                self.network.inside(host, *command), stdin=subprocess.DEVNULL, stdout=out,
                stderr=log, cwd=self.folder,
                env=os.environ | {"TMPDIR": str(self.folder)} | self.environment.get(name, {}))

    def send(self, name, what):
        self.processes[name].send_signal(what)

    def kill(self, name):
        self.send(name, signal.SIGKILL)
        self.processes[name].wait()

    def recorded(self, what):
        return self.record.read_text().count(f"{what} ")

    def end(self):
        for name in self.processes:
            self.kill(name)
