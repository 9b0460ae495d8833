"""What is small enough to be timed by itself: one call, one event, a start, a decision, limits, keys."""
import json
import pathlib
import statistics
import subprocess
import tempfile

from lib.place import GOVERNED, NOT_GOVERNED


class Small:
    """Pairs with and without the shim, next to each other in time, which of them comes first alternating."""

    def __init__(self, place, pairs, scale, say):
        self.place, self.pair_count, self.scale, self.say = place, pairs, scale, say
        self.rows = []

    def environment(self, shim):
        return self.place.with_shim() if shim else self.place.environment

    def told(self, program, *what, shim=False):
        done = subprocess.run([self.place.bin / program, *map(str, what)], env=self.environment(shim),
                              stdout=subprocess.PIPE, check=True)
        if shim:
            self.place.forget_log()
        return json.loads(done.stdout)

    def pairs(self, program, *what):
        """[(without, with)]."""
        self.told(program, *what)
        self.told(program, *what, shim=True)
        found = []
        for i in range(self.pair_count):
            first = self.told(program, *what, shim=bool(i % 2))
            second = self.told(program, *what, shim=not i % 2)
            found.append((second, first) if i % 2 else (first, second))
        return found

    # ---- rows ----

    def row(self, what, unit, without, with_shim, figure, limit, spread="", good=None):
        self.rows.append({"what": what, "unit": unit, "without": without, "with": with_shim, "figure": figure,
                          "limit": limit, "spread": spread, "good": good})

    def ratio(self, title, pairs, key, unit, limit, higher_is_better=True):
        ratios = [b[key] / a[key] for a, b in pairs]
        ratio = statistics.median(ratios)
        good = ratio >= limit if higher_is_better else ratio <= limit
        self.row(title, unit, statistics.median(a[key] for a, _ in pairs), statistics.median(b[key] for _, b in pairs),
                 f"x {ratio:.3f}", f"{'>=' if higher_is_better else '<='} {limit:.2f}",
                 f"{min(ratios):.3f} to {max(ratios):.3f}", good)

    def delta(self, title, pairs, key, limit, unit):
        deltas = [b[key] - a[key] for a, b in pairs]
        delta = statistics.median(deltas)
        self.row(title, unit, statistics.median(a[key] for a, _ in pairs), statistics.median(b[key] for _, b in pairs),
                 f"{delta:+.1f} {unit}", f"<= +{limit}" if limit else "", f"{min(deltas):+.1f} to {max(deltas):+.1f}",
                 delta <= limit if limit else None)

    def alone(self, title, us, limit=None, spread=""):
        """Something that does not happen without aigw."""
        self.row(title, "µs", 0, us, f"+{us:.1f} µs", f"<= +{limit}" if limit else "", spread,
                 us <= limit if limit else None)

    # ---- what is measured ----

    def not_governed(self):
        size = (256 << 20) // self.scale
        tls = ("tls_bench", self.place.port, NOT_GOVERNED)
        down = self.pairs(*tls, "download", size)
        up = self.pairs(*tls, "upload", size)
        small = self.pairs(*tls, "small", 400000 // self.scale)
        self.ratio("not governed: download, 16 KB reads", down, "mb_per_s", "MB/s", 0.99)
        self.ratio("not governed: upload, 16 KB writes", up, "mb_per_s", "MB/s", 0.99)
        self.ratio("  the same in CPU time, download", down, "cpu_ms", "ms of CPU", 1.01, False)
        self.ratio("  the same in CPU time, upload", up, "cpu_ms", "ms of CPU", 1.01, False)
        self.ratio("not governed: 64-byte writes", small, "ns_per_write", "ns a write", 1.01, False)

    def one_call(self):
        for call, title in (("write", "write() to a file"), ("socket", "send() and recv() on a used socket"),
                            ("ssl_read", "SSL_read, not governed"), ("ssl_write", "SSL_write, not governed"),
                            ("bio_write", "BIO_write to memory")):
            self.delta(f"one call: {title}", self.pairs("call_bench", call, (1 << 21) // self.scale), "ns", 10, "ns")

    def events(self):
        # An event that has arrived: what its SSL_read takes longer is what it comes later.
        events = self.pairs("tls_bench", self.place.port, GOVERNED, "events", 1000, 20 // self.scale)
        self.delta("governed: SSL_read of an event of 1,000, p50", events, "p50_us", 1, "µs")
        self.delta("governed: SSL_read of an event of 1,000, p99", events, "p99_us", None, "µs")

    def decision(self):
        for body in ("text", "messages"):
            found = [self.told("scan_bench", body, 500 // self.scale)["us"] for _ in range(self.pair_count)]
            self.alone(f"1 MB body read for its decision: {body}", statistics.median(found), 1000,
                       f"{min(found):.1f} to {max(found):.1f}")

    def limits(self):
        """Taking from the limits and settling, without and with a limit on what is under way."""
        found = []
        for _ in range(self.pair_count):
            done = subprocess.run([self.place.bin / "limits-hammer", "-t", self.place.place / "limits",
                                   str(5000 // self.scale)], stdout=subprocess.PIPE, check=True)
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
            found = self.told("start_bench", max(100, 500 // self.scale), self.place.shim, *program.split())
            self.row(f"process start: {program}", "µs", found["without_us"], found["with_us"],
                     f"{found['delta_us']:+.1f} µs", "<= +200", "", found["delta_us"] <= 200)

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
            found = [(self.resident_kb(False, program), self.resident_kb(True, program))
                     for _ in range(self.pair_count)]
            self.delta(f"resident memory: {title}, VmRSS", found, "VmRSS", 1024, "kB")
            self.delta(f"resident memory: {title}, of it private and dirty", found, "Private_Dirty", None, "kB")

    def measure(self):
        for what, measured in (("a host that is not governed", self.not_governed), ("one call", self.one_call),
                               ("events", self.events), ("decisions", self.decision), ("limits", self.limits),
                               ("keys", self.keys), ("process start", self.start), ("resident memory", self.resident)):
            self.say(f"small: {what}")
            measured()
        return self.rows
