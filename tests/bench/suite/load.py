"""What wsload does to a server, and the figures that are taken from what it says."""
import json
import subprocess

from process import BIN, Failure, cores

LIMIT_S = 300

FIGURES = {
    "delivery": {
        "us_per_delivery": "server_cpu_us_per_delivery",
        "deliveries_per_s": "deliveries_per_s",
        "messages_per_read": "msgs_per_recv",
    },
    "handshake": {"us_per_handshake": "setup_server_cpu_us_per_conn", "handshakes_per_s": "handshakes_per_s"},
    "idle": {"bytes_per_connection": "pss_per_conn_b"},
    "latency": {"p50_us": "lat_p50_us", "p99_us": "lat_p99_us"},
    "publish": {
        "acks_per_s": "acks_per_s",
        "us_per_publish": "server_cpu_us_per_publish",
        "p50_us": "ack_p50_us",
        "p99_us": "ack_p99_us",
    },
}

# What cannot be nought in a run that measured something.
ESSENTIAL = {"delivery": "delivered", "handshake": "handshakes", "latency": "delivered", "publish": "acks"}


def run(server, words, is_pinned=True):
    """Runs wsload against a server; returns all it says."""
    command = [str(BIN / "wsload"), "--quiet", "--json", "--port", str(server.port), "--server-pid",
               ",".join(map(str, server.pids)), *map(str, words)]
    if is_pinned:
        server_core, load_core = cores()
        command += ["--server-cpu", str(server_core), "--cpu", str(load_core)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LIMIT_S)
    except subprocess.TimeoutExpired as slow:
        raise Failure(f"no end after {LIMIT_S} s") from slow
    if not done.stdout.strip():
        raise Failure(done.stderr.strip() or f"wsload ended with {done.returncode}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def check(result, figure):
    """Refuses what was not measured, or is wrong."""
    essential = ESSENTIAL.get(figure)
    if essential and not result[essential]:
        raise Failure(f"{essential} is 0: nothing to measure in the time there was")
    if result.get("lost"):
        raise Failure(f"{result['lost']:,.0f} deliveries of {result['expected_total']:,.0f} had not come seconds after "
                      "the last publish")
    for wrong in ("seq_gaps", "order_violations", "unmarked", "protocol_errors", "ack_errors", "closed"):
        if result.get(wrong):
            raise Failure(f"{wrong}: {result[wrong]:g} {result['last_error']}".strip())


def figures(result, figure):
    check(result, figure)
    taken = {name: result[source] for name, source in FIGURES[figure].items()}
    for name, value in taken.items():
        if name.startswith("us_per") and value <= 0:
            raise Failure(f"{name} is {value:g}: the server's CPU was not counted")
    return taken
