"""The table of what is measured. A row is measured as a whole, since only what ran in turn may be compared."""
import dataclasses

from targets import PEERS

AGAINST_FLOOR = ["floor", "parley"]
WITH_PEERS = ["floor", "parley", *PEERS]
WITH_HISTORY = ["floor", "parley", "parley-kept", *PEERS]

ONE = "--window 1"
TOGETHER = "--pub-batch 32 --window 64"
CHANNELS_WINDOW_MAX = 64


@dataclasses.dataclass(frozen=True)
class Point:
    load: str  # options of wsload
    x: int = 0  # of a curve


@dataclasses.dataclass(frozen=True)
class Row:
    name: str
    title: str
    figure: str  # of load.FIGURES, or "storage"
    targets: list
    points: list
    floor: str = ""  # options of the floor
    stretch: float = 1  # times --seconds
    is_pinned: bool = True
    fill: bool = False  # a history is filled before, and the servers stay for all rounds
    x_title: str = ""

    @property
    def connections(self):
        words = self.points[-1].load.split()
        return int(words[words.index("--subs") + 1]) if "--subs" in words else 0


def one(load):
    return [Point(load)]


def without(targets, *names):
    return [target for target in targets if target not in names]


def by_subscribers():
    return [Point(f"--subs {n} {ONE}", n) for n in (10, 100, 1000, 10000)]


def by_channels():
    """One message under way per channel, CHANNELS_WINDOW_MAX in all at most."""
    return [Point(f"--subs 10000 --mode channels --channels {n} --window {min(n, CHANNELS_WINDOW_MAX)}", n)
            for n in (1, 10, 100, 1000, 10000)]


def by_payload():
    return [Point(f"--subs 1000 --size {n} {ONE}", n) for n in (16, 64, 256, 1024, 4096, 16000)]


def by_history():
    return [Point("--mode publish --pubs 10 --window 10", n) for n in (0, 100, 1000, 10000, 100000, 1000000)]


CHANNELS = f"--mode channels --channels 1000 --subs 1000 --window {CHANNELS_WINDOW_MAX}"

ALL = [
    Row("fanout", "1,000 subscribers, one message at a time", "delivery", WITH_HISTORY, one(f"--subs 1000 {ONE}")),
    Row("batched", "1,000 subscribers, 32 published together", "delivery", WITH_HISTORY,
        one(f"--subs 1000 {TOGETHER}"), floor="--batch 32"),
    Row("fanout10k", "10,000 subscribers, one message at a time", "delivery", WITH_HISTORY, one(f"--subs 10000 {ONE}")),
    # Those left out are so deep in their queues that little comes in the time there is.
    Row("batched10k", "10,000 subscribers, 32 published together", "delivery",
        without(WITH_HISTORY, "mosquitto", "socket.io"),
        one(f"--subs 10000 {TOGETHER}"), floor="--batch 32"),
    Row("channels", "1,000 channels with one subscriber each", "delivery", WITH_PEERS, one(CHANNELS)),
    Row("handshake", "one handshake: upgrade, and the close after it", "handshake", without(WITH_PEERS, "redis"),
        one("--mode handshake --conc 32")),
    Row("idle", "an idle subscribed connection, of 10,000", "idle", WITH_PEERS, one("--mode idle --subs 10000"),
        stretch=0.1),
    Row("latency", "1,000 subscribers, 20 messages a second", "latency", WITH_PEERS, one("--subs 1000 --rate 20"),
        stretch=1.5),
    Row("latency10k", "10,000 subscribers, 10 messages a second", "latency", WITH_PEERS, one("--subs 10000 --rate 10"),
        stretch=1.5),
    Row("publish", "ten publishers with ten publishes under way each, through the whole daemon", "publish",
        ["parley-kept"], one("--mode publish --pubs 10 --window 10")),
    Row("storage", "the engine against a bare SQLite loop", "storage", [], []),
    Row("workers", "1,000 subscribers, one message at a time, nothing pinned", "delivery",
        ["parley", "parley-workers-2"], one(f"--subs 1000 {ONE}"), is_pinned=False),
    Row("workers-batched", "1,000 subscribers, 32 published together, nothing pinned", "delivery",
        ["parley", "parley-workers-2"], one(f"--subs 1000 {TOGETHER}"), is_pinned=False),
    Row("deflate", "1,000 subscribers, 1 kB, permessage-deflate", "delivery",
        ["parley", "parley-deflate", "ws", "ws-deflate"], one(f"--subs 1000 --size 1024 {ONE}")),
    Row("by-subscribers", "over subscribers of one channel", "delivery", AGAINST_FLOOR, by_subscribers(),
        stretch=0.7, x_title="subscribers"),
    Row("by-channels", "over channels that share 10,000 subscribers", "delivery", AGAINST_FLOOR, by_channels(),
        stretch=0.7, x_title="channels"),
    Row("by-payload", "over the payload, 1,000 subscribers", "delivery", AGAINST_FLOOR, by_payload(),
        stretch=0.7, x_title="bytes of payload"),
    Row("by-history", "over what the channel keeps", "publish", ["parley-history"], by_history(), fill=True,
        stretch=0.7, x_title="publications kept"),
]

ROWS = {row.name: row for row in ALL}


def select_targets(row, peers):
    """Those of a row, with these peers only; the compressed ones go with their plain ones."""
    ours = ("floor", "parley")
    return [name for name in row.targets if name.startswith(ours) or name.removesuffix("-deflate") in peers]
