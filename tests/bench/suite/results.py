"""docs/performance.json: every row as it was measured last, with the machine it was measured on."""
import json
import os
import pathlib
import platform
import re
import subprocess

from process import ROOT
from targets import TARGETS

FILE = ROOT / "docs/performance.json"


def first_line(path, pattern):
    try:
        found = re.search(pattern, pathlib.Path(path).read_text(encoding="utf-8"), re.M)
    except OSError:
        return ""
    return found[1].strip() if found else ""


def commit():
    try:
        done = subprocess.run(["git", "-C", ROOT, "rev-parse", "--short=10", "HEAD"], capture_output=True, text=True,
                              check=False)
    except OSError:
        return ""
    return done.stdout.strip()


def machine():
    memory_kb = int(first_line("/proc/meminfo", r"^MemTotal:\s+(\d+)") or 0)
    return {
        "processor": first_line("/proc/cpuinfo", r"^model name\s*:\s*(.+)") or platform.machine(),
        "architecture": platform.machine(),
        "is_virtual": bool(first_line("/proc/cpuinfo", r"^flags\s*:.*\b(hypervisor)\b")),
        "cores": os.cpu_count(),
        "memory_gib": round(memory_kb / 2**20),
        "kernel": platform.release(),
        "system": first_line("/etc/os-release", r'^PRETTY_NAME="(.+)"'),
    }


def versions(names):
    known = {}
    for name in names:
        version = TARGETS[name].version and TARGETS[name].version()
        if version:
            known[name] = version
    return known


def read(path=FILE):
    try:
        return json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {"rows": {}}


def rounded(value):
    """Five digits are more than repeats."""
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [rounded(item) for item in value]
    return value


def write(results, path=FILE):
    temporary = pathlib.Path(f"{path}.new")
    temporary.write_text(json.dumps(rounded(results), indent=1, sort_keys=True) + "\n", encoding="utf-8")
    temporary.replace(path)


def targets_of(result):
    """The figures of a row that is no curve."""
    return result["points"][0]["targets"] if result.get("points") else {}
