"""Looks for texts in what a core dump of a process would hold: secret_scan.py PID TEXT...
(@FILE: what stands in it)

All memory that the process can write, but for what it has marked MADV_DONTDUMP ("dd" in smaps).
Prints "found TEXT-NUMBER at MAPPING" for each text and mapping; and how many mappings were marked.
"""
import re
import sys

pid, texts = sys.argv[1], [open(t[1:], "rb").read() if t[0] == "@" else t.encode() for t in sys.argv[2:]]
mappings, marked = [], 0
with open(f"/proc/{pid}/smaps") as smaps:
    for line in smaps:
        head = re.match(r"([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ \d+\s*(.*)", line)
        if head:
            mappings.append([int(head[1], 16), int(head[2], 16), head[3], head[4], ""])
        elif line.startswith("VmFlags:"):
            mappings[-1][4] = line.split(":")[1].split()
with open(f"/proc/{pid}/mem", "rb", 0) as memory:
    for start, end, rights, name, flags in mappings:
        if "dd" in flags and rights.startswith("rw"):
            marked += 1
            continue
        if not rights.startswith("rw"):
            continue
        try:
            memory.seek(start)
            content = memory.read(end - start)
        except OSError:
            continue
        for number, text in enumerate(texts, 1):
            if text in content:
                print(f"found {number} at {name or 'memory'}")
print(f"marked {marked}")
