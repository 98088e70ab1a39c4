"""Writers that keep a steady rate whatever the cluster does (peers/writers.c), and what they were told."""

import collections
import subprocess
import threading

from peers import built

DEADLINE_SECONDS = 15

# `due` and `taken` in nanoseconds, `due` on CLOCK_MONOTONIC as time.monotonic_ns().
Write = collections.namedtuple("Write", "due taken channel status")


class Writers:
    """POST messages of 200 characters to some channels in turn, from `rate` until the end of a `with` statement."""

    def __init__(self, cluster, folder, channels, length=200):
        path = folder / "written-channels"
        path.write_text("\n".join(channels) + "\n")
        self.channels = channels
        self._command = [built("writers"), cluster.host, str(cluster.port), cluster.owner_token, str(path), str(length),
                         str(DEADLINE_SECONDS * 1000)]
        self._writes = []

    def __enter__(self):
        self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        self._process.wait()
        self._reader.join()

    def rate(self, rate):
        """Writes a second from now on."""
        self._process.stdin.write(f"rate {rate}\n")
        self._process.stdin.flush()

    def writes(self, begin=0, end=1 << 63):
        """Those due in a time, as far as they have been answered."""
        return [write for write in self._writes.copy() if begin <= write.due < end]

    def _read(self):
        for line in self._process.stdout:
            self._writes.append(Write(*map(int, line.split())))


def milliseconds(writes):
    """How long each took, in ms, ascending."""
    return sorted(write.taken / 1e6 for write in writes)


def quantile(ascending, part):
    return ascending[min(len(ascending) - 1, int(len(ascending) * part))]


def failures(writes):
    """Those that were not acknowledged: their number by status (0: no answer in time, or a broken connection)."""
    return dict(collections.Counter(write.status for write in writes if write.status != 200))
