"""What is measured: the floor, Parley in several settings, and the peers, each through its own protocol."""
import dataclasses
import json
import os
import re
import shutil
import subprocess

from process import BIN, ROOT, Server

HERE = ROOT / "tests/bench"
CONNECTIONS_MAX = 12000


@dataclasses.dataclass(frozen=True)
class Target:
    name: str
    title: str
    load: tuple  # options of wsload
    start: object  # start(row, point) -> Server
    version: object = None  # version() -> text, or None: is not installed
    is_peer: bool = False
    is_slow_to_connect: bool = False  # with ten thousand connections a round takes too long for all of them


def first_match(pattern, *command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
    except OSError:
        return None
    found = re.search(pattern, done.stdout + done.stderr)
    return found[1] if found else None


# ---- the floor, and Parley ----

def start_floor(row, _point):
    return Server(lambda _folder, port: [BIN / "floor", "--port", port, *row.floor.split()], row.is_pinned)


def parley_config(workers, extra):
    config = {
        "workers": workers,
        "client": {"insecure": True},
        "channel": {"without_namespace": {}, "namespaces": [
            {"name": "kept", "history_size": 1000, "history_ttl": "1h", "force_recovery": True}]},
    }
    for section, options in extra.items():
        config.setdefault(section, {}).update(options)
    return config


def start_parley(row, workers=1, extra=None):
    def command(folder, port):
        config = folder / "parleyd.yaml"
        config.write_text(json.dumps(parley_config(workers, extra or {})), encoding="utf-8")
        return [BIN / "parleyd", "-c", config, "--listen", f"127.0.0.1:{port}", "--data-dir", folder / "data"]

    return Server(command, row.is_pinned)


def parley_version():
    return first_match(r"parleyd (\S+)", BIN / "parleyd", "--version")


# ---- peers ----

NGINX_CONF = """
load_module /usr/lib/nginx/modules/ngx_nchan_module.so;
daemon off;
worker_processes 1;
worker_rlimit_nofile {files};
pid {folder}/pid;
error_log {folder}/log;
{user}
events {{ worker_connections {files}; }}
http {{
    access_log off;
    nchan_shared_memory_size 256M;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location = /sub {{ nchan_subscriber websocket; nchan_channel_id $arg_id; nchan_store_messages off; }}
        location = /pub {{ nchan_publisher websocket; nchan_channel_id $arg_id; nchan_store_messages off; }}
    }}
}}
"""

NATS_CONF = """
listen: "127.0.0.1:-1"
max_connections: {files}
websocket {{ host: "127.0.0.1", port: {port}, no_tls: true }}
"""

# A second listener, because 2.0.11 does not start with WebSocket alone.
MOSQUITTO_CONF = """
listener {port} 127.0.0.1
protocol websockets
listener 0 {folder}/socket
allow_anonymous true
persistence false
log_type error
set_tcp_nodelay true
max_queued_messages 0
{user}
"""


def with_config(text, *command, processes=1):
    """A server that reads a file: FILE in the command stands for it."""
    def make(folder, port):
        is_root = os.geteuid() == 0
        user = ("user root;" if text is NGINX_CONF else "user root") if is_root else ""
        file = folder / "config"
        file.write_text(text.format(folder=folder, port=port, files=CONNECTIONS_MAX, user=user), encoding="utf-8")
        return [file if word == "FILE" else word for word in command]

    return lambda row, _point: Server(make, row.is_pinned, processes)


def nchan_version():
    module = first_match(r"^(?:\d+:)?(\d[^-+\s]*)", "dpkg-query", "--show", "--showformat=${Version}",
                         "libnginx-mod-nchan")
    nginx = first_match(r"nginx/(\S+)", "/usr/sbin/nginx", "-v")
    return f"{module} in nginx {nginx}" if module and nginx else None


def start_redis(row, _point):
    return Server(lambda folder, port: [
        "redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--maxclients",
        CONNECTIONS_MAX, "--client-output-buffer-limit", "pubsub 0 0 0", "--dir", folder], row.is_pinned)


def node_server(script, *words):
    node = shutil.which("node") or "node"
    return lambda row, _point: Server(lambda _folder, port: [node, HERE / "peers" / script, port, *words],
                                      row.is_pinned)


def npm_version(package):
    def version():
        file = HERE / "node_modules" / package / "package.json"
        node = first_match(r"\bv(\d\S+)", "node", "--version")
        if not node or not file.exists():
            return None
        return f"{json.loads(file.read_text(encoding='utf-8'))['version']} on Node.js {node}"
    return version


CENTRIFUGE = ("--proto", "centrifuge")
RAW = ("--proto", "raw")

ALL = [
    Target("floor", "floor", RAW, start_floor),
    Target("parley", "Parley", CENTRIFUGE, lambda row, _: start_parley(row), parley_version),
    Target("parley-kept", "Parley, history on", (*CENTRIFUGE, "--channel-prefix", "kept:"),
           lambda row, _: start_parley(row)),
    Target("parley-deflate", "Parley, compressed", (*CENTRIFUGE, "--deflate"),
           lambda row, _: start_parley(row, extra={"websocket": {"compression": True}})),
    Target("parley-workers-2", "Parley, 2 workers", CENTRIFUGE, lambda row, _: start_parley(row, workers=2)),
    Target("parley-history", "Parley", (*CENTRIFUGE, "--channel-prefix", "grown:"),
           lambda row, point: start_parley(row, extra={"channel": {"namespaces": [
               {"name": "grown", "history_size": point.x, "history_ttl": "24h"} if point.x else {"name": "grown"}]}})),
    Target("ws", "ws", RAW, node_server("ws.mjs"), npm_version("ws"), is_peer=True),
    Target("ws-deflate", "ws, compressed", (*RAW, "--deflate"), node_server("ws.mjs", "deflate"),
           npm_version("ws"), is_peer=True),
    Target("socket.io", "Socket.IO", ("--proto", "socketio"), node_server("socketio.mjs"), npm_version("socket.io"),
           is_peer=True),
    Target("nats", "NATS", ("--proto", "nats"), with_config(NATS_CONF, "nats-server", "-c", "FILE"),
           lambda: first_match(r"\bv(\d\S+)", "nats-server", "--version"), is_peer=True),
    Target("nchan", "nchan", ("--proto", "nchan"),
           with_config(NGINX_CONF, "/usr/sbin/nginx", "-c", "FILE", processes=2), nchan_version, is_peer=True),
    Target("mosquitto", "Mosquitto", ("--proto", "mqtt"),
           with_config(MOSQUITTO_CONF, "/usr/sbin/mosquitto", "-c", "FILE"),
           lambda: first_match(r"version (\S+)", "/usr/sbin/mosquitto", "-h"), is_peer=True, is_slow_to_connect=True),
    Target("redis", "Redis", ("--proto", "redis"), start_redis,
           lambda: first_match(r"v=(\S+)", "redis-server", "--version"), is_peer=True),
]

TARGETS = {target.name: target for target in ALL}
PEERS = [target.name for target in ALL if target.is_peer and not target.name.endswith("-deflate")]
