"""What is small enough to be timed by itself: one call, one event, a start, a decision, limits, keys."""
import json
import os
import pathlib
import statistics
import subprocess
import tempfile

from lib import place
from lib.load import ALL_PROCESSORS, ONE_PROCESSOR, rotated
from lib.place import GOVERNED, NOT_GOVERNED


class Small:
    """Each by itself, in turns: without the shim, without it again, with it, in an order that rotates. How far the
    two without are apart is noise: what is not governed has to stay within that or `limit`, whichever is more."""

    def __init__(self, place, turns, scale, say):
        self.place, self.turns, self.scale, self.say = place, turns, scale, say
        self.rows = []

    def environment(self, shim):
        return self.place.with_shim() if shim else self.place.environment

    def told(self, program, *what, shim=False, processors=ALL_PROCESSORS):
        done = subprocess.run([self.place.bin / program, *map(str, what)], env=self.environment(shim),
                              stdout=subprocess.PIPE, check=True,
                              preexec_fn=lambda: os.sched_setaffinity(0, processors))
        if shim:
            self.place.forget_log()
        return json.loads(done.stdout)

    def measured(self, program, *what):
        """[(without, again, with)], one of each turn. Program and provider on one processor: none has to be woken."""
        place.pin(self.place.provider.pid, ONE_PROCESSOR)
        self.told(program, *what)
        self.told(program, *what, shim=True)
        found = []
        for turn in range(self.turns):
            told = [None, None, None]
            for at in rotated([0, 1, 2], turn):
                told[at] = self.told(program, *what, shim=at == 2, processors=ONE_PROCESSOR)
            found.append(tuple(told))
        return found

    # ---- rows ----

    def row(self, what, unit, without, with_shim, figure, limit, spread="", good=None):
        self.rows.append({"what": what, "unit": unit, "without": without, "with": with_shim, "figure": figure,
                          "limit": limit, "spread": spread, "good": good})

    def compared(self, title, turns, key, unit, compare):
        """(what `compare` finds between with and without, what between without and without: the median of how far
        the two were apart), and the row's first fields."""
        values = [[told[key] for told in turn] for turn in turns]
        found = [compare(with_shim, (without + again) / 2) for without, again, with_shim in values]
        noise = statistics.median(abs(compare(again, without)) for without, again, _ in values)
        without = statistics.median((without + again) / 2 for without, again, _ in values)
        return found, noise, (title, unit, without, statistics.median(each[2] for each in values))

    def share(self, title, turns, key, unit, limit, higher_is_better=True):
        """`limit`: the share that it may be worse."""
        def worse(value, base):
            return 1 - value / base if higher_is_better else value / base - 1

        found, noise, start = self.compared(title, turns, key, unit, worse)
        allowed, figure = max(limit, noise), statistics.median(found)
        self.row(*start, f"{100 * figure:+.1f} %", f"<= +{100 * allowed:.1f} %",
                 f"{100 * min(found):+.1f} to {100 * max(found):+.1f}", figure <= allowed)

    def delta(self, title, turns, key, limit, unit, noisy=False):
        found, noise, start = self.compared(title, turns, key, unit, lambda value, base: value - base)
        allowed = max(limit, noise) if noisy else limit
        figure = statistics.median(found)
        self.row(*start, f"{figure:+.1f} {unit}", f"<= +{allowed:,.{0 if allowed >= 100 else 1}f}" if limit else "",
                 f"{min(found):+.1f} to {max(found):+.1f}", figure <= allowed if limit else None)

    def alone(self, title, us, limit=None, spread=""):
        """Something that does not happen without aigw."""
        self.row(title, "µs", 0, us, f"+{us:.1f} µs", f"<= +{limit}" if limit else "", spread,
                 us <= limit if limit else None)

    # ---- what is measured ----

    def not_governed(self):
        size = (96 << 20) // self.scale
        tls = ("tls_bench", self.place.port, NOT_GOVERNED)
        down = self.measured(*tls, "download", size)
        up = self.measured(*tls, "upload", size)
        small = self.measured(*tls, "small", 150000 // self.scale)
        self.share("not governed: download, 16 KB reads", down, "mb_per_s", "MB/s", 0.01)
        self.share("not governed: upload, 16 KB writes", up, "mb_per_s", "MB/s", 0.01)
        self.share("  the same in CPU time, download", down, "cpu_ms", "ms of CPU", 0.01, False)
        self.share("  the same in CPU time, upload", up, "cpu_ms", "ms of CPU", 0.01, False)
        self.share("  CPU time of a 64-byte write", small, "cpu_ns_per_write", "ns", 0.01, False)

    def one_call(self):
        for call, title in (("write", "write() to a file"), ("socket", "send() and recv() on a used socket"),
                            ("ssl_read", "SSL_read, not governed"), ("ssl_write", "SSL_write, not governed"),
                            ("bio_write", "BIO_write to memory")):
            self.delta(f"one call: {title}", self.measured("call_bench", call, (3 << 18) // self.scale), "ns", 10, "ns",
                       noisy=True)

    def events(self):
        # An event that has arrived: what its SSL_read takes longer is what it comes later.
        events = self.measured("tls_bench", self.place.port, GOVERNED, "events", 1000, max(1, 8 // self.scale))
        self.delta("governed: SSL_read of an event of 1,000, p50", events, "p50_us", 1, "µs")
        self.delta("governed: SSL_read of an event of 1,000, p99", events, "p99_us", None, "µs")

    def decision(self):
        for body in ("text", "messages"):
            found = [self.told("scan_bench", body, max(2, 160 // self.scale))["us"] for _ in range(self.turns)]
            self.alone(f"1 MB body read for its decision: {body}", statistics.median(found), 1000,
                       f"{min(found):.1f} to {max(found):.1f}")

    def limits(self):
        """Taking from the limits and settling, without and with a limit on what is under way."""
        found = []
        for _ in range(self.turns):
            done = subprocess.run([self.place.bin / "limits-hammer", "-t", self.place.place / "limits",
                                   str(1600 // self.scale)], stdout=subprocess.PIPE, check=True)
            found.append(sorted(float(line.split()[0]) for line in done.stdout.splitlines()))
        for at, title in enumerate(("limits: taken and settled", "  the same, requests under way too")):
            each = [one[at] for one in found]
            self.alone(title, statistics.median(each), None, f"{min(each):.1f} to {max(each):.1f}")

    def keys(self):
        """Until a gateway key is judged and the provider's key is there."""
        with tempfile.TemporaryDirectory(prefix="aigw-keys-") as directory:
            found = self.told("keys_bench", self.place.build / "aigwd", directory)
        self.alone("a key from the store, 4,096 keys, p50", found["file_p50_us"], 100)
        self.alone("a key from the key holder, p50", found["holder_p50_us"], 100, f"p99 {found['holder_p99_us']:.1f}")

    def start(self):
        for program in ("/bin/true", "/usr/bin/openssl version"):
            found = [self.told("start_bench", max(20, 100 // self.scale), self.place.shim, *program.split())
                     for _ in range(self.turns)]
            without, with_shim, delta = ([each[key] for each in found] for key in ("without_us", "with_us", "delta_us"))
            figure = statistics.median(delta)
            self.row(f"process start: {program}", "µs", statistics.median(without), statistics.median(with_shim),
                     f"{figure:+.1f} µs", "<= +200", f"{min(delta):+.1f} to {max(delta):+.1f}", figure <= 200)

    def resident_kb(self, shim, program):
        """Of a program that waits for input and has answered once, so is past its start."""
        with subprocess.Popen(program, env=self.environment(shim), stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE) as child:
            child.stdin.write(b"x\n")
            child.stdin.flush()
            child.stdout.read(1)
            found = {}
            for file in ("status", "smaps_rollup"):
                for line in pathlib.Path(f"/proc/{child.pid}/{file}").read_text().splitlines():
                    words = line.split()
                    if words[0] in ("VmRSS:", "Private_Dirty:"):
                        found[words[0][:-1]] = int(words[1])
            child.stdin.close()
            child.stdout.read()
        return found

    def resident(self):
        python = "import sys, ssl; print(sys.stdin.readline(), flush=True); sys.stdin.read()"
        for title, program in (("cat", ["/bin/cat"]), ("python3", ["/usr/bin/python3", "-c", python])):
            found = [[self.resident_kb(shim, program) for shim in (False, False, True)]
                     for _ in range(min(5, self.turns))]
            self.delta(f"resident memory: {title}, VmRSS", found, "VmRSS", 1024, "kB")
            self.delta(f"resident memory: {title}, of it private and dirty", found, "Private_Dirty", None, "kB")

    def measure(self):
        for what, measured in (("a host that is not governed", self.not_governed), ("one call", self.one_call),
                               ("events", self.events), ("decisions", self.decision), ("limits", self.limits),
                               ("keys", self.keys), ("process start", self.start), ("resident memory", self.resident)):
            self.say(f"small: {what}")
            measured()
        return self.rows
