"""Run by the test beside it, in namespaces of its own: what datagrams meet between hosts, under each fault, as JSON."""

import asyncio
import json
import sys

from chaos.hosts import Namespaces
from chaos.isolation import run_isolated

COUNT = 200
PORT = 9000

RECEIVE = """
import socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind((sys.argv[1], int(sys.argv[2])))
s.settimeout(1.0); print('bound', flush=True); end = time.monotonic() + 4
try:
    while time.monotonic() < end:
        number, sent = s.recv(2048).split(b' ')[:2]
        print(int(number), time.monotonic() - float(sent), flush=True)
except TimeoutError:
    pass
"""
SEND = """
import socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for number in range(int(sys.argv[3])):
    s.sendto(b'%d %f ' % (number, time.monotonic()) + bytes(1200), (sys.argv[1], int(sys.argv[2])))
    time.sleep(0.002)
"""


async def probe(source, target):
    """Sends numbered datagrams; returns [number, seconds on the way] in the order of arrival."""
    receiver = await asyncio.create_subprocess_exec(
        *target.inside(sys.executable, "-c", RECEIVE, target.address, str(PORT)), stdout=asyncio.subprocess.PIPE)
    await receiver.stdout.readline()
    sender = await asyncio.create_subprocess_exec(
        *source.inside(sys.executable, "-c", SEND, target.address, str(PORT), str(COUNT)))
    arrived = [(int(number), float(delay)) for number, delay in
               [line.split() async for line in receiver.stdout]]
    await sender.wait()
    await receiver.wait()
    return arrived


async def trial():
    network = Namespaces()
    await network.start(["a", "b", "c"])
    a, b, c = (network.hosts[name] for name in "abc")
    seen = {"healthy": await probe(a, b)}
    await network.set_rules("x", b, [f"ip saddr {a.address} drop"])
    seen["dropped"] = await probe(a, b)
    seen["the other way"] = await probe(b, a)
    seen["another host"] = await probe(c, b)
    await network.set_rules("y", b, [f"ip saddr {c.address} drop"])
    await network.set_rules("x", b, [])
    seen["one of two faults ended"] = await probe(a, b)
    seen["the other goes on"] = await probe(c, b)
    await network.heal()
    seen["healed"] = await probe(c, b)
    await network.set_rules("x", b, [f"ip saddr {a.address} numgen random mod 100 < 25 drop"])
    seen["loss"] = await probe(a, b)
    await network.heal()
    await network.set_rate(a, 512)
    seen["rate"] = await probe(a, b)
    await network.heal()
    await network.set_way("x", a, b, {"delay_ms": 60, "jitter_ms": 5})
    seen["delay"] = await probe(a, b)
    seen["no delay back"] = await probe(b, a)
    await network.set_way("x", a, b, {"delay_ms": 5, "jitter_ms": 0, "reorder": 0.3})
    seen["reorder"] = await probe(a, b)
    await network.set_way("x", a, b, None)
    seen["delay healed"] = await probe(a, b)
    await network.set_way("x", a, b, {"delay_ms": 500})
    await network.heal()
    seen["all healed"] = await probe(a, b)
    await network.stop()
    print(json.dumps(seen))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(run_isolated(lambda: asyncio.run(trial())))
    except OSError as refused:
        print(refused, file=sys.stderr)
        sys.exit(77)
