"""What was measured on, and with which versions."""
import os
import pathlib
import platform
import re
import subprocess

from lib.place import ROOT


def said(*command):
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def first(pattern, path):
    found = re.search(pattern, pathlib.Path(path).read_text(), re.MULTILINE)
    return found.group(1) if found else ""


def package(name):
    return said("dpkg-query", "-W", "-f", "${Version}", name)


def machine():
    return {
        "processor": first(r"^model name\s*: (.*)$", "/proc/cpuinfo") or platform.machine(),
        "processors": len(os.sched_getaffinity(0)),
        "MHz": first(r"^cpu MHz\s*: (\d+)", "/proc/cpuinfo"),
        "virtual": said("systemd-detect-virt", "--vm") or "no",
        "memory_gb": round(int(first(r"^MemTotal:\s*(\d+)", "/proc/meminfo")) / (1 << 20), 1),
        "kernel": platform.release(),
        "system": first(r'^PRETTY_NAME="(.*)"$', "/etc/os-release"),
        "file_system": said("stat", "-f", "-c", "%T", os.environ.get("TMPDIR", "/tmp")),
        "load_before": os.getloadavg()[0],
    }


def versions(build):
    changed = said("git", "-C", ROOT, "status", "--porcelain", "--untracked-files=no", "--", "src")
    return {
        "aigw": said(build / "aigw", "--version").rpartition(" ")[2],
        "commit": said("git", "-C", ROOT, "rev-parse", "--short=10", "HEAD") + (" and changes" if changed else ""),
        "compiler": said("cc", "--version").partition("\n")[0],
        "libc": platform.libc_ver()[1],
        "openssl": package("libssl3") or said("openssl", "version"),
        "libsodium": package("libsodium23"),
        "node": said("node", "--version"),
        "gnuplot": said("gnuplot", "--version"),
    }
