"""What the project promises of the loads, and whether it held in this run."""
import dataclasses
import statistics

median = statistics.median


@dataclasses.dataclass
class Target:
    what: str
    figure: str
    limit: str
    good: bool
    spread: str = ""
    stretch: bool = False


def spread(values, unit, sign="+"):
    return f"{min(values):{sign}.1f} to {max(values):{sign}.1f}{unit}"


def over_direct(figures, load, key, what, limit, stretch=False):
    values = figures.over_direct(load, "governed", key)
    return Target(what, f"{median(values):+.1f} µs", f"<= +{limit} µs", median(values) <= limit, spread(values, ""),
                  stretch)


def share(figures, load, key, what, limit, better_when_more):
    values = [100 * value for value in figures.of_direct(load, "governed", key)]
    good = median(values) >= limit if better_when_more else median(values) <= limit
    return Target(what, f"{median(values):.1f} %", f"{'>=' if better_when_more else '<='} {limit} %", good,
                  spread(values, "", ""))


def of_bare(figures, load, what, limit):
    values = [100 * a / b for a, b in zip(figures.each(load, "governed", "per_second"),
                                          figures.each(load, "bare", "per_second"))]
    return Target(what, f"{median(values):.1f} %", f">= {limit} %", median(values) >= limit, spread(values, "", ""))


def within_noise(figures, load, key, what):
    values = figures.over_direct(load, "ungoverned", key)
    noise = figures.noise(load, key)
    return Target(what, f"{median(values):+.1f} µs", f"<= +{noise:.1f} µs", median(values) <= noise,
                  spread(values, ""))


def idle(memory, what, limit):
    values = [a - b for a, b in zip(memory["governed"], memory["direct"])]
    return Target(what, f"{median(values):+.1f} KB", f"<= +{limit} KB", median(values) <= limit, spread(values, ""))


def judge(figures, memory):
    found = [
        over_direct(figures, "1KBx1", "p50_us", "1 KB, p50 over direct", 15),
        over_direct(figures, "1KBx1", "p99_us", "1 KB, p99 over direct", 60),
        over_direct(figures, "16KBx1", "p50_us", "16 KB, p50 over direct", 45),
        over_direct(figures, "256KBx1", "p50_us", "256 KB, p50 over direct", 450),
        over_direct(figures, "256KBx1", "p50_us", "  the same, stretch", 200, stretch=True),
        of_bare(figures, "1KBx8", "requests/s of the bare shim's, 1 KB, 8 connections", 90),
    ]
    for load, title in (("events200", "200 events"), ("events1000", "1,000 events")):
        found += [share(figures, load, "first_p50_us", f"streams of {title}: time to the first, of direct's", 105,
                        False),
                  share(figures, load, "lag_p50_us", f"streams of {title}: lag of each, p50, of direct's", 110, False)]
    found += [within_noise(figures, "1KBx1", "p50_us", "not governed, 1 KB, p50: within the noise"),
              within_noise(figures, "256KBx1", "p50_us", "not governed, 256 KB, p50: within the noise"),
              idle(memory, "memory of an idle connection that has made calls", 64)]
    return found
