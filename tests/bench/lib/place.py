"""Where a measurement happens: certificates, a provider, a home with a policy that records all."""
import contextlib
import os
import pathlib
import shutil
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[3]
GOVERNED = "api.openai.com"
NOT_GOVERNED = "plain.example.test"


class Place:
    def __init__(self, directory, build):
        self.place = pathlib.Path(directory)
        self.build = pathlib.Path(build).resolve()
        self.bin = pathlib.Path(os.environ.get("TEST_BIN", self.build / "tests"))
        self.shim = self.build / "libaigw.so"
        self.home = self.place / "home"
        self.authority = self.place / "certs/ca.pem"
        keep = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        self.environment = keep | {"AIGW_HOME": str(self.home), "SSL_CERT_FILE": str(self.authority)}
        subprocess.run([ROOT / "tests/bin/make-certs", self.place / "certs"], check=True)
        subprocess.run([self.build / "aigw", "init"], env=self.environment, check=True,
                       stdout=subprocess.DEVNULL)
        ready = self.place / "ready"
        os.mkfifo(ready)
        # "h2" would be chosen by a gateway that offers it, and is never spoken
        self.provider = subprocess.Popen(
            [self.bin / "provider", "--bench", "--alpn", "http/1.1", "--cert", self.place / "certs/cert.pem",
             "--key", self.place / "certs/key.pem", "--ready", ready], env=self.environment)
        with open(ready) as file:
            self.port = file.readline().strip()

    def stop(self):
        self.provider.terminate()
        self.provider.wait()

    def with_shim(self):
        return self.environment | {"LD_PRELOAD": str(self.shim)}

    def forget_log(self):
        """A log of gigabytes would be measured next."""
        shutil.rmtree(self.home / "audit", ignore_errors=True)


# ---- what /proc says of a process and of its children ----

def family(pid):
    """The process and all below it that are still there."""
    found = [pid]
    for each in found:
        with contextlib.suppress(OSError):
            for task in pathlib.Path(f"/proc/{each}/task").iterdir():
                found += [int(child) for child in (task / "children").read_text().split()]
    return found


def pin(pid, processors):
    """Every thread of the family, and those that they will start."""
    for each in family(pid):
        with contextlib.suppress(OSError):
            for task in pathlib.Path(f"/proc/{each}/task").iterdir():
                os.sched_setaffinity(int(task.name), processors)


def cpu_s(pid):
    """Of the family, those that have ended included when somebody waited for them."""
    total = 0
    for each in family(pid):
        with contextlib.suppress(OSError):
            fields = pathlib.Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
            total += sum(map(int, fields[11:15]))
    return total / os.sysconf("SC_CLK_TCK")


def forget_peak(pid):
    for each in family(pid):
        with contextlib.suppress(OSError):
            pathlib.Path(f"/proc/{each}/clear_refs").write_text("5")


def peak_kb(pid):
    """Of the family: the sum of each one's peak since forget_peak. What they share counts for each."""
    total = 0
    for each in family(pid):
        with contextlib.suppress(OSError):
            for line in pathlib.Path(f"/proc/{each}/status").read_text().splitlines():
                if line.startswith("VmHWM:"):
                    total += int(line.split()[1])
    return total
