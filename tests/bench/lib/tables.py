"""The figures as one table in lines of text, for a terminal and for docs/performance.md."""
import statistics

BEGIN, END = "<!-- made by make bench -->", "<!-- end of what make bench made -->"
VERDICT = {True: "ok", False: "OVER", None: ""}


def number(value):
    """Three digits or so: more would be noise."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def cell(values, spread=False):
    if not values:
        return "-"
    text = number(statistics.median(values))
    if spread and len(values) > 1:
        text += f" ({number(min(values))} to {number(max(values))})"
    return text


def delta(values):
    return f"{statistics.median(values):+,.1f}" if values else "-"


def percent(values):
    return f"{100 * statistics.median(values):.0f} %" if values else "-"


CALL_HEAD = ("", "p50 µs", "over direct", "p99 µs", "p99.9 µs", "requests/s", "of direct", "CPU s per 10,000",
             "peak MB")
STREAM_HEAD = ("", "first event, p50 µs", "over direct", "lag p50 µs", "lag p99 µs", "lag p99.9 µs", "of direct's p50",
               "CPU s per 10,000", "peak MB")


def call_row(figures, load, way):
    def each(key):
        return figures.each(load, way, key)

    return (cell(each("p50_us"), True), delta(figures.over_direct(load, way, "p50_us")), cell(each("p99_us")),
            cell(each("p999_us")), cell(each("per_second")), percent(figures.of_direct(load, way, "per_second")),
            cell(each("cpu_s_per_10000")), cell(each("peak_mb")))


def stream_row(figures, load, way):
    def each(key):
        return figures.each(load, way, key)

    return (cell(each("first_p50_us"), True), delta(figures.over_direct(load, way, "first_p50_us")),
            cell(each("lag_p50_us")), cell(each("lag_p99_us")), cell(each("lag_p999_us")),
            percent(figures.of_direct(load, way, "lag_p50_us")), cell(each("cpu_s_per_10000")), cell(each("peak_mb")))


def load_table(figures, load, ways):
    """(head, rows)"""
    row = stream_row if load.stamped else call_row
    head = STREAM_HEAD if load.stamped else CALL_HEAD
    rows = []
    for way in ways:
        failures = figures.failures(load.name, way.name)
        why = way.missing() or (None if figures.has(load.name, way.name) else "failed in every run")
        title = way.title + (f" (failed in {failures} runs)" if failures and not why else "")
        rows.append((title, why, *[""] * (len(head) - 2)) if why else (title, *row(figures, load.name, way.name)))
    return head, rows


def target_table(targets):
    return ("governed, over direct, unless it says otherwise", "figure", "limit", "spread", ""), [
        (t.what, t.figure, t.limit, t.spread, "not reached" if t.stretch and not t.good else VERDICT[t.good])
        for t in targets]


def memory_table(memory, ways):
    return ("KB for each idle connection that has made calls", "median", "spread"), [
        (way.title, way.missing(), "") if way.missing() else
        (way.title, f"{statistics.median(memory[way.name]):.1f}",
         f"{min(memory[way.name]):.1f} to {max(memory[way.name]):.1f}") for way in ways if not way.peer]


def small_table(rows):
    return ("one thing by itself", "unit", "without", "with", "difference", "limit", "spread", ""), [
        (r["what"].replace("  ", " "), r["unit"], number(r["without"]), number(r["with"]), r["figure"], r["limit"],
         r["spread"], VERDICT[r["good"]]) for r in rows]


# ---- the same for two readers ----

def as_text(head, rows):
    widths = [max(len(row[at]) for row in (head, *rows)) for at in range(len(head))]

    def line(row):
        return "  ".join(text.ljust(width) if at == 0 else text.rjust(width)
                         for at, (text, width) in enumerate(zip(row, widths))).rstrip()

    return "\n".join(map(line, (head, *rows)))


def as_markdown(head, rows):
    return "\n".join("| " + " | ".join(row) + " |" for row in
                     (head, ("---", *["---:"] * (len(head) - 1)), *rows))


def whole(result, form, title):
    """Every table, one below the other. `form` makes one, `title` what stands above it."""
    parts = []
    for name, table in result.tables():
        parts += ([title(name)] if name else []) + [form(*table)]
    return "\n\n".join(parts) + "\n"


def between_markers(text, new):
    """`text` with `new` in the place that is ours."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"no place for the tables: {BEGIN} … {END}")
    return f"{before}{begin}\n\n{new}\n{end}{after}"
