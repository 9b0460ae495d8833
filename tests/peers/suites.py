"""Other projects' own test suites: where each is had from, and how what it prints is read.

A suite has parts (a module, a file, a recipe), which can be run alone. results() gives
{"PART: TEST": verdict} for some parts; "ok" and "skipped" are no failures, every other word is.
"""
import os
import pathlib
import re
import shutil
import subprocess

PYTHON = "/usr/bin/python3"


class Suite:
    parts = []

    def results(self, runner, parts, shimmed):
        raise NotImplementedError

    def passes(self, runner, test, shimmed):
        """One test again, with as little as possible around it."""
        part = test.split(": ")[0]
        return self.results(runner, [part], shimmed).get(test) in ("ok", "skipped")


class CPython(Suite):
    """Debian's libpython3.11-testsuite."""

    parts = ("test_ssl test_httplib test_urllib2_localnet test_asyncio test_socket test_subprocess "
             "test_threading test_signal test_ftplib test_poplib test_imaplib test_smtplib").split()
    # Hangs where there is a /dev/vsock with nobody behind it, with us and without.
    ignored = {"test_socket": "*VSOCK*"}
    quick = "test_ssl test_httplib".split()

    @staticmethod
    def read(text):
        """unittest -v: "test_x (test.test_ssl.T.test_x) ... ok"; what is printed in between is skipped."""
        results = {}
        for name, where, rest in re.findall(
                r"^(\w+) \(([\w.]+)\)(?:\n[^\n]*?)? \.\.\. (.*(?:\n(?!\w+ \().*)*)", text, re.M):
            verdict = re.search(r"(?:^|\s)(ok|FAIL|ERROR|skipped|expected failure)\b", rest)
            if verdict:
                results[f"{where} {name}"] = verdict.group(1)
        return results

    def results(self, runner, parts, shimmed):
        results = {}
        for module in parts:
            command = ([PYTHON, "-m", "test", "-v", "-i", self.ignored[module], module]
                       if module in self.ignored else [PYTHON, "-m", "unittest", "-v", f"test.{module}"])
            text = runner.run(command, shimmed, runner.work(shimmed), module)
            results.update({f"{module}: {name}": verdict for name, verdict in self.read(text).items()})
        return results

    def passes(self, runner, test, shimmed):
        where, name = test.split(": ")[1].split(" ")
        dotted = where if where.endswith("." + name) else f"{where}.{name}"
        text = runner.run([PYTHON, "-m", "unittest", "-v", dotted], shimmed, runner.work(shimmed))
        return "ok" in self.read(text).values()


class Perl(Suite):
    """Net::SSLeay's and IO::Socket::SSL's tests, from Debian's source packages."""

    parts = ["libnet-ssleay-perl", "libio-socket-ssl-perl"]

    @staticmethod
    def source(runner, package):
        source = runner.source(package)
        if not (source / "blib").exists():
            for command in (["perl", "Makefile.PL"], ["make", "-s"]):
                runner.build_step(command, source)
        return source

    def results(self, runner, parts, shimmed):
        results = {}
        for package in parts:
            source = self.source(runner, package)
            file = ""
            for line in runner.run(["prove", "-b", "-r", "-v", "t"], shimmed, source, package).splitlines():
                begun = re.match(r"(t/\S+?\.t) \.\.", line)
                file = begun.group(1) if begun else file
                one = re.match(r"(not )?ok (\d+)", line)
                if one and file:
                    results[f"{package}: {file} {one.group(2)}"] = "FAIL" if one.group(1) else "ok"
        return results

    def passes(self, runner, test, shimmed):
        package, rest = test.split(": ")
        file, number = rest.split(" ")
        text = runner.run(["prove", "-b", "-v", file], shimmed, self.source(runner, package))
        return re.search(rf"^ok {number}\b", text, re.M) is not None


class Ruby(Suite):
    """The tests of Ruby's source package, run by Debian's ruby."""

    package = "ruby3.1"
    parts = ["openssl", "net", "open-uri", "socket", "drb", "test_open3.rb"]

    def results(self, runner, parts, shimmed):
        source = runner.source(self.package)
        results = {}
        for part in parts:
            text = runner.run(["ruby", "test/runner.rb", "--ruby=/usr/bin/ruby", "-v", part], shimmed,
                              source, f"ruby-{part}")
            found = dict.fromkeys(re.findall(r"^\[ *\d+/\d+\] (\S+) = ", text, re.M), "ok")
            for verdict, name in re.findall(r"^ +\d+\) (Failure|Error|Skipped):\n([^\s:\[]+(?:::[^\s:\[]+)*)",
                                            text, re.M):
                found[name] = "skipped" if verdict == "Skipped" else verdict
            results.update({f"{part}: {name}": verdict for name, verdict in found.items()})
        return results


class OpenSSL(Suite):
    """The TLS recipes of OpenSSL's own `make test`, in a tree built from Debian's source package."""

    package = "openssl"
    patterns = """70-test_asyncio 70-test_clienthello 70-test_comp 70-test_key_share 70-test_recordlen
        70-test_renegotiation 70-test_servername 70-test_ssl* 70-test_tls* 71-test_ssl_ctx
        79-test_http 80-test_dane 80-test_dtls* 80-test_ssl_new 80-test_ssl_old 80-test_ssl_test_ctx
        80-test_sslcorrupt 90-test_async 90-test_bio_memleak 90-test_fatalerr 90-test_memleak
        90-test_shlibload 90-test_sslapi 90-test_sslbuffers 90-test_threads 90-test_tls13*
        90-test_time_offset 61-test_bio_prefix 60-test_x509*""".split()

    def source(self, runner):
        source = runner.source(self.package)
        if not (source / "test" / "sslapitest").exists():
            for command in (["./config"], ["make", "-s", "-j2", "build_sw"]):
                runner.build_step(command, source)
        return source

    def recipes(self, runner):
        place = runner.source(self.package) / "test" / "recipes"
        return sorted({f.stem for pattern in self.patterns for f in place.glob(pattern + ".t")})

    @property
    def parts(self):
        return ["all"]

    def results(self, runner, parts, shimmed):
        source = self.source(runner)
        if parts == ["all"]:
            parts = self.recipes(runner)
        results = {}
        for recipe in parts:
            name = recipe.split("-", 1)[1]
            text = runner.run(["make", "-s", "run_tests", f"TESTS={name}", "V=1"], shimmed, source, recipe)
            count = 0
            for line in text.splitlines():
                one = re.match(r" *(not )?ok \d+(?: - (.*))?$", line)
                if one:
                    count += 1
                    verdict = "FAIL" if one.group(1) else "skipped" if "# skip" in line else "ok"
                    results[f"{recipe}: {count} {one.group(2) or ''}"] = verdict
        return results


class Curl(Suite):
    """A fixed list of curl's own tests, with the curl that is built from Debian's source package."""

    package = "curl"
    parts = [f"{first} to {first + 59}" for first in range(1, 720, 60)]

    def source(self, runner):
        source = runner.source(self.package)
        if not (source / "tests" / "server" / "sws").exists():
            for command in (["./configure", "--with-openssl", "--disable-ldap", "--without-libpsl"],
                            ["make", "-s", "-j2"], ["make", "-s", "-j2", "-C", "tests/server"],
                            ["make", "-s", "-j2", "-C", "tests/libtest"], ["make", "-s", "-C", "tests/unit"]):
                runner.build_step(command, source)
        return source

    def results(self, runner, parts, shimmed):
        source = self.source(runner)
        results = {}
        for part in parts:
            text = runner.run(["perl", "-I.", "./runtests.pl", "-n", "-a", *part.split(" ")], shimmed,
                              source / "tests", f"curl-{part.replace(' ', '-')}")
            blocks = re.split(r"^test (\d+)", text, flags=re.M)
            for number, block in zip(blocks[1::2], blocks[2::2]):
                verdict = re.search(r"\b(OK|FAILED|SKIPPED)\b", block)
                if verdict:
                    word = {"OK": "ok", "SKIPPED": "skipped"}.get(verdict.group(1), "FAIL")
                    results[f"{int(number)}: {int(number)}"] = word
        return results


SUITES = {"cpython": CPython(), "perl": Perl(), "ruby": Ruby(), "openssl": OpenSSL(), "curl": Curl()}
