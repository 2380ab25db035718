"""Small SVG charts, legible on light and dark pages: lines over a logarithmic axis, and panels of bars."""
import html
import math

# Told apart by people who see colours differently, too; lines have markers besides.
COLOURS = {
    "parley": ("#0b62d6", "#6cb1ff"),
    "parley-kept": ("#7b3fc4", "#c39bff"),
    "floor": ("#6b7280", "#a3acb9"),
    "ws": ("#1a7f37", "#57c774"),
    "socket.io": ("#8a6100", "#e0b341"),
    "nats": ("#00808a", "#4fd0d8"),
    "nchan": ("#b3261e", "#ff8a80"),
    "mosquitto": ("#a02c78", "#f291cf"),
    "redis": ("#c2510a", "#ff9e57"),
}
OTHER = ("#334155", "#cbd5e1")

FONT = 12


def name_of(series):
    return "s-" + series.replace(".", "-")


def style(series):
    def rules(mode):
        text, faint, page = (("#1f2328", "#d0d7de", "#ffffff"), ("#e6edf3", "#3d444d", "#0d1117"))[mode]
        rules = [f"text{{fill:{text}}}.axis{{stroke:{faint}}}.page{{fill:{page}}}"]
        for one in series:
            colour = COLOURS.get(one, OTHER)[mode]
            rules.append(f".{name_of(one)}{{fill:{colour};stroke:{colour}}}")
        return "".join(rules)

    return (f"<style>text{{font:{FONT}px system-ui,sans-serif;stroke:none}}.line{{fill:none;stroke-width:2}}"
            f"{rules(0)}@media(prefers-color-scheme:dark){{{rules(1)}}}.line{{fill:none}}</style>")


def svg(width, height, title, series, parts):
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" aria-label="{html.escape(title)}">',
        f"<title>{html.escape(title)}</title>", style(series),
        f'<rect class="page" width="{width}" height="{height}" rx="6"/>', *parts, "</svg>", ""])


def label(x, y, text, anchor="start", weight=""):
    bold = f' font-weight="{weight}"' if weight else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{bold}>{html.escape(text)}</text>'


def rule(x1, y1, x2, y2):
    return f'<line class="axis" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def number(v):
    if v == 0:
        return "0"
    if v >= 1e6:
        return f"{v / 1e6:g} M"
    if v >= 100:
        return f"{v:,.0f}"
    return f"{v:.3g}"


def nice_step(top, steps=5):
    raw = top / steps
    unit = 10 ** math.floor(math.log10(raw))
    return next(unit * m for m in (1, 2, 2.5, 5, 10) if unit * m >= raw)


# ---- lines ----

MARKERS = ("circle", "square", "diamond", "triangle")


def marker(kind, x, y, css):
    if kind == "circle":
        return f'<circle class="{css}" cx="{x:.1f}" cy="{y:.1f}" r="4"/>'
    shape = {"square": ((-4, -4), (4, -4), (4, 4), (-4, 4)), "diamond": ((0, -5), (5, 0), (0, 5), (-5, 0)),
             "triangle": ((0, -5), (5, 4), (-5, 4))}[kind]
    points = " ".join(f"{x + dx:.1f},{y + dy:.1f}" for dx, dy in shape)
    return f'<polygon class="{css}" points="{points}"/>'


def lines(title, x_title, y_title, series):
    """series: [(name, title, [(x, y)])]; x is on a logarithmic axis, on which 0 has a place of its own."""
    width, height, left, right, top, bottom = 720, 340, 62, 34, 66, 50
    xs = sorted({x for _, _, points in series for x, _ in points})
    step = nice_step(max(y for _, _, points in series for _, y in points))
    top_y = step * math.ceil(max(y for _, _, points in series for _, y in points) / step)
    positive = [math.log10(x) for x in xs if x > 0]
    low, high = min(positive), max(positive)
    if 0 in xs:
        low -= 1
    span = (high - low) or 1

    def px(x):
        return left + ((math.log10(x) if x > 0 else low) - low) / span * (width - left - right)

    def py(y):
        return height - bottom - y / top_y * (height - top - bottom)

    parts = [label(left - 46, 24, title, weight="600")]
    at = left
    for i, (name, text, _) in enumerate(series):
        parts += [marker(MARKERS[i % 4], at + 4, 43, name_of(name)), label(at + 14, 47, text)]
        at += 30 + 7 * len(text)
    parts.append(label(width - right, 47, y_title, "end"))
    for i in range(round(top_y / step) + 1):
        parts += [rule(left, py(i * step), width - right, py(i * step)),
                  label(left - 8, py(i * step) + 4, number(i * step), "end")]
    for x in xs:
        parts += [rule(px(x), height - bottom, px(x), height - bottom + 5),
                  label(px(x), height - bottom + 19, number(x), "middle")]
    parts.append(label((left + width - right) / 2, height - 10, x_title, "middle"))
    for i, (name, _, points) in enumerate(series):
        path = " ".join(f"{px(x):.1f},{py(y):.1f}" for x, y in points)
        parts.append(f'<polyline class="{name_of(name)} line" points="{path}"/>')
        parts += [marker(MARKERS[i % 4], px(x), py(y), name_of(name)) for x, y in points]
    return svg(width, height, title, [name for name, _, _ in series], parts)


# ---- bars ----

def bars(title, panels, log=False):
    """panels: [(title, [(name, title, value, text)])], one below the other, each with a scale of its own."""
    width, left, right, bar, gap, head = 720, 150, 110, 18, 5, 34
    parts, series, y = [label(16, 24, title, weight="600")], [], 36
    for panel, items in panels:
        y += head
        parts.append(label(16, y - 10, panel))
        top = max(value for _, _, value, _ in items)
        bottom = min(value for _, _, value, _ in items)
        for name, text, value, shown in items:
            share = value / top if top > 0 else 0
            if log and bottom > 0 and top > bottom:  # the smallest has a tenth
                share = 0.1 + 0.9 * math.log(value / bottom) / math.log(top / bottom)
            long = max(share, 0.002) * (width - left - right)
            series.append(name)
            parts += [label(left - 8, y + bar - 5, text, "end"),
                      f'<rect class="{name_of(name)}" x="{left}" y="{y}" width="{long:.1f}" height="{bar}"/>',
                      label(left + long + 8, y + bar - 5, shown)]
            y += bar + gap
    return svg(width, y + 12, title, list(dict.fromkeys(series)), parts)
