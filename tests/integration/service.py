#!/usr/bin/env python3
"""parleyd as a service manager and an operator see it: readiness, reload, watchdog, sockets, signals, exit codes.

usage: service.py PARLEYD
"""
import base64
import contextlib
import ctypes
import http.client
import json
import os
import pathlib
import queue
import re
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import unittest

PATIENCE_S = 30
PARLEYD = None
OPEN = {"client": {"allow_anonymous_connect_without_token": True}}


class Service:
    """One run of the daemon, with a manager's notification socket and every line of its standard error."""

    def __init__(self, folder, config=OPEN, args=(), env=(), fds=(), listen=("127.0.0.1:0",)):
        self.folder = folder
        self.config = os.path.join(folder, "parleyd.yaml")
        self.write_config(config)
        self.manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.manager.bind(os.path.join(folder, "notify"))
        self.manager.settimeout(PATIENCE_S)
        command = [PARLEYD, "-c", self.config, "--data-dir", os.path.join(folder, "data")]
        for address in listen:
            command += ["--listen", address]
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("PARLEY_", "LISTEN_", "WATCHDOG_"))}
        environment.update(env, NOTIFY_SOCKET=os.path.join(folder, "notify"))
        if fds:
            # As systemd does it: descriptors from 3 on, meant for one process.
            command = ["/bin/sh", "-c", 'LISTEN_PID=$$ exec "$@"', "sh", *command]
            environment["LISTEN_FDS"] = str(len(fds))
        self.process = subprocess.Popen([*command, *args], env=environment, stderr=subprocess.PIPE, text=True,
                                        pass_fds=fds)
        self.lines = queue.Queue()
        self.log = []
        threading.Thread(target=self.read_log, daemon=True).start()

    def read_log(self):
        for line in self.process.stderr:
            self.lines.put(line.rstrip("\n"))
        self.lines.put(None)

    def write_config(self, config):
        """As many workers as PARLEY_WORKERS says, where the test does not."""
        if isinstance(config, dict) and "PARLEY_WORKERS" in os.environ:
            config = {"workers": int(os.environ["PARLEY_WORKERS"]), **config}
        with open(self.config, "w", encoding="utf-8") as f:
            f.write(config if isinstance(config, str) else json.dumps(config))

    def line(self, pattern):
        """Waits for a line that has not been waited for yet."""
        while True:
            text = self.lines.get(timeout=PATIENCE_S)
            if text is None:
                raise AssertionError(f"no line like {pattern}:\n" + "\n".join(self.log))
            self.log.append(text)
            found = re.search(pattern, text)
            if found:
                return found

    def told(self, wanted):
        """Waits until the manager is told so; returns that message."""
        while True:
            message = self.manager.recv(4096).decode()
            if wanted in message.split("\n"):
                return message

    def ready(self):
        self.told("READY=1")
        return self

    def port(self):
        return int(self.line(r"listening.*127\.0\.0\.1:(\d+)")[1])

    def end(self, number=None):
        if number:
            self.process.send_signal(number)
        code = self.process.wait(PATIENCE_S)
        self.manager.close()
        self.process.stderr.close()
        return code

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.manager.close()


def get(port, path="/health"):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    connection.request("GET", path)
    response = connection.getresponse()
    body = response.read().decode()
    connection.close()
    return response.status, body


def workers_of(port):
    return int(re.search(r"\nparley_node_workers (\d+)\n", get(port, "/metrics")[1])[1])


def open_websocket(port):
    s = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
    key = base64.b64encode(os.urandom(16)).decode()
    s.sendall(f"GET /connection/websocket HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
              f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode())
    assert s.recv(4096).startswith(b"HTTP/1.1 101 ")
    return s


@contextlib.contextmanager
def held(process, name):
    """Stops one thread of a process, and no other, by tracing it."""
    PTRACE_ATTACH, PTRACE_DETACH, WAIT_ALL = 16, 17, 0x40000000
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    tasks = f"/proc/{process.pid}/task"
    thread = next(int(task) for task in os.listdir(tasks)
                  if pathlib.Path(tasks, task, "comm").read_text(encoding="utf-8").strip() == name)
    if libc.ptrace(PTRACE_ATTACH, thread, None, None) < 0:
        raise OSError(ctypes.get_errno(), "ptrace")
    os.waitpid(thread, WAIT_ALL)
    try:
        yield
    finally:
        libc.ptrace(PTRACE_DETACH, thread, None, None)


def run(*args, env=None):
    return subprocess.run([PARLEYD, *args], capture_output=True, text=True, timeout=PATIENCE_S, check=False,
                          env={**os.environ, **(env or {})})


def make_certificate(folder, name):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-days", "2", "-subj", f"/CN={name}", "-keyout", f"{folder}/key.pem", "-out", f"{folder}/cert.pem"],
                   check=True, capture_output=True)
    return ssl.PEM_cert_to_DER_cert(pathlib.Path(folder, "cert.pem").read_text(encoding="utf-8"))


def open_tls(port):
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S))


class TheService(unittest.TestCase):
    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory(prefix="parley-service-")
        self.folder = self.temporary.name

    def tearDown(self):
        self.temporary.cleanup()

    def test_it_says_when_it_is_ready_and_when_it_stops(self):
        with Service(self.folder) as s:
            port = s.ready().port()
            status, body = get(port)
            self.assertEqual((status, json.loads(body)["status"]), (200, "ok"))
            s.process.send_signal(signal.SIGTERM)
            s.told("STOPPING=1")
            self.assertEqual(s.end(), 0)

    def test_metrics_count_what_happened(self):
        with Service(self.folder) as s:
            port = s.ready().port()
            with open_websocket(port):
                _, body = get(port, "/metrics")
            self.assertIn("\nparley_client_upgrades_total 1\n", body)
            self.assertIn('\nparley_engine_info{type="sqlite"} 1\n', body)
            self.assertEqual(s.end(signal.SIGINT), 0)

    def test_there_is_a_worker_for_each_processor_it_may_use(self):
        allowed = os.sched_getaffinity(0)
        with Service(self.folder, {**OPEN, "workers": "auto"}) as s:
            self.assertLessEqual(workers_of(s.ready().port()), len(allowed))
            self.assertEqual(s.end(signal.SIGTERM), 0)
        os.unlink(os.path.join(self.folder, "notify"))
        os.sched_setaffinity(0, {min(allowed)})
        try:
            with Service(self.folder, {**OPEN, "workers": 0}) as s:
                self.assertEqual(workers_of(s.ready().port()), 1)
                self.assertEqual(s.end(signal.SIGTERM), 0)
        finally:
            os.sched_setaffinity(0, allowed)

    def test_a_reload_takes_over_what_changed_without_cutting_anyone(self):
        with Service(self.folder) as s:
            port = s.ready().port()
            client = open_websocket(port)
            s.write_config({"client": {"allow_anonymous_connect_without_token": True, "stale_close_delay": "1m"},
                            "prometheus": {"enabled": False}, "workers": 2})
            s.process.send_signal(signal.SIGHUP)
            self.assertIn("MONOTONIC_USEC=", s.told("RELOADING=1"))
            s.told("READY=1")
            s.line(r"workers: a change of this takes effect with the next restart")
            s.line(r"reloaded")
            self.assertEqual(get(port, "/metrics")[0], 404)
            self.assertEqual(get(port)[0], 200)
            client.setblocking(False)
            self.assertRaises(BlockingIOError, client.recv, 1)
            client.close()
            self.assertEqual(s.end(signal.SIGTERM), 0)

    def test_a_bad_reload_keeps_the_old_configuration_and_says_why(self):
        with Service(self.folder) as s:
            port = s.ready().port()
            s.write_config("client:\n  pnig_interval: 3s\nhealth: { enabled: false }\n")
            s.process.send_signal(signal.SIGHUP)
            s.told("RELOADING=1")
            s.told("READY=1")
            s.line(r"parleyd\.yaml:2:3: client\.pnig_interval: unknown option; did you mean")
            s.line(r"the old configuration stays")
            self.assertEqual(get(port)[0], 200)
            self.assertEqual(s.end(signal.SIGTERM), 0)

    def test_a_reload_takes_a_new_certificate_for_new_connections(self):
        config = {**OPEN, "workers": 2, "http_server": {"tls": {
            "enabled": True, "cert_pem_file": f"{self.folder}/cert.pem", "key_pem_file": f"{self.folder}/key.pem"}}}
        first = make_certificate(self.folder, "first")
        with Service(self.folder, config) as s:
            port = s.ready().port()
            old = open_tls(port)
            self.assertEqual(old.getpeercert(True), first)

            second = make_certificate(self.folder, "second")
            s.process.send_signal(signal.SIGHUP)
            s.line(r"reloaded")
            for _ in range(8):  # whichever worker it is
                with open_tls(port) as new:
                    self.assertEqual(new.getpeercert(True), second)
            old.sendall(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n")
            self.assertTrue(old.recv(100).startswith(b"HTTP/1.1 200 "))
            old.close()

            pathlib.Path(self.folder, "cert.pem").write_text("no certificate", encoding="utf-8")
            s.process.send_signal(signal.SIGHUP)
            s.line(r"TLS.*cert\.pem")
            s.line(r"the old configuration stays")
            with open_tls(port) as new:
                self.assertEqual(new.getpeercert(True), second)
            self.assertEqual(s.end(signal.SIGTERM), 0)

    def test_the_watchdog_is_fed_as_long_as_workers_turn(self):
        with Service(self.folder, env={"WATCHDOG_USEC": "400000"}) as s:
            s.ready()
            for _ in range(5):
                s.told("WATCHDOG=1")
            s.process.send_signal(signal.SIGSTOP)
            s.manager.settimeout(1)
            with self.assertRaises(TimeoutError):
                for _ in range(100):
                    s.told("WATCHDOG=1")
            s.manager.settimeout(PATIENCE_S)
            s.process.send_signal(signal.SIGCONT)
            s.told("WATCHDOG=1")
            self.assertEqual(s.end(signal.SIGTERM), 0)

    def test_a_stuck_worker_starves_the_watchdog(self):
        with Service(self.folder, {**OPEN, "workers": 2}, env={"WATCHDOG_USEC": "600000"}) as s:
            s.ready().told("WATCHDOG=1")
            with held(s.process, "worker 1"):
                s.line(r"a worker does not turn any more")
                s.manager.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    while True:
                        s.manager.recv(4096)  # what was said before
                s.manager.settimeout(1.5)
                self.assertRaises(TimeoutError, s.told, "WATCHDOG=1")
                s.manager.settimeout(PATIENCE_S)
            s.told("WATCHDOG=1")
            self.assertEqual(s.end(signal.SIGTERM), 0)

    def test_sockets_are_taken_from_the_manager(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            # It must be descriptor 3, which is this program's to give away.
            kept = os.dup(3) if os.path.exists("/proc/self/fd/3") and listener.fileno() != 3 else None
            if listener.fileno() != 3:
                os.dup2(listener.fileno(), 3, inheritable=True)
            try:
                with Service(self.folder, fds=(3,), listen=()) as s:
                    s.ready()
                    self.assertEqual(get(listener.getsockname()[1])[0], 200)
                    self.assertEqual(s.end(signal.SIGTERM), 0)
            finally:
                if kept is not None:
                    os.dup2(kept, 3)
                    os.close(kept)

    def test_told_twice_it_leaves_at_once(self):
        config = {**OPEN, "shutdown": {"spread": "10m", "timeout": "20m"}}
        with Service(self.folder, config) as s:
            port = s.ready().port()
            with open_websocket(port):
                s.process.send_signal(signal.SIGTERM)
                s.told("STOPPING=1")
                self.assertIsNone(s.process.poll())
                self.assertEqual(s.end(signal.SIGTERM), 128 + signal.SIGTERM)

    def test_the_tasks_are_shown_when_asked_for(self):
        with Service(self.folder, {**OPEN, "workers": 2}) as s:
            s.ready()
            s.process.send_signal(signal.SIGUSR1)
            for _ in range(2):
                s.line(r"^worker [01]: ")
                s.line(r"^ *listener")
            self.assertEqual(s.end(signal.SIGTERM), 0)

    def test_insecure_configurations_are_said_to_be(self):
        with Service(self.folder, {"client": {"insecure": True}}) as s:
            s.line(r"warning +INSECURE: client\.insecure .*this machine only")
            self.assertEqual(s.ready().end(signal.SIGTERM), 0)
        self.temporary.cleanup()
        os.mkdir(self.folder)
        with Service(self.folder, {"client": {"insecure": True}}, listen=("*:0",)) as s:
            s.line(r"warning +INSECURE: client\.insecure .*whoever reaches this machine")
            self.assertEqual(s.ready().end(signal.SIGTERM), 0)


class TheCommandLine(unittest.TestCase):
    def test_it_knows_itself(self):
        self.assertRegex(run("--version").stdout, r"^parleyd \d+\.\d+\.\d+\n$")
        self.assertIn("--check-config", run("--help").stdout)

    def test_wrong_usage_is_64(self):
        for args in (["--bogus"], ["extra"], ["--set", "nothing"], ["-c"]):
            r = run(*args)
            self.assertEqual(r.returncode, 64, args)
            self.assertIn("Try: parleyd --help", r.stderr)

    def test_a_wrong_configuration_is_78(self):
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as f:
            f.write("clients: {}\nworkers: none\n")
            f.flush()
            for args in (["--check-config"], ["--dump-config"], []):
                r = run("-c", f.name, *args)
                self.assertEqual(r.returncode, 78, args)
                self.assertIn(f'error: {f.name}:1:1: clients: unknown option; did you mean "client"?', r.stderr)
                self.assertIn(f"error: {f.name}:2:10: workers: must be a whole number", r.stderr)
        self.assertEqual(run("-c", "/none/there").returncode, 78)
        self.assertEqual(run("--engine", "mongo").returncode, 78)

    def test_a_right_one_is_0_and_can_be_dumped(self):
        secret = "never-to-be-shown-anywhere"
        env = {"PARLEY_CLIENT_TOKEN_HMAC_SECRET_KEY": secret}
        self.assertEqual(run("--check-config", env=env).returncode, 0)
        r = run("--dump-config", "--set", "client.ping_interval=9s", env=env)
        self.assertEqual(r.returncode, 0)
        self.assertIn("\n  ping_interval: 9s\n", r.stdout)
        self.assertNotIn(secret, r.stdout + r.stderr)

    def test_a_redis_that_is_away_is_69_and_named(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            address = "127.0.0.1:%d" % taken.getsockname()[1]
        r = run("--engine", "redis", "--listen", "127.0.0.1:0", "--set", f"engine.redis.address=redis://{address}")
        self.assertEqual(r.returncode, 69, r.stderr)
        self.assertIn(f"before Redis says who is not let in: redis: {address}", r.stderr)

    def test_what_is_in_use_is_69(self):
        with tempfile.TemporaryDirectory(prefix="parley-service-") as folder, \
                socket.create_server(("127.0.0.1", 0)) as taken:
            data = os.path.join(folder, "data")
            r = run("--listen", "127.0.0.1:%d" % taken.getsockname()[1], "--data-dir", data)
            self.assertEqual(r.returncode, 69, r.stderr)
            with Service(folder) as s:
                s.ready()
                r = run("--listen", "127.0.0.1:0", "--data-dir", data)
                self.assertEqual(r.returncode, 69, r.stderr)
                self.assertIn("history.db", r.stderr)
                self.assertEqual(s.end(signal.SIGTERM), 0)


if __name__ == "__main__":
    PARLEYD = os.path.abspath(sys.argv.pop(1))
    unittest.main(verbosity=2)
