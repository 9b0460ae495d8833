"""The ways from the program to the provider that are compared: one row of each table."""
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time

from lib import place as places
from lib.place import GOVERNED, NOT_GOVERNED, ROOT

PEERS = ROOT / "tests/bench/peers"
READY_S = 30


class DoesNotStart(Exception):
    pass


class Way:
    """Straight to the provider over TLS."""
    name = "direct"
    title = "direct"
    note = "The program's own TLS to the provider, nothing between."
    peer = False

    def __init__(self, place):
        self.place = place

    def missing(self):
        """Why it cannot be measured here, or None."""
        return None

    def version(self):
        return None

    def start(self):
        pass

    def stop(self):
        pass

    def arguments(self):
        return ["--port", self.place.port, "--name", GOVERNED]

    def environment(self):
        return self.place.environment

    def forget(self):
        """Leaves out what the measurement before has logged."""

    def pids(self):
        """Of the gateway, when there is one."""
        return []


class Again(Way):
    name = "again"
    title = "direct, again"
    note = "The same once more: what differs is noise."


class Ungoverned(Way):
    name = "ungoverned"
    title = "aigw, host not governed"
    note = "libaigw.so preloaded, the server's name belongs to no provider."

    def arguments(self):
        return ["--port", self.place.port, "--name", NOT_GOVERNED]

    def environment(self):
        return self.place.with_shim()


class Governed(Way):
    name = "governed"
    title = "aigw, governed, log on"
    note = ("libaigw.so preloaded, the policy that `aigw init` writes: each call is read, decided and recorded "
            "in full, encrypted and chained, before its first byte goes out.")

    def environment(self):
        return self.place.with_shim()

    def forget(self):
        self.place.forget_log()


class Bare(Way):
    name = "bare"
    title = "bare shim"
    note = ("tests/bench/bare_shim.c: encrypts what is written and read and appends it with one write() each. "
            "No policy, no parsing: the yardstick, not something to use.")

    def environment(self):
        return self.place.environment | {"LD_PRELOAD": str(self.place.bin / "bare_shim.so"),
                                         "BARE_LOG": str(self.place.place / "bare.log")}

    def forget(self):
        (self.place.place / "bare.log").unlink(missing_ok=True)


# ---- gateways: a process of their own; the program speaks plain HTTP to them ----

def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Gateway(Way):
    peer = True
    process = None

    def arguments(self):
        return ["--port", str(self.port), "--name", f"127.0.0.1:{self.port}", "--plain"]

    def command(self):
        raise NotImplementedError

    def gateway_environment(self):
        return self.place.environment

    def start(self):
        self.here = self.place.place / self.name
        self.here.mkdir()
        self.log = self.here / "log"
        self.port = free_port()
        self.output = open(self.here / "output", "wb")
        self.process = subprocess.Popen(self.command(), env=self.gateway_environment(), cwd=self.here,
                                        stdin=subprocess.DEVNULL, stdout=self.output, stderr=self.output)
        until = time.monotonic() + READY_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                if time.monotonic() > until or self.process.poll() is not None:
                    raise DoesNotStart((self.here / "output").read_text())
                time.sleep(0.05)

    def stop(self):
        if self.process:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait()
            self.output.close()

    def pids(self):
        return [self.process.pid]

    def forget(self):
        if self.log.exists():  # it is open for appending, or written at its end: see each
            os.truncate(self.log, 0)


class Nginx(Gateway):
    name = "nginx"
    title = "nginx, bodies logged"
    note = ("Reverse proxy, kept connections to the provider over TLS; `$request_body`, and the answer's body as "
            "body_filter_by_lua puts it together, in the access log. In clear, nothing decided, two workers.")

    def program(self):
        return shutil.which("nginx") or shutil.which("/usr/sbin/nginx")

    def missing(self):
        if not self.program():
            return "not installed"
        lua = pathlib.Path("/usr/lib/nginx/modules/ngx_http_lua_module.so")
        return None if lua.exists() else "not installed: libnginx-mod-http-lua"

    def version(self):
        said = subprocess.run([self.program(), "-v"], stderr=subprocess.PIPE, text=True).stderr
        return said.strip().rpartition("/")[2]

    def command(self):
        text = (PEERS / "nginx.conf").read_text()
        for key, value in {"HERE": self.here, "PORT": self.port, "PROVIDER": self.place.port, "NAME": GOVERNED,
                           "AUTHORITY": self.place.authority}.items():
            text = text.replace(f"@{key}@", str(value))
        (self.here / "nginx.conf").write_text(text)
        return [self.program(), "-p", self.here, "-c", self.here / "nginx.conf", "-e", "stderr"]


class Mitmproxy(Gateway):
    name = "mitmproxy"
    title = "mitmproxy, flows written"
    note = ("`mitmdump --mode reverse:https://…` with `-w FILE`. It writes a flow when it is over, and hands on "
            "an answer when it is whole: streams arrive all at once.")

    def missing(self):
        return None if shutil.which("mitmdump") else "not installed"

    def version(self):
        said = subprocess.run(["mitmdump", "--version"], stdout=subprocess.PIPE, text=True).stdout
        return said.split()[1] if len(said.split()) > 1 else said.strip()

    def command(self):
        return ["mitmdump", "--quiet", "--mode", f"reverse:https://127.0.0.1:{self.place.port}",
                "--listen-host", "127.0.0.1", "--listen-port", str(self.port), "-w", f"+{self.log}",
                "--set", f"confdir={self.here}", "--set", f"ssl_verify_upstream_trusted_ca={self.place.authority}"]


class Portkey(Gateway):
    name = "portkey"
    title = "@portkey-ai/gateway"
    note = ("The npm package on Node.js, the provider as `x-portkey-custom-host`. It logs to whoever reads "
            "`/log/stream`: a curl that appends to a file, counted with it. That has the request and the first "
            "100,000 characters of the answer, and of a stream nothing.")
    reader = None

    def package(self):
        return self.place.build / "peers-bench/node_modules/@portkey-ai/gateway"

    def missing(self):
        if not shutil.which("node"):
            return "not installed: no Node.js"
        return None if self.package().exists() else "not installed"

    def version(self):
        package = (self.package() / "package.json").read_text()
        return package.partition('"version": "')[2].partition('"')[0]

    def gateway_environment(self):
        return self.place.environment | {"NODE_EXTRA_CA_CERTS": str(self.place.authority)}

    def command(self):
        # it would listen on all addresses
        return ["node", "--require", PEERS / "portkey.cjs", self.package() / "build/start-server.js",
                f"--port={self.port}"]

    def start(self):
        super().start()
        with open(self.log, "ab") as log:
            self.reader = subprocess.Popen(["curl", "-sN", f"http://127.0.0.1:{self.port}/log/stream"],
                                           env=self.place.environment, stdout=log, stderr=subprocess.DEVNULL)

    def pids(self):
        return [*super().pids(), *([self.reader.pid] if self.reader else [])]

    def stop(self):
        if self.reader:
            self.reader.terminate()
            self.reader.wait()
        super().stop()

    def arguments(self):
        return super().arguments() + [
            "--header", "x-portkey-provider: openai",
            "--header", f"x-portkey-custom-host: https://127.0.0.1:{self.place.port}/v1"]


class LiteLLM(Gateway):
    name = "litellm"
    title = "LiteLLM proxy"
    note = "Neither Debian nor npm has it, and this command installs from nowhere else: not measured."

    def missing(self):
        return "not installed: no package of Debian or npm"


WAYS = [Way, Again, Ungoverned, Governed, Bare, Nginx, Mitmproxy, Portkey, LiteLLM]
OWN = [way.name for way in WAYS if not way.peer]


def usage(way):
    """(CPU seconds so far, peak kB) of the gateway of a way."""
    return sum(map(places.cpu_s, way.pids())), sum(map(places.peak_kb, way.pids()))


def forget_peaks(way):
    for pid in way.pids():
        places.forget_peak(pid)


def pin(way, processors):
    """The provider, the gateway, and what is started from here on."""
    for pid in (way.place.provider.pid, os.getpid(), *way.pids()):
        places.pin(pid, processors)
