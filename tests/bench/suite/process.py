"""Servers under measurement: started with a folder and a port of their own, ended with the scope."""
import functools
import os
import pathlib
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import time

READY_S = 30
STOP_S = 20
ATTEMPTS = 3
DESCRIPTORS_MIN = 12100

ROOT = pathlib.Path(__file__).resolve().parents[3]
BIN = ROOT / "build/release/bin"


class Failure(Exception):
    """A server or its load did not do what it should; the message says what."""


@functools.cache
def workspace():
    """Everybody's folders: on the disk that the build is on, and gone when the program ends."""
    return tempfile.TemporaryDirectory(prefix="parley-bench-", dir=BIN.parent, ignore_cleanup_errors=True)


def raise_descriptor_limit():
    """Servers inherit it. Returns whether it is enough for ten thousand connections."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard == resource.RLIM_INFINITY or hard >= DESCRIPTORS_MIN


def cores():
    """The server's and the load's."""
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) < 2:
        raise Failure("needs two processor cores: one for the server, one for the load")
    return allowed[0], allowed[1]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def accepts(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


def family(pid):
    """A process and all that descend from it."""
    pids = [pid]
    for parent in pids:
        for task in pathlib.Path(f"/proc/{parent}/task").glob("*/children"):
            try:
                pids += [int(child) for child in task.read_text().split()]
            except OSError:
                pass
    return pids


class Server:
    """One process, with what descends from it, on a core of its own unless it is let free."""

    def __init__(self, command, is_pinned=True, processes=1):
        """command(folder, port): what to run. It is ready when the port accepts and so many processes are there."""
        self.processes = processes
        for attempt in range(1, ATTEMPTS + 1):
            self.folder = pathlib.Path(tempfile.mkdtemp(dir=workspace().name))
            self.port = free_port()
            try:
                self._start([str(word) for word in command(self.folder, self.port)], is_pinned)
                return
            except Failure:
                self.stop()
                if attempt == ATTEMPTS:
                    raise
            except BaseException:
                self.stop()
                raise

    def _start(self, command, is_pinned):
        self.process = None
        prefix = ["setpriv", "--pdeathsig", "TERM"]
        if is_pinned:
            prefix += ["taskset", "-c", str(cores()[0])]
        log = self.folder / "log"
        with open(log, "wb") as out:
            self.process = subprocess.Popen(prefix + command, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                            cwd=self.folder)
        until = time.monotonic() + READY_S
        while not accepts(self.port) or len(self.pids) < self.processes:
            if time.monotonic() > until or self.process.poll() is not None:
                said = log.read_text(errors="replace").strip()[-500:]
                raise Failure(f"{pathlib.Path(command[0]).name} did not start: {said}")
            time.sleep(0.02)

    @property
    def pids(self):
        return family(self.process.pid)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
