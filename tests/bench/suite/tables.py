"""Tables and charts of docs/performance.md, from the results."""
import html

import plot
from results import targets_of
from rows import ROWS
from targets import PEERS, TARGETS

IMAGES = "images/performance"
MAIN = ["floor", "parley", *PEERS]
DELIVERIES = ["fanout", "batched", "fanout10k", "batched10k", "channels"]


def median(figures, name):
    return figures[name]["median"] if figures and name in figures else None


def plain(value):
    """As many digits as mean something."""
    if value is None:
        return "–"
    if value >= 100:
        return f"{value:,.0f}"
    if value >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}"


def share(value):
    """Of a small one, two digits still."""
    return f"{value:.2f}" if value >= 0.095 else f"{value:.2g}"


def table(head, lines):
    rows = [head, ["---"] * len(head), *lines]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def missing(*names):
    return f"*Not measured yet: `./bench --only {','.join(names)}`.*"


class Page:
    """The generated parts: text() by name; charts are collected on the way."""

    def __init__(self, results):
        self.results = results
        self.rows = results["rows"]
        self.charts = {}

    def figures(self, row, target):
        return targets_of(self.rows.get(row, {})).get(target)

    def present(self, rows):
        return [name for name in MAIN if any(self.figures(row, name) for row in rows)]

    def picture(self, file, svg):
        self.charts[file] = svg
        alt = html.unescape(svg.split("<title>")[1].split("</title>")[0])
        return f"![{alt}]({IMAGES}/{file})"

    # ---- who and where ----

    def machine(self):
        if not self.rows:
            return "*Nothing measured yet: `./bench`.*"
        machines, lines = {}, []
        for name, row in self.rows.items():
            machines.setdefault((tuple(sorted(row["machine"].items())), row["date"], row["commit"]), []).append(name)
        for (items, date, commit), names in sorted(machines.items(), key=lambda item: item[0][1]):
            m = dict(items)
            virtual = "virtual machine" if m["is_virtual"] else "machine"
            rows = "all rows" if len(machines) == 1 else ", ".join(sorted(names))
            lines.append(f"- {date}, commit {commit or 'unknown'}: {virtual} with {m['cores']} cores of "
                         f"{m['processor']}, {m['memory_gib']} GiB, {m['system']}, Linux {m['kernel']} ({rows})")
        versions = {}
        for row in self.rows.values():
            versions.update(row["versions"])
        known = ", ".join(f"{TARGETS[name].title} {versions[name]}" for name in ["parley", *PEERS] if name in versions)
        lines.append(f"- {known}")
        counts = sorted({(row["rounds"], row["seconds"]) for row in self.rows.values() if row["figure"] != "storage"})
        lines.append("- medians of " + ", ".join(f"{n} round{'s' if n > 1 else ''} of {s:g} s" for n, s in counts))
        few = sorted({(TARGETS[name].title, ROWS[row].title, figures["rounds"]) for row, result in self.rows.items()
                      for name, figures in targets_of(result).items()
                      if figures["rounds"] < result["rounds"]})
        lines += [f"- fewer rounds, since it connects slowly: {title} of \"{row}\" ({n})" for title, row, n in few]
        out = sorted({(TARGETS[name].title, ROWS[row].title, why) for row, result in self.rows.items()
                      for name, why in result["left_out"].items() if row in ROWS})
        lines += [f"- left out: {title} of \"{row}\": {why}" for title, row, why in out]
        return "\n".join(lines)

    # ---- deliveries, handshakes, memory, latency ----

    def fanout(self):
        rows = [*DELIVERIES, "handshake"]
        names = self.present(rows)
        if not names:
            return missing(*rows)
        lines = []
        for row in rows:
            cells = [ROWS[row].title]
            for name in names:
                figures = self.figures(row, name)
                cost = median(figures, "us_per_handshake" if row == "handshake" else "us_per_delivery")
                efficiency = median(figures, "efficiency")
                shown = f" ({share(efficiency)})" if efficiency is not None and name != "floor" else ""
                cells.append(plain(cost) + shown)
            lines.append(cells)
        text = table(["server CPU, µs (efficiency)", *(TARGETS[name].title for name in names)], lines)
        return f"{text}\n\n{self.efficiency_chart()}".rstrip()

    def efficiency_chart(self):
        panels = []
        for row in DELIVERIES:
            items = [(name, TARGETS[name].title, value, share(value)) for name in MAIN
                     if (value := median(self.figures(row, name), "efficiency")) is not None]
            if items:
                panels.append((ROWS[row].title, items))
        if not panels:
            return ""
        return self.picture("efficiency.svg", plot.bars("Efficiency: the floor's CPU per delivery / the server's",
                                                        panels))

    def connections(self):
        rows = ["idle", "latency", "latency10k"]
        names = self.present(rows)
        if not names:
            return missing(*rows)
        lines = [["an idle subscribed connection, bytes of user memory",
                  *(plain(median(self.figures("idle", name), "bytes_per_connection")) for name in names)]]
        for row in rows[1:]:
            cells = [f"{ROWS[row].title}: p50 / p99, ms"]
            for name in names:
                figures = self.figures(row, name)
                cells.append(" / ".join(plain(median(figures, q) / 1000) for q in ("p50_us", "p99_us"))
                             if figures else "–")
            lines.append(cells)
        parts = [table(["", *(TARGETS[name].title for name in names)], lines)]
        memory = [(name, TARGETS[name].title, value, f"{plain(value)} B") for name in names
                  if (value := median(self.figures("idle", name), "bytes_per_connection")) and value > 0]
        if memory:
            parts.append(self.picture("memory.svg", plot.bars(
                "User memory of a connection (logarithmic)", [(ROWS["idle"].title, memory)], log=True)))
        panels = []
        for row in rows[1:]:
            for q, title in (("p50_us", "p50"), ("p99_us", "p99")):
                items = [(name, TARGETS[name].title, value / 1000, f"{plain(value / 1000)} ms") for name in names
                         if (value := median(self.figures(row, name), q))]
                if items:
                    panels.append((f"{ROWS[row].title}: {title}", items))
        if panels:
            parts.append(self.picture("latency.svg", plot.bars("From publish to delivery", panels)))
        return "\n\n".join(parts)

    # ---- Parley against itself ----

    def history(self):
        lines = []
        for row in DELIVERIES[:4]:
            off, on = self.figures(row, "parley"), self.figures(row, "parley-kept")
            if off and on:
                lines.append([ROWS[row].title, plain(median(off, "us_per_delivery")),
                              plain(median(on, "us_per_delivery")), f"{median(on, 'times_parley'):.2f}"])
        return (table(["server CPU per delivery, µs", "history off", "history on", "on / off"], lines)
                if lines else missing(*DELIVERIES[:4]))

    def workers(self):
        lines = []
        for row in ("workers", "workers-batched"):
            one, two = self.figures(row, "parley"), self.figures(row, "parley-workers-2")
            if one and two:
                lines.append([ROWS[row].title, *(plain(median(figures, name)) for name in
                                                 ("deliveries_per_s", "us_per_delivery") for figures in (one, two))])
        head = ["", "`workers: 1`, deliveries/s", "`workers: 2`, deliveries/s", "`workers: 1`, CPU per delivery, µs",
                "`workers: 2`, CPU per delivery, µs"]
        return table(head, lines) if lines else missing("workers", "workers-batched")

    def deflate(self):
        lines = []
        for name in ("parley", "ws"):
            off, on = self.figures("deflate", name), self.figures("deflate", f"{name}-deflate")
            if off and on:
                costs = [median(figures, "us_per_delivery") for figures in (off, on)]
                lines.append([TARGETS[name].title, *map(plain, costs), f"{costs[1] / costs[0]:.2f}"])
        return (table(["server CPU per delivery, µs", "plain", "compressed", "compressed / plain"], lines)
                if lines else missing("deflate"))

    def publish(self):
        crowds = self.rows.get("storage", {}).get("crowds")
        parts = [missing("storage")]
        if crowds:
            head = ["publishers", "bare loop, publishes/s", "engine, publishes/s", "ratio", "publishes per commit"]
            parts = [table(head, [[f"{c['publishers']:,.0f}", f"{c['bare_per_s']:,.0f}", f"{c['engine_per_s']:,.0f}",
                                   f"{c['ratio']:.2f}", plain(c["per_commit"])] for c in crowds])]
        daemon = self.figures("publish", "parley-kept")
        if daemon:
            parts.append(f"Through the whole daemon on one core, ten connections with ten publishes under way each: "
                         f"{median(daemon, 'acks_per_s'):,.0f} acknowledged a second, "
                         f"p50 {median(daemon, 'p50_us') / 1000:.2f} ms, p99 {median(daemon, 'p99_us') / 1000:.2f} ms.")
        return "\n\n".join(parts)

    # ---- curves ----

    def curve(self, row, figure, y_title):
        points = self.rows.get(row, {}).get("points")
        if not points:
            return missing(row)
        names = [name for name in ROWS[row].targets if any(name in point["targets"] for point in points)]
        series = [(name.removesuffix("-history"), TARGETS[name].title,
                   [(point["x"], point["targets"][name][figure]["median"]) for point in points
                    if name in point["targets"]]) for name in names]
        title = f"{y_title} {ROWS[row].title}"
        picture = self.picture(f"{row}.svg", plot.lines(title, ROWS[row].x_title, "µs", series))
        head = [ROWS[row].x_title, *(plot.number(point["x"]) for point in points)]
        lines = [[f"{text}, µs", *(plain(dict(values).get(point["x"])) for point in points)]
                 for _, text, values in series]
        return f"{picture}\n\n{table(head, lines)}"

    def growth(self):
        cost = "Server CPU per delivery"
        return "\n\n".join([self.curve("by-subscribers", "us_per_delivery", cost),
                            self.curve("by-channels", "us_per_delivery", cost),
                            self.curve("by-payload", "us_per_delivery", cost),
                            self.curve("by-history", "us_per_publish", "Server CPU per acknowledged publish")])

    def parts(self):
        return {name: getattr(self, name)() for name in
                ("machine", "fanout", "connections", "history", "publish", "workers", "deflate", "growth")}


# ---- for the terminal ----

def in_words(result):
    if result["figure"] == "storage":
        return "\n".join("  " + "  ".join(f"{key} {plain(value)}" for key, value in crowd.items())
                         for crowd in result["crowds"])
    lines = []
    quiet = ("rounds", "times_parley") if "floor" in result["points"][0]["targets"] else ("rounds",)
    for point in result["points"]:
        at = f"{point['x']:>9,} " if len(result["points"]) > 1 else ""
        for target, figures in point["targets"].items():
            shown = "  ".join(f"{key} {plain(value['median'])}" for key, value in figures.items() if key not in quiet)
            lines.append(f"  {at}{TARGETS[target].title:<20} {shown}")
    return "\n".join(lines)
