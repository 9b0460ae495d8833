# SPDX-License-Identifier: MIT
"""Our own programs as subjects: the tool, the collector, the drain."""

import json
import os
import re
import select
import shutil
import signal
import subprocess
import time

WAIT_S = 30  # longer is a hang
QUIET_S = 1
RECORDS = 6


def crashed(status, fault):
    """As fault-run and subprocess tell of signals."""
    if status < 0:
        status = 128 - status
    return status >= 128 and not (fault.kind == "kill" and status == 128 + signal.SIGKILL)


class Ours:
    stays = False  # what a run leaves cannot be removed just so

    def __init__(self, name, title):
        self.name, self.title = name, title

    def prepare(self, tour, where):
        """A home with a log that is whole; self.ids are its exchanges."""
        self.template, self.build = os.path.join(where, "template"), tour.build
        self.tool(self.template, "init", check=True)
        keys = self.tool(self.template, "audit-key", "list", "--json", check=True).stdout
        self.recipient = re.search("aigw1[a-z0-9]+", keys).group()
        self.settle(where)

    def tool(self, home, *words, check=False):
        return subprocess.run([f"{self.build}/aigw", *words], env={**os.environ, "AIGW_HOME": home}, text=True, check=check,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def make_log(self, scene):
        return subprocess.run([f"{self.build}/tests/make-log", f"{self.template}/audit", self.recipient, scene], text=True,
                              check=True, stdout=subprocess.PIPE).stdout.split()

    def home(self, where):
        home = os.path.join(where, "home")
        shutil.copytree(self.template, home)
        return home

    def verify(self, home, wrong):
        said = self.tool(home, "verify")
        if said.returncode not in (0, 2, 3):
            wrong.append(f"verify ends with {said.returncode}: " + "; ".join(said.stdout.splitlines()[:2]))
        return said.returncode

    def start(self, tour, fault, where, env, words, **more):
        command, extra, read = tour.wrapped(fault, where, ["--by", "aigwd"], "aigwd")
        preload = extra.pop("LD_PRELOAD", ":").lstrip(":")
        env = {**env, **extra}
        command += ["env", f"LD_PRELOAD={preload}"] if preload else []
        return subprocess.Popen([*command, f"{tour.build}/aigwd", *words], env=env, start_new_session=True, **more), read


def stop(process):
    """Its exit status, or "hang"."""
    process.terminate()
    try:
        return process.wait(WAIT_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return "hang"


def collects(process, socket):
    """Once it says so; that may be what fails, and then when it listens and says nothing for a while."""
    said, end = b"", time.monotonic() + WAIT_S
    while b"collecting into" not in said:
        ready, _, _ = select.select([process.stderr], [], [], QUIET_S)
        piece = os.read(process.stderr.fileno(), 4096) if ready else None
        said += piece or b""
        if piece == b"":
            return False
        if not ready and os.path.exists(socket):
            return True
        if time.monotonic() > end:
            return False
    return True


class Tool(Ours):
    """A command that reads. When it says that all went well, it says what it says without a fault."""

    def __init__(self, name, title, *words):
        super().__init__(name, title)
        self.words = words

    def settle(self, where):
        self.make_log("all")
        self.expected = None

    def run(self, tour, fault, where):
        home, wrong = self.home(where), []
        command, extra, read = tour.wrapped(fault, where, ["--by", "aigw"], "aigw")
        preload = extra.pop("LD_PRELOAD", ":").lstrip(":")
        command += ["env", f"LD_PRELOAD={preload}"] if preload else []
        words = [w.format(WHERE=where) for w in self.words]
        env = {**os.environ, "AIGW_HOME": home, **extra}
        process = subprocess.Popen([*command, f"{tour.build}/aigw", *words], env=env, text=True, start_new_session=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            out, err = process.communicate(timeout=WAIT_S)
            status = process.returncode
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            out, err = process.communicate()
            return ["hangs"], "hang", {**read(), "err": err[-300:]}
        if "-o" in words and status == 0:
            with open(words[words.index("-o") + 1], encoding="utf-8") as f:
                out += f.read()
        out = out.replace(where, "WHERE")
        seen = {**read(), "end": status, "err": err[-300:]}
        if fault.at is None:
            self.expected = out
            return wrong, "served" if status == 0 else "failed", seen
        if crashed(status, fault):
            wrong.append(f"ended by signal {abs(status) % 128}")
        # The first look of all is for the host's policy: where it cannot be told whether there is one, it counts as
        # one that forbids to go by AIGW_HOME.
        if status == 0 and out != self.expected and not str(fault).startswith("call:newfstatat:1:"):
            wrong.append("says that all is well, and something else than without the fault")
        if status == 1 and "could not be read" not in err:
            wrong.append("ends with 1, a finding")
        self.verify(home, wrong)
        return wrong, "served" if status == 0 else "killed" if status == 128 + signal.SIGKILL else "failed", seen


class Collector(Ours):
    """aigwd collects the records of a client; afterwards one without faults goes on with the log."""

    stays = True

    def settle(self, where):
        pass

    def collect(self, process, socket, count, acknowledged):
        if not collects(process, socket):
            return False
        try:
            out = subprocess.run([f"{self.build}/tests/collect_client", socket, "load", str(count), "300"], text=True,
                                 timeout=WAIT_S, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
        except subprocess.TimeoutExpired as e:
            acknowledged += (e.stdout or b"").decode().split()
            return None
        acknowledged += out.stdout.split()
        return out.returncode == 0

    def run(self, tour, fault, where):
        home, wrong, acknowledged = self.home(where), [], []
        socket, log = f"{where}/s", f"{where}/log"
        with open(f"{home}/policy.json", "w", encoding="utf-8") as f:
            json.dump({"version": 1, "audit": {"recipients": [self.recipient], "via": "collector", "socket": socket,
                                               "directory": log},
                       "environments": {"test": {}}, "default_environment": "test"}, f)
        env = {**os.environ, "AIGW_HOME": home}
        words = ["--foreground", "--socket", socket, "--policy", f"{home}/policy.json"]
        process, read = self.start(tour, fault, where, env, words, stderr=subprocess.PIPE, text=True)
        served = self.collect(process, socket, RECORDS, acknowledged)
        status = stop(process)
        err = process.stderr.read()[-300:]
        if served is None:
            wrong.append("a client waits for ever")
        if status == "hang":
            wrong.append("does not end when it is told to")
        elif crashed(status, fault):
            wrong.append(f"ended by signal {abs(status) % 128}: {err}")
        process = subprocess.Popen([f"{tour.build}/aigwd", *words], env=env, stderr=subprocess.PIPE, text=True)
        if not self.collect(process, socket, 1, acknowledged):
            process.kill()
            wrong.append("the next collector does not collect: " + process.stderr.read()[-300:])
        if stop(process) not in (0, -signal.SIGKILL):
            wrong.append("the next collector does not end well")
        self.verify(home, wrong)
        kept = {json.loads(line).get("id") for line in self.tool(home, "log", "--json", "--limit", "0").stdout.splitlines()}
        lost = [i for i in acknowledged if i not in kept]
        if lost:
            wrong.append(f"{len(lost)} acknowledged records are lost")
        end = "served" if served else "killed" if status == 128 + signal.SIGKILL else "failed"
        return wrong, end, {**read(), "end": status, "err": err}


class Drain(Ours):
    """aigwd --drain brings a log to a file; what did not arrive, one without faults brings."""

    def settle(self, where):
        self.ids = self.make_log(f"many={RECORDS}")

    def received(self, path):
        try:
            with open(path, encoding="utf-8") as f:
                return [json.loads(line).get("id") for line in f if line.endswith("\n")]
        except FileNotFoundError:
            return []

    def wait_for(self, process, path, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end and process.poll() is None:
            if set(self.ids) <= set(self.received(path)):
                return True
            time.sleep(0.01)
        return set(self.ids) <= set(self.received(path))

    def run(self, tour, fault, where):
        home, wrong, out = self.home(where), [], f"{where}/out.ndjson"
        with open(f"{home}/policy.json", encoding="utf-8") as f:
            text = f.read()
        sink = {"type": "file", "to": out, "batch_wait_ms": 10, "batch_events": 4, "retry_first_ms": 10,
                "retry_max_ms": 20, "heartbeat_s": 0, "rotate_bytes": 0}
        with open(f"{home}/policy.json", "w", encoding="utf-8") as f:
            f.write(text[:text.rindex("}")].rstrip() + f',\n "drains": {json.dumps({"sinks": {"disk": sink}})}\n}}\n')
        env = {**os.environ, "AIGW_HOME": home}
        words = ["--drain", "--foreground"]
        with open(f"{where}/said", "w", encoding="utf-8") as said:
            process, read = self.start(tour, fault, where, env, words, stderr=said)
            served = self.wait_for(process, out, 3)
            status = stop(process)
            if status == "hang":
                wrong.append("does not end when it is told to")
            elif crashed(status, fault):
                wrong.append(f"ended by signal {abs(status) % 128}")
            if not served:
                process = subprocess.Popen([f"{tour.build}/aigwd", *words], env=env, stderr=said)
                if not self.wait_for(process, out, WAIT_S):
                    wrong.append("records are lost: " + " ".join(set(self.ids) - set(self.received(out))))
                if stop(process) != 0:
                    wrong.append("the next drain does not end well")
        self.verify(home, wrong)
        with open(f"{where}/said", encoding="utf-8") as f:
            err = f.read()[-300:]
        return wrong, "served" if served else "killed" if fault.kind == "kill" else "late", {**read(), "end": status, "err": err}


ALL = [
    Tool("log", "aigw log --json --full", "log", "--json", "--full"),
    Tool("verify", "aigw verify", "verify"),
    Tool("export", "aigw export", "export", "--format", "ndjson", "--all", "-o", "{WHERE}/out"),
    Tool("usage", "aigw usage", "usage", "--json"),
    Collector("aigwd", "aigwd, which collects"),
    Drain("drain", "aigwd --drain, into a file"),
]
