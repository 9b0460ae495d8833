"""Loads, each put on every way, in runs: the ways next to each other in time, in an order that rotates."""
import dataclasses
import json
import os
import statistics
import subprocess

from lib import ways as all_ways

KB = 1 << 10
P999_SAMPLES = 1000  # with fewer there is no p99.9
IDLE_CONNECTIONS = 128
SMOKE = 200           # such a share of the work shows that it works, and nothing else


@dataclasses.dataclass
class Load:
    name: str
    title: str
    count: int           # requests, or as many as go into the seconds
    body: int = KB
    connections: int = 1
    seconds: float = 0.7
    anew: bool = False
    stamped: str = ""    # COUNT,FIRST_US,PACE_US
    warm: int = 200      # requests, over all connections
    turns: int = 1       # of each way in a run, one after the other: short ones, of which a machine's mood spoils few

    def paced(self):
        return self.stamped and not self.stamped.startswith("1,")

    def arguments(self, scale):
        warm = max(1, self.warm // scale // self.connections)
        # a stream takes the time that it takes: fewer of them
        count = max(self.connections if self.paced() else 20, self.count // scale)
        found = ["--body", self.body, "--connections", self.connections, "--warm", warm, "--count", count]
        if not self.paced() and scale < SMOKE:  # for which a slow machine is no reason to count less
            found += ["--seconds", max(0.1, self.seconds / scale)]
        if self.anew:
            found.append("--anew")
        if self.stamped:
            found += ["--stamped", self.stamped]
        return list(map(str, found))


def kept(size, title, connections, count, turns=1):
    plural = "s" if connections > 1 else ""
    return Load(f"{title.replace(' ', '')}x{connections}", f"{title}, {connections} connection{plural}", count // turns,
                size, connections, seconds=0.8 / turns, warm=min(200, count // 20), turns=turns)


# What a model takes at least before its first event, and 4,000 a second: far faster than any model, so
# that what is between counts.
FIRST_US = 10000
PACE_US = 250
PACE_EIGHT_US = 1000

LOADS = [
    *(kept(size, title, connections, count, turns=4 if connections < 32 else 1)
      for size, title, count in ((KB, "1 KB", 40000), (16 * KB, "16 KB", 6000), (256 * KB, "256 KB", 1000))
      for connections in (1, 8, 32)),
    *(kept(2048 * KB, "2 MB", connections, 150) for connections in (1, 8)),
    Load("anew", "1 KB, a new connection each", 400, anew=True, warm=20),
    Load("anewx8", "1 KB, a new connection each, 8 at a time", 800, connections=8, anew=True, warm=40),
    Load("first", "streams of one event, at once", 4000, stamped="1,0,0", warm=100),
    Load("events200", "streams of 200 events", 3, stamped=f"200,{FIRST_US},{PACE_US}", warm=1, turns=6),
    Load("events200x8", "streams of 200 events, 8 connections", 24, connections=8,
         stamped=f"200,{FIRST_US},{PACE_EIGHT_US}", warm=8),
    Load("events1000", "streams of 1,000 events", 1, stamped=f"1000,{FIRST_US},{PACE_US}", warm=1, turns=6),
]


class Failed(Exception):
    pass


ALL_PROCESSORS = os.sched_getaffinity(0)
ONE_PROCESSOR = {max(ALL_PROCESSORS)}


def measure(way, arguments, processors=ALL_PROCESSORS):
    """One run of the load generator, and what the gateway took meanwhile."""
    way.forget()
    os.sync()  # what others have left to be written or freed is not this one's to wait for
    all_ways.pin(way, processors)
    all_ways.forget_peaks(way)
    cpu_before, _ = all_ways.usage(way)
    done = subprocess.run([way.place.bin / "load_bench", *way.arguments(), *arguments], env=way.environment(),
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        raise Failed(f"{way.title}: load_bench {' '.join(arguments)}: {done.stderr.strip()}")
    told = json.loads(done.stdout)
    cpu_after, gateway_kb = all_ways.usage(way)
    cpu = told["cpu_s"] / told["requests"] + (cpu_after - cpu_before) / told["requests_all"]
    told["cpu_s_per_10000"] = cpu * 10000
    told["peak_mb"] = (told["peak_kb"] + gateway_kb) / 1024
    if told["requests"] < P999_SAMPLES:
        told.pop("p999_us")
    if told["events"] < P999_SAMPLES:
        told.pop("lag_p999_us", None)
    return told


def warm(way, scale):
    """Node.js and Python compile, caches fill: before anything counts."""
    if way.peer:
        measure(way, ["--connections", "4", "--count", str(max(20, 4000 // scale)), "--seconds", "3"])


class Figures:
    """figures[load name, way name]: one dictionary of each run."""

    def __init__(self):
        self.runs = {}

    def put(self, load, way, told):
        self.runs.setdefault((load, way), []).append(told)

    def has(self, load, way):
        return any(self.runs.get((load, way), []))

    def failures(self, load, way):
        return sum(not run for run in self.runs.get((load, way), []))

    def each(self, load, way, key):
        return [run[key] for run in self.runs.get((load, way), []) if key in run]

    def direct(self, load, key):
        """Of each run: the mean of the two rows that go straight to the provider."""
        return [(a + b) / 2 for a, b in zip(self.each(load, "direct", key), self.each(load, "again", key))]

    def beside_direct(self, load, way, key):
        """[(figure, direct's in the same run)]"""
        return [(run[key], base) for run, base in zip(self.runs.get((load, way), []), self.direct(load, key))
                if key in run]

    def over_direct(self, load, way, key):
        return [value - base for value, base in self.beside_direct(load, way, key)]

    def of_direct(self, load, way, key):
        return [value / base for value, base in self.beside_direct(load, way, key)]

    def noise(self, load, key):
        """The most that two rows that do the same were apart."""
        return max(abs(b - a) for a, b in zip(self.each(load, "direct", key), self.each(load, "again", key)))

    def as_json(self):
        """[median, least, most] of the runs."""
        found = []
        for (load, way), runs in self.runs.items():
            keys = [key for key in max(runs, key=len) if key not in ("cpu_s", "requests_all")]
            found.append({"load": load, "way": way, "failed": self.failures(load, way)} | {
                key: [round(what(values), 3) for what in (statistics.median, min, max)]
                for key in keys if (values := [run[key] for run in runs if key in run])})
        return found


def rotated(items, by):
    by %= len(items)
    return items[by:] + items[:by]


def measure_or_tell(way, load, scale, say):
    """That a gateway fails is a result, and {}; of ours it is the end."""
    try:
        # with one connection everybody waits for the other: on one processor without having to wake one
        return measure(way, load.arguments(scale), ALL_PROCESSORS if load.connections > 1 else ONE_PROCESSOR)
    except Failed as failed:
        if not way.peer:
            raise SystemExit(str(failed)) from None
        say(str(failed), True)
        return {}


def of_turns(told):
    """The figures of a run: the median of its turns; none when the gateway failed in one of them."""
    if not all(told):
        return {}
    return {key: statistics.median(each[key] for each in told) for key in told[0] if all(key in each for each in told)}


def run_loads(ways, loads, runs, scale, say):
    figures = Figures()
    for run in range(runs):
        for at, load in enumerate(loads):
            say(f"run {run + 1} of {runs}: {load.title}")
            told = {way.name: [] for way in ways}
            for turn in range(max(1, load.turns // scale)):
                for way in rotated(ways, run + at + turn):
                    told[way.name].append(measure_or_tell(way, load, scale, say))
            for name, turns in told.items():
                figures.put(load.name, name, of_turns(turns))
    return figures


def idle_memory(ways, runs, scale, say):
    """{way name: kB for each connection that has made calls and is idle}, one value of each run."""
    found = {}
    for run in range(runs):
        say(f"run {run + 1} of {runs}: memory of idle connections")
        for way in rotated(ways, run):
            kb = [measure(way, ["--threads", "1", "--connections", str(count), "--body", str(16 * KB), "--warm", "3",
                                "--count", str(2 * count)])["idle_kb"] for count in (1, 1 + IDLE_CONNECTIONS)]
            found.setdefault(way.name, []).append((kb[1] - kb[0]) / IDLE_CONNECTIONS)
    return found
