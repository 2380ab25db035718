"""The row of storage_bench, which compares for itself: durable publishes against a bare loop of the same statements."""
import datetime
import subprocess
import tempfile

from process import BIN, Failure, cores, workspace

LIMIT_S = 600
MS_PER_SECOND = 400  # of --seconds
COLUMNS = ("publishers", "bare_per_s", "engine_per_s", "ratio", "per_commit")


def parse(text):
    """The first table; the second is about other kinds of publishes."""
    lines = []
    for line in text.splitlines()[1:]:
        if not line.strip():
            break
        lines.append(dict(zip(COLUMNS, map(float, line.split()))))
    if not lines or any(len(line) != len(COLUMNS) for line in lines):
        raise Failure(f"storage_bench said: {text[:300]}")
    return lines


def measure(row, rounds, seconds):
    ms = max(1, int(seconds * MS_PER_SECOND))
    with tempfile.TemporaryDirectory(dir=workspace().name) as folder:
        try:
            done = subprocess.run(["taskset", "-c", ",".join(map(str, cores())), BIN / "storage_bench", folder,
                                   str(rounds), str(ms)], capture_output=True, text=True, check=False, timeout=LIMIT_S)
        except subprocess.TimeoutExpired as slow:
            raise Failure(f"storage_bench: no end after {LIMIT_S} s") from slow
    if done.returncode:
        raise Failure(done.stderr.strip() or f"storage_bench ended with {done.returncode}")
    return {"title": row.title, "figure": row.figure, "date": datetime.date.today().isoformat(), "rounds": rounds,
            "seconds": ms / 1000, "crowds": parse(done.stdout), "left_out": {}}
