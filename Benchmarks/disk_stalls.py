"""Times in which the disk finished nothing of what waited. Nobody's writes get past them, whoever caused them."""

import os
import pathlib
import threading
import time

INTERVAL_SECONDS = 0.01
# Columns of /sys/dev/block/*/stat (Linux, Documentation/block/stat.rst): what was finished, and what is under way.
FINISHED = (0, 4, 11, 15)
UNDER_WAY = 8


def longest_stall(samples):
    """The longest time, in seconds, between two samples (time, finished, under way) with no progress and something waiting.

    It begins at the first sample without progress, so it is up to an interval less than the truth, never more.
    """
    longest, since = 0.0, None
    for (_, finished_before, _), (moment, finished, under_way) in zip(samples, samples[1:]):
        if finished != finished_before or not under_way:
            since = None
            continue
        since = moment if since is None else since
        longest = max(longest, moment - since)
    return longest


class DiskStalls:
    """Looks at the disk of a folder a hundred times a second, on a thread of its own."""

    def __init__(self, folder):
        device = os.stat(folder).st_dev
        self._stat = pathlib.Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}/stat")
        self._samples = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self):
        if self._stat.exists():
            self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def longest(self, begun, ended):
        """The longest stall between these moments (`time.monotonic_ns`), in seconds; None where the disk tells nothing."""
        samples = [sample for sample in self._samples if begun <= sample[0] * 1e9 <= ended]
        return longest_stall(samples) if samples else None

    def _look(self):
        with self._stat.open() as file:
            while not self._stop.wait(INTERVAL_SECONDS):
                file.seek(0)
                numbers = [int(number) for number in file.read().split()]
                self._samples.append(
                    (time.monotonic(), sum(numbers[n] for n in FINISHED if n < len(numbers)), numbers[UNDER_WAY]))
