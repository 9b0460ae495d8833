# SPDX-License-Identifier: MIT
"""The programs that the library's faults happen in, and the policies they run under."""

import json
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
WORDS = "twice two is four, today as ever."
DONE = "data: [DONE]"


class Subject:
    """One program. `allowed` of its `answers` may be 200; `whole` stands in each of those."""

    provider_options = ()
    shared = False  # one log for all runs: it is looked at in the end
    must_record = True
    host = "api.openai.com"
    seeded = False  # the log is there already
    # For want of memory the connection ends, behind what can still be told apart: of an answer that is changed on its
    # way, a part may be missing; behind an answer that could not be followed there is no refusal, nor the answers since.
    cut_by_nomem = False

    def __init__(self, name, title, client, requests, answers=None, allowed=None, whole=WORDS, policy=None, **more):
        self.name, self.title, self.client, self.requests = name, title, client, requests
        self.answers = len(requests) if answers is None else answers
        self.allowed = self.answers if allowed is None else allowed
        self.whole, self.policy = whole, policy or {}
        self.template = self.port = self.home = None
        for key, value in more.items():
            setattr(self, key, value)

    def prepare(self, tour, where):
        """The home that each run gets a copy of."""
        def tool(*words, **more):
            return subprocess.run([f"{tour.build}/aigw", *words], env=dict(os.environ, AIGW_HOME=self.template), text=True,
                                  check=True, stdout=subprocess.PIPE, **more).stdout

        tool("init")
        self.home = self.template
        path = os.path.join(self.template, "policy.json")
        with open(path, encoding="utf-8") as f:
            recipient = re.search("aigw1[a-z0-9]{20,}", f.read()).group()
        policy = {"version": 1, "audit": {"recipients": [recipient]}, "default_environment": "test",
                  "environments": {"test": {"models": {"allow": ["*/gpt-5*"]}}}}
        for section, members in self.policy.items():
            policy.setdefault(section, {}).update(members)
        self.more_policy(tour, where, policy)
        with open(path, "w", encoding="utf-8") as f:
            json.dump(policy, f)
        self.key = "sk-test-Zq8vT2kLw0aYc5nR7dXe3uPm"
        if policy.get("environments", {}).get("test", {}).get("require") == ["managed_key"]:
            tool("key", "import", "--provider", "openai", input="sk-real-mK4wQ9xT2vB7nL0pR5sD8fG3hJ6")
            self.key = json.loads(tool("key", "create", "--environment", "test", "--name", "one", "--json"))["key"]

    def more_policy(self, tour, where, policy):
        pass

    def finish(self, tour):
        return []

    def input(self, run, where):
        path = os.path.join(where, "input")
        with open(path, "w", encoding="ascii", newline="") as f:
            for i, (model, stream) in enumerate(self.requests):
                body = json.dumps({"model": f"{model}-r{run}", "messages": [{"role": "user", "content": "twice two?"}],
                                   **({"stream": True} if stream else {})})
                last = "Connection: close\r\n" if i == len(self.requests) - 1 else ""
                f.write(f"POST /v1/chat/completions HTTP/1.1\r\nHost: {self.host}\r\nX-Run: {run}\r\n{last}"
                        f"Authorization: Bearer {self.key}\r\nContent-Type: application/json\r\n"
                        f"Content-Length: {len(body)}\r\n\r\n{body}")
        return path

    def command(self, tour, where):
        words = {"BUILD": tour.build, "CA": f"{tour.certs}/ca.pem", "PORT": self.port, "HERE": HERE,
                 "PYTHON": "/usr/bin/python3", "WHERE": where}
        return [w.format(**words) for w in self.client]


class Collected(Subject):
    """Its records go to a collector, which has no faults."""

    shared = True

    def more_policy(self, tour, where, policy):
        self.socket, self.log = f"{where}/collect.sock", f"{where}/log"
        policy["audit"].update(via="collector", socket=self.socket, directory=self.log)
        self.daemon = None
        self.where = where

    def prepare(self, tour, where):
        super().prepare(tour, where)
        self.daemon = subprocess.Popen([f"{tour.build}/aigwd", "--foreground", "--socket", self.socket, "--policy",
                                        f"{self.template}/policy.json"], stderr=subprocess.PIPE, text=True,
                                       env=dict(os.environ, AIGW_HOME=self.template))
        for line in self.daemon.stderr:
            if "collecting into" in line:
                return
        sys.exit("the collector does not start")

    def finish(self, tour):
        self.daemon.terminate()
        end = self.daemon.wait()
        said = tour.tool(self.home, "verify")
        wrong = [{"wrong": [f"the collector ended with {end}"]}] if end else []
        if said.returncode not in (0, 3):
            wrong.append({"wrong": [f"verify ends with {said.returncode}"], "out": said.stdout[-600:]})
        return wrong


TLS = ["{BUILD}/tests/tls_client", "--ca", "{CA}"]
ASK = [("gpt-5", False)]
REFUSED = [("gpt-4", False)]
OWN = {"providers": {"ours": {"dialect": "openai", "hosts": ["api.openai.test"]}}}
RULES = {
    "organization": {"limits": {"requests_per_minute": 600, "usd_per_month": 500}},
    "environments": {"test": {"models": {"allow": ["*/gpt-5*"]}, "limits": {"requests_per_minute": 500, "concurrent_requests": 20},
                              "set": {"openai": {"store": False}}}},
    "usage": {"ask": True},
}

ALL = [
    Subject("call", "one call", [*TLS, "{PORT}"], ASK),
    Subject("refused", "one call that is refused", [*TLS, "{PORT}"], REFUSED, allowed=0),
    Subject("stream", "a streamed answer", [*TLS, "{PORT}"], [("gpt-5", True)], whole=DONE),
    Subject("kept", "allowed, streamed and refused, pipelined on one connection", [*TLS, "{PORT}"],
            [("gpt-5", False), ("gpt-5", False), ("gpt-4", False)], allowed=2, seeded=True, cut_by_nomem=True),
    Subject("polling", "a program that polls, over memory BIOs, and is refused",
            [*TLS, "--memory", "--poll-first", "{PORT}"], REFUSED, allowed=0),
    Subject("woken", "a program that waits for its socket before it reads its refusal",
            [*TLS, "--nonblocking", "--poll-first", "{PORT}"], REFUSED, allowed=0),
    Subject("rules", "a stream under limits, fields that are forced, token counts that are asked for",
            [*TLS, "--write-bytes", "100", "{PORT}"], [("gpt-5", True)], whole=DONE, policy=RULES, cut_by_nomem=True),
    Subject("own", "a call to a provider that only the policy knows", [*TLS, "--name", "api.openai.test", "{PORT}"], ASK,
            policy=OWN, host="api.openai.test"),
    Subject("own-plain", "the same without TLS", ["{BUILD}/tests/raw_client", "{PORT}"], ASK, provider_options=["--plain"],
            policy={"providers": {"ours": {**OWN["providers"]["ours"], "plaintext": True}}}, host="api.openai.test"),
    Subject("unnamed", "a call without a server name, where TLS that cannot be looked into may pass",
            ["{BUILD}/tests/tls_client", "--name", "", "{PORT}"], ASK,
            policy={"transport": {"verify_peer": False, "opaque_tls": "allow"}}),
    Subject("keyed", "a call with a gateway key", [*TLS, "{PORT}"], ASK,
            policy={"environments": {"test": {"models": {"allow": ["*/gpt-5*"]}, "require": ["managed_key"]}}}),
    Subject("synced", "a call whose records are synced", [*TLS, "{PORT}"], ASK, policy={"audit": {"durability": "synced"}}),
    Subject("lenient", "a call that goes out when it cannot be recorded", [*TLS, "{PORT}"], ASK,
            policy={"audit": {"on_failure": "allow"}}, must_record=False),
    Subject("plain", "a call without TLS", ["{BUILD}/tests/raw_client", "{PORT}"], ASK, provider_options=["--plain"],
            policy={"transport": {"plaintext": "allow"}}),
    Subject("gnutls", "a call by GnuTLS", ["{BUILD}/tests/gnutls_client", "--ca", "{CA}", "{PORT}"], ASK),
    Subject("static", "a call by an OpenSSL inside the program",
            ["{BUILD}/tests/static_client-pie-exported", "--ca", "{CA}", "{PORT}"], ASK),
    Subject("curl", "curl", ["sh", "{HERE}/curl.sh", "{PORT}", "{WHERE}/input"], ASK),
    Subject("python", "Python: a call, a fork, and one of the child's and the parent's own",
            ["{PYTHON}", "{HERE}/fork_calls.py", "{PORT}", "{WHERE}/input"], ASK, answers=3),
    Collected("collector", "allowed and refused, kept by the collector", [*TLS, "{PORT}"],
              [("gpt-5", False), ("gpt-4", False)], allowed=1, cut_by_nomem=True),
]
