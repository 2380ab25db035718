"""One row: its targets in turn (A B C A B C ...), for so many rounds."""
import contextlib
import datetime
import statistics
import sys

import load
from process import Failure
from targets import TARGETS

# With ten thousand connections, who takes ten seconds to accept them has fewer rounds.
SLOW_CONNECTIONS = 5000
SLOW_ROUNDS = 2
SETTLE_S = 0.2
WARMUP = 0.25  # of --seconds
FILL_PUBLISHERS, FILL_WINDOW = 10, 100
FIRST_CONNECTIONS = 100  # come and go before memory is measured: they bring in the libraries' pages

# The figure that is compared with the floor's, by kind.
COST = {"delivery": "us_per_delivery", "handshake": "us_per_handshake"}
OURS = ("floor", "parley")


def say(text):
    print(text, file=sys.stderr, flush=True)


def spread(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


class Run:
    """The results of one row while they come in: samples[x][target] is a list of figures, one per round."""

    def __init__(self, row, names, rounds, seconds):
        self.row, self.names, self.rounds, self.seconds = row, names, rounds, seconds
        self.samples = {point.x: {name: {} for name in names} for point in row.points}
        self.left_out = {}

    def words(self, point, name):
        words = [*TARGETS[name].load, "--duration", self.seconds * self.row.stretch, "--warmup", self.seconds * WARMUP,
                 "--settle", SETTLE_S, *point.load.split()]
        if name == "nchan" and "--channels" in words:
            words += ["--pubs", words[words.index("--channels") + 1]]
        return words

    def measure(self, point, name, number, server):
        if self.row.figure == "idle":
            load.run(server, [*self.words(point, name), "--subs", FIRST_CONNECTIONS], self.row.is_pinned)
        result = load.run(server, self.words(point, name), self.row.is_pinned)
        if name.endswith("-deflate") and not result["deflated_frames"]:
            raise Failure("nothing was compressed")
        self.samples[point.x][name][number] = load.figures(result, self.row.figure)

    def leave_out(self, name, why):
        say(f"  {name} is left out: {why}")
        self.left_out[name] = str(why)

    def is_in(self, name, number):
        few = TARGETS[name].is_slow_to_connect and self.row.connections > SLOW_CONNECTIONS
        return name not in self.left_out and not (few and number >= SLOW_ROUNDS)

    def interleave(self):
        for number in range(self.rounds):
            for point in self.row.points:
                for name in self.names:
                    if not self.is_in(name, number):
                        continue
                    try:
                        with TARGETS[name].start(self.row, point) as server:
                            self.measure(point, name, number, server)
                    except Failure as failure:
                        self.leave_out(name, failure)

    def fill_and_measure(self):
        """Histories take long to fill: each has a server of its own, which stays; only one has work at a time."""
        with contextlib.ExitStack() as stack:
            servers = {}
            for point in self.row.points:
                for name in self.names:
                    server = stack.enter_context(TARGETS[name].start(self.row, point))
                    servers[point.x, name] = server
                    if point.x:
                        window = min(FILL_WINDOW, point.x)
                        filled = load.run(server, [*TARGETS[name].load, "--mode", "publish", "--count", point.x,
                                                   "--pubs", FILL_PUBLISHERS, "--window", window, "--duration", 200])
                        if filled["ack_errors"] or filled["acks"] < point.x:
                            raise Failure(f"filling: {filled['acks']:g} of {point.x}; {filled['last_error']}")
            for number in range(self.rounds):
                for point in self.row.points:
                    for name in self.names:
                        self.measure(point, name, number, servers[point.x, name])

    def points(self):
        return [{"x": x, "targets": {name: self.summary(by_target, name) for name in self.names
                                     if by_target[name] and name not in self.left_out}}
                for x, by_target in self.samples.items()]

    def summary(self, by_target, name):
        """Medians; and those of the ratios to what ran in the same rounds."""
        rounds = by_target[name]
        summary = {"rounds": len(rounds)}
        for figure in load.FIGURES[self.row.figure]:
            summary[figure] = spread([sample[figure] for sample in rounds.values()])
        cost = COST.get(self.row.figure)
        for other, key in (("floor", "efficiency"), ("parley", "times_parley")):
            theirs = by_target.get(other, {})
            both = [(theirs[n][cost], rounds[n][cost]) for n in rounds if n in theirs] if cost else []
            if both:
                ratios = [a / b for a, b in both] if other == "floor" else [b / a for a, b in both]
                summary[key] = spread(ratios)
        return summary


def measure(row, names, rounds, seconds):
    """Returns the row's results. A peer that fails is left out; when the floor or Parley fails, the row does."""
    run = Run(row, names, rounds, seconds)
    if row.fill:
        run.fill_and_measure()
    else:
        run.interleave()
    for name, why in run.left_out.items():
        if name.startswith(OURS):
            raise Failure(f"{name}: {why}")
    return {"title": row.title, "figure": row.figure, "date": datetime.date.today().isoformat(), "rounds": rounds,
            "seconds": seconds * row.stretch, "points": run.points(), "left_out": run.left_out}
