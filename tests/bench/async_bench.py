#!/usr/bin/env python3
"""Sets the costs of async/'s primitives beside those of asyncio's counterparts on this machine.

usage: async_bench.py build/release/bin/async_bench [ROUNDS]

Ours are measured by that program; asyncio's here, on its own loop (the machine has no uvloop from Debian's
packages: `apt install python3-uvloop` adds its column). Medians of ROUNDS (default 5), nanoseconds of CPU time each.
"""
import asyncio
import statistics
import subprocess
import sys
import time

try:
    import uvloop
except ImportError:
    uvloop = None


async def do_nothing():
    pass


async def yields(count):
    for _ in range(count):
        await asyncio.sleep(0)


async def bench_yield(count):
    await asyncio.gather(yields(count // 2), yields(count // 2))


async def bench_spawn_and_join(count):
    for _ in range(count):
        await asyncio.create_task(do_nothing())


async def bench_spawn_in_group(count):
    for _ in range(count // 100):
        async with asyncio.TaskGroup() as group:
            for _ in range(100):
                group.create_task(do_nothing())


async def bench_queue(count, size):
    queue = asyncio.Queue(size)

    async def puts():
        for i in range(count):
            await queue.put(i)

    async def gets():
        for _ in range(count):
            await queue.get()

    await asyncio.gather(puts(), gets())


async def bench_futures(count):
    loop = asyncio.get_running_loop()

    async def resolve(future):
        future.set_result(1)

    for _ in range(count):
        future = loop.create_future()
        task = asyncio.create_task(resolve(future))
        await future
        await task


async def bench_semaphores(count):
    semaphore = asyncio.Semaphore(1)
    for _ in range(count):
        await semaphore.acquire()
        semaphore.release()


async def bench_timers(count, others):
    loop = asyncio.get_running_loop()
    many = [loop.call_later(1000 + i * 7919 % 100000 / 1000, int) for i in range(others)]
    for i in range(count):
        loop.call_later(1000 + i * 7919 % 100000 / 1000, int).cancel()
        if i % 100 == 0:
            await asyncio.sleep(0)  # asyncio sweeps cancelled timers in a turn of its loop
    for timer in many:
        timer.cancel()


async def bench_deadlines(count):
    for _ in range(count):
        async with asyncio.timeout(60):
            await asyncio.sleep(0)


# The name async_bench prints: what does the same in asyncio, and how often.
COUNTERPARTS = {
    "yield": (bench_yield, 100_000),
    "spawn + run + join": (bench_spawn_and_join, 30_000),
    "spawn + run in a group": (bench_spawn_in_group, 30_000),
    "queue put + get, size 1": (lambda n: bench_queue(n, 1), 30_000),
    "queue put + get, size 100": (lambda n: bench_queue(n, 100), 100_000),
    "future: spawn, resolve, wait": (bench_futures, 30_000),
    "semaphore acquire + release": (bench_semaphores, 100_000),
    "timer set + clear": (lambda n: bench_timers(n, 0), 50_000),
    "timer set + clear among 10,000": (lambda n: bench_timers(n, 10_000), 50_000),
    "deadline + yield": (bench_deadlines, 30_000),
}


def measure(make_loop, function, count, rounds):
    results = []
    for _ in range(rounds):
        loop = make_loop()
        began = time.process_time_ns()
        loop.run_until_complete(function(count))
        results.append((time.process_time_ns() - began) / count)
        loop.close()
    return statistics.median(results)


def main(argv):
    if len(argv) not in (2, 3):
        sys.exit(__doc__)
    rounds = int(argv[2]) if len(argv) == 3 else 5
    ours = subprocess.run([argv[1], str(rounds)], check=True, capture_output=True, text=True)
    print(f"{'ns each':<32}{'async/':>10}{'asyncio':>10}{'uvloop':>10}")
    for line in ours.stdout.splitlines():
        name, ns = line[:32].strip(), float(line[32:])
        columns = ["-", "-"]
        if name in COUNTERPARTS:
            function, count = COUNTERPARTS[name]
            columns[0] = f"{measure(asyncio.new_event_loop, function, count, rounds):.0f}"
            if uvloop:
                columns[1] = f"{measure(uvloop.new_event_loop, function, count, rounds):.0f}"
        print(f"{name:<32}{ns:>10.1f}{columns[0]:>10}{columns[1]:>10}", flush=True)


if __name__ == "__main__":
    main(sys.argv)
