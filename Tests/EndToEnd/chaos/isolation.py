"""Namespaces of the run's own, so that nothing of it can stay on the machine.

The run is a process in a new network, mount and process namespace, and everything that it makes lives in them: hosts'
network namespaces (each held by a process), links, rules, mounts, processes. The kernel takes all of it away with the
run's process, however that ends.
"""

import ctypes
import os
import signal
import sys

CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWNET = 0x20000, 0x20000000, 0x40000000
MS_REC, MS_PRIVATE = 0x4000, 0x40000
PR_SET_PDEATHSIG = 1
libc = ctypes.CDLL(None, use_errno=True)


def _checked(code, what):
    if code != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def die_with_parent(number=signal.SIGKILL):
    """The kernel sends the calling process this signal when the thread that started it ends."""
    _checked(libc.prctl(PR_SET_PDEATHSIG, int(number), 0, 0, 0), "prctl")


def enter_network(path):
    """Moves the calling thread into the network namespace at `path`."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        _checked(libc.setns(descriptor, CLONE_NEWNET), f"setns {path}")
    finally:
        os.close(descriptor)


def own_network():
    """Moves the calling process into a new network namespace."""
    _checked(libc.unshare(CLONE_NEWNET), "unshare")


def run_isolated(body):
    """Runs `body` in a child with namespaces of its own and returns its exit code.

    Raises OSError, before `body` has run, where this process may not make namespaces.
    """
    _probe()
    _checked(libc.unshare(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET), "unshare")
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            die_with_parent()
            _checked(libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None), "mount --make-rprivate /")
            _checked(libc.mount(b"proc", b"/proc", b"proc", 0, None), "mount /proc")
            # libfaketime leaves its shared memory behind when its process is killed.
            _checked(libc.mount(b"shm", b"/dev/shm", b"tmpfs", 0, None), "mount /dev/shm")
            code = body()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda received, _: os.kill(child, received))
    # Ctrl-C reaches the child by itself: it is in the terminal's foreground group too.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _probe():
    """A child that tries what the run will need, so that a refusal leaves this process as it was."""
    child = os.fork()
    if child == 0:
        os._exit(1 if libc.unshare(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET) != 0
                 or not os.access("/dev/net/tun", os.W_OK) else 0)
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0:
        raise PermissionError("this process may not make network, mount and process namespaces")
