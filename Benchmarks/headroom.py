"""How busy the machine is, and which load leaves it room for something else."""

import pathlib
import time

from shape import say_load

USUAL_RATE = 1000
RATES = (USUAL_RATE, 800, 600, 500, 400, 300, 200, 100, 50)
# Of the machine's CPU, while writers keep a rate: so much is left for the moves.
HEADROOM = 0.5
SETTLING_SECONDS = 3
LOOKING_SECONDS = 5
# After a preload, compactions go on for a while.
QUIET = 0.9
QUIET_LIMIT_SECONDS = 900


def _ticks():
    """Of all CPUs together: idle, and all."""
    numbers = [int(number) for number in pathlib.Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return numbers[3] + numbers[4], sum(numbers)


def idle_share(seconds):
    """The part of the machine's CPU that nothing uses, in the next seconds."""
    idle, every = _ticks()
    time.sleep(seconds)
    idle_then, every_then = _ticks()
    return (idle_then - idle) / max(1, every_then - every)


def until_quiet():
    """Waits until the machine has nothing to do, so that what was stored before does not count."""
    begun = time.monotonic()
    while (idle := idle_share(LOOKING_SECONDS)) < QUIET:
        if time.monotonic() - begun > QUIET_LIMIT_SECONDS:
            raise RuntimeError(f"without load, {idle:.0%} of this machine's CPU are idle: stop what runs beside")
    say_load(f"the machine is quiet ({idle:.0%} idle) after {time.monotonic() - begun:.0f} s")


def rate_with_headroom(writers, wanted):
    """Sets the writers' rate: as told, else the largest that leaves headroom; returns it."""
    for rate in [wanted] if wanted else RATES:
        writers.rate(rate)
        time.sleep(SETTLING_SECONDS)
        idle = idle_share(LOOKING_SECONDS)
        say_load(f"{rate:,} writes/s leave {idle:.0%} of the CPU idle")
        if wanted or idle >= HEADROOM:
            return rate
    raise RuntimeError(f"even {rate} writes/s do not leave {HEADROOM:.0%} of this machine idle")
