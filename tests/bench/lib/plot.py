"""The figures as a picture, by gnuplot."""
import shutil
import statistics
import subprocess

COLOURS = {"ungoverned": "#9ecae1", "governed": "#08519c", "bare": "#969696", "nginx": "#74c476",
           "mitmproxy": "#fd8d3c", "portkey": "#9e9ac8"}

SCRIPT = """set terminal svg size 980,340 noenhanced font "sans,12" background "#ffffff"
set output "{file}"
set multiplot
set style data histograms
set style histogram clustered gap 1
set style fill solid noborder
set border 3
set xtics nomirror
set ytics nomirror
set grid ytics lc rgb "#dddddd"
set format y "%.0f"
set tmargin at screen 0.88
set bmargin at screen 0.1
set key at screen 0.985,0.7 right center vertical reverse Left samplen 1 width -2
set logscale y
set yrange [1:*]
set lmargin at screen 0.075
set rmargin at screen 0.41
set title "Added to a call, 1 connection, p50 (µs)"
{added}
unset logscale y
unset key
set yrange [0:*]
set lmargin at screen 0.47
set rmargin at screen 0.78
set title "Requests/s, 8 connections, % of direct"
{share}
unset multiplot
"""


def block(name, loads, ways, value):
    """A data block, a line for each size, and the plot of it."""
    lines = [f"${name} << END"]
    for load, title in loads:
        lines.append(" ".join([f'"{title}"', *(value(load, way) for way in ways)]))
    lines.append("END")
    plots = ", ".join(f'${name} using {at + 2}:xtic(1) title "{way.title}" lc rgb "{COLOURS[way.name]}"'
                      for at, way in enumerate(ways))
    return "\n".join([*lines, "plot " + plots])


def draw(figures, ways, file):
    """False: no gnuplot here."""
    if not shutil.which("gnuplot"):
        return False
    ways = [way for way in ways if way.name in COLOURS and figures.has("1KBx1", way.name)]

    def added(load, way):
        us = statistics.median(figures.over_direct(load, way.name, "p50_us"))
        return f"{max(1, us):.2f}"  # the logarithmic scale begins there

    def share(load, way):
        return f"{100 * statistics.median(figures.of_direct(load, way.name, 'per_second')):.1f}"

    def sizes(connections):
        return [(f"{size}x{connections}", title) for size, title in
                (("1KB", "1 KB"), ("16KB", "16 KB"), ("256KB", "256 KB"), ("2MB", "2 MB"))
                if figures.has(f"{size}x{connections}", "direct")]

    script = SCRIPT.format(file=file, added=block("added", sizes(1), ways, added),
                           share=block("share", sizes(8), ways, share))
    subprocess.run(["gnuplot"], input=script, text=True, check=True)
    return True
