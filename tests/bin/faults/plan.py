# SPDX-License-Identifier: MIT
"""Which faults there are: each allocation, each system call with each error that it may well have, each
place to be killed at, or where the wall clock jumps."""

# What Linux may answer in earnest. Calls that are not here cannot fail, or only of bad arguments.
ERRORS = {
    "accept4": ["EMFILE", "ECONNRESET"],
    "bind": ["EACCES", "ENOMEM"],
    "brk": [],
    "chmod": ["EROFS"],
    "close": ["EINTR", "EIO"],
    "connect": ["ECONNREFUSED", "EAGAIN", "EINTR", "EACCES"],
    "epoll_create1": ["EMFILE", "ENOMEM"],
    "epoll_ctl": ["ENOMEM", "ENOSPC"],
    "epoll_wait": ["EINTR"],
    "eventfd2": ["EMFILE", "ENOMEM"],
    "faccessat2": ["EACCES", "EIO"],
    "fallocate": ["ENOSPC", "EINTR"],
    "fchmod": ["EROFS", "EPERM", "EIO"],
    "fcntl": ["ENOLCK", "EMFILE", "EINTR", "EAGAIN"],
    "fdatasync": ["EIO", "ENOSPC"],
    "flock": ["EINTR", "ENOLCK", "EAGAIN"],
    "fstat": ["EIO", "ENOMEM"],
    "fstatfs": ["EIO"],
    "fsync": ["EIO", "ENOSPC"],
    "ftruncate": ["EIO", "ENOSPC", "EINTR"],
    "futex": ["EINTR", "EAGAIN"],
    "getdents64": ["EIO"],
    "getpeername": ["ENOTCONN", "ENOBUFS"],
    "getrandom": ["EINTR", "ENOSYS"],
    "getsockname": ["ENOBUFS"],
    "getsockopt": ["ENOBUFS"],
    "linkat": ["EPERM", "ENOSPC"],
    "listen": ["ENOMEM"],
    "lseek": ["EIO"],
    "madvise": ["ENOMEM", "EINVAL"],
    "memfd_create": ["EMFILE", "ENOMEM"],
    "mkdirat": ["ENOSPC", "EACCES"],
    "mlock": ["ENOMEM", "EPERM"],
    "mmap": ["ENOMEM"],
    "mprotect": ["ENOMEM", "EACCES"],
    "newfstatat": ["EIO", "ENOMEM", "EACCES"],
    "openat": ["EMFILE", "EACCES", "EINTR", "ENOMEM"],
    "pipe2": ["EMFILE"],
    "poll": ["EINTR", "ENOMEM"],
    "ppoll": ["EINTR", "ENOMEM"],
    "prctl": ["EPERM"],
    "pread64": ["EIO", "EINTR", "short"],
    "prlimit64": ["EPERM"],
    "pwrite64": ["ENOSPC", "EIO", "EINTR", "short"],
    "read": ["EIO", "EINTR", "short"],
    "readlinkat": ["EACCES", "ENOMEM"],
    "recvfrom": ["EINTR", "ECONNRESET"],
    "recvmsg": ["EINTR", "ENOMEM", "ECONNRESET"],
    "renameat2": ["ENOSPC", "EACCES"],
    "sendmsg": ["EAGAIN", "EPIPE", "ENOBUFS", "EINTR"],
    "sendto": ["EAGAIN", "EPIPE", "EINTR"],
    "setsockopt": ["ENOMEM"],
    "shutdown": ["ENOTCONN"],
    "socket": ["EMFILE", "ENOBUFS"],
    "socketpair": ["EMFILE"],
    "statfs": ["EIO"],
    "unlinkat": ["EACCES", "EIO"],
    "utimensat": ["EROFS"],
    "write": ["ENOSPC", "EIO", "EINTR", "short"],
    "writev": ["ENOSPC", "EINTR"],
}
# These stay as they are once they are there: the disk is full, no descriptor is left.
LASTING = {"openat": "EMFILE", "write": "ENOSPC", "pwrite64": "ENOSPC", "mmap": "ENOMEM", "flock": "ENOLCK",
           "fdatasync": "EIO", "mkdirat": "ENOSPC", "renameat2": "EACCES", "connect": "ECONNREFUSED",
           "getrandom": "ENOSYS", "newfstatat": "EACCES", "fstat": "EIO", "madvise": "EINVAL",
           "sendmsg": "EPIPE", "socket": "EMFILE", "fcntl": "EMFILE"}


JUMPS = (-3600, 86400, 10 * 365 * 86400)  # of the wall clock, in seconds


class Fault:
    def __init__(self, kind, at=None, how=None, on=False, only=None):
        self.kind, self.at, self.how, self.on, self.only = kind, at, how, on, only

    def __str__(self):
        return ":".join(str(p) for p in (self.kind, self.only, self.at, self.how, "on" if self.on else None) if p)

    def options(self):
        """Those of fault-run."""
        if self.at is None:
            return []
        options = ["--at", str(self.at)] + (["--only", self.only] if self.only else []) + (["--on"] if self.on else [])
        if self.kind == "clock":
            return options + ["--clock", str(self.how)]
        if self.kind == "kill":
            return options + ["--kill"]
        return options + (["--short"] if self.how == "short" else ["--fail", self.how])


def faults(kind, allocations, calls):
    if kind == "alloc":
        return [Fault(kind, n + 1, on=on) for n in range(allocations) for on in (False, True)]
    if kind == "clock":
        return [Fault(kind, n + 1, seconds) for n in range(len(calls)) for seconds in JUMPS]
    if kind == "kill":
        return [Fault(kind, n + 1) for n in range(len(calls))]
    made, found = {}, []
    for name in calls:
        made[name] = made.get(name, 0) + 1
        found += [Fault(kind, made[name], how, only=name) for how in ERRORS.get(name, [])]
        if name in LASTING:
            found.append(Fault(kind, made[name], LASTING[name], True, name))
    return found
