"""What ./bench runs once everything is installed and built; ./bench --help says how."""
import argparse
import signal
import sys
import time

import document
import measure
import results
import storage
import tables
from process import DESCRIPTORS_MIN, ROOT, Failure, cores, raise_descriptor_limit
from rows import ROWS, select_targets
from targets import PEERS, TARGETS

ROUNDS, SECONDS = 5, 0.8
EPILOG = """rows:
""" + "\n".join(f"  {row.name:<16} {row.title}" for row in ROWS.values())


def names_of(text, known, what):
    names = [name for name in text.split(",") if name]
    unknown = [name for name in names if name not in known]
    if unknown:
        sys.exit(f"bench: no such {what}: {', '.join(unknown)}; there are {', '.join(known)}")
    return names


def arguments():
    parser = argparse.ArgumentParser(
        prog="./bench", formatter_class=argparse.RawDescriptionHelpFormatter, epilog=EPILOG,
        description="Measures Parley against the floor and peers, in turn, and writes docs/performance.md.")
    parser.add_argument("--rounds", type=int, metavar="N", help=f"of each row; default {ROUNDS}")
    parser.add_argument("--seconds", type=float, metavar="S", help=f"of each measurement; default {SECONDS:g}")
    parser.add_argument("--only", metavar="ROW,...", help="these rows; the others stay as they were measured last")
    parser.add_argument("--peers", metavar="NAME,...",
                        help=f"of {', '.join(PEERS)}; or none; default: all there are")
    parser.add_argument("--quick", action="store_true", help="one round of each: whether everything works")
    parser.add_argument("--no-docs", action="store_true", help="only print")
    parser.add_argument("--json", metavar="FILE", help="also write these results there")
    parser.add_argument("--render", action="store_true",
                        help="measure nothing; write docs/performance.md again from docs/performance.json")
    parser.add_argument("--check", action="store_true",
                        help="measure and write nothing; end with 1 if --render would change something")
    a = parser.parse_args()
    a.rounds = a.rounds if a.rounds is not None else 1 if a.quick else ROUNDS
    a.seconds = a.seconds if a.seconds is not None else SECONDS
    if a.rounds < 1 or not 0.1 <= a.seconds <= 60:
        parser.error("--rounds is at least 1, --seconds from 0.1 to 60")
    a.rows = names_of(a.only, ROWS, "row") if a.only else list(ROWS)
    a.peers = PEERS if a.peers is None else [] if a.peers == "none" else names_of(a.peers, PEERS, "peer")
    return a


def there(peers):
    """Those that are installed; says which are not."""
    found = [name for name in peers if TARGETS[name].version()]
    for name in peers:
        if name not in found:
            measure.say(f"{TARGETS[name].title} is not installed: left out")
    return found


def measure_row(row, a, peers):
    if row.figure == "storage":
        return storage.measure(row, a.rounds, a.seconds), []
    names = select_targets(row, peers)
    return measure.measure(row, names, a.rounds, a.seconds), names


def measure_all(a, peers, keep):
    """Returns whether all that is ours was measured. keep(name, result): after each row."""
    is_whole = True
    machine, commit = results.machine(), results.commit()
    for name in a.rows:
        row, began = ROWS[name], time.monotonic()
        try:
            result, names = measure_row(row, a, peers)
        except Failure as failure:
            measure.say(f"{name}: FAILED: {failure}")
            is_whole = False
            continue
        result.update(machine=machine, commit=commit, versions=results.versions(["parley", *names]))
        keep(name, result)
        measure.say(f"{name}: {time.monotonic() - began:.0f} s")
        print(tables.in_words(result), flush=True)
    return is_whole


def check():
    stale = document.check(results.read())
    for path in stale:
        print(f"{path.relative_to(ROOT)}: is not as docs/performance.json says; ./bench --render writes it")
    return 1 if stale else 0


def main():
    a = arguments()
    if a.check:
        return check()
    everything, measured = results.read(), {"rows": {}}
    if a.render:
        document.write(everything)
        return 0

    def keep(name, result):
        """Row by row, so that a run that is broken off has not been for nothing."""
        measured["rows"][name] = everything["rows"][name] = result
        if a.json:
            results.write(measured, a.json)
        if not a.no_docs:
            results.write(everything)
            document.write(results.read())

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if not raise_descriptor_limit():
        measure.say(f"ulimit -Hn is below {DESCRIPTORS_MIN}: rows with 10,000 connections will fail")
    cores()
    return 0 if measure_all(a, there(a.peers), keep) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failure as failure:
        sys.exit(f"bench: {failure}")
    except KeyboardInterrupt:
        sys.exit(130)
