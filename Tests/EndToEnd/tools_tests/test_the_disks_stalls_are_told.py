"""What the benchmarks say of a disk that stood still."""

import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[3] / "Benchmarks"))

from disk_stalls import DiskStalls, longest_stall


def samples(*steps):
    return [(number / 100, finished, under_way) for number, (finished, under_way) in enumerate(steps)]


def test_a_disk_that_finishes_nothing_of_what_waits_stands_still():
    assert longest_stall(samples((5, 0), (6, 2), (6, 2), (6, 3), (6, 3), (9, 0), (9, 1), (9, 1))) == 0.02


def test_a_disk_with_nothing_to_do_does_not_stand_still():
    assert longest_stall(samples((5, 0), (5, 0), (5, 0), (5, 0))) == 0


def test_a_disk_that_works_does_not_stand_still():
    assert longest_stall(samples((5, 4), (6, 4), (7, 4), (8, 4))) == 0


def test_samples_are_of_the_time_that_is_asked_for(tmp_path):
    begun = time.monotonic_ns()
    with DiskStalls(tmp_path) as disk:
        if not disk._stat.exists():
            assert disk.longest(begun, time.monotonic_ns()) is None
            return
        while len(disk._samples) < 3:
            time.sleep(0.01)
    assert disk.longest(begun, time.monotonic_ns()) < 60
    assert disk.longest(0, 1) is None
