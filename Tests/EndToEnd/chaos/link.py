"""The link process: carries packets between hosts' TUN devices, later, less often or in another order than they came.

Started as `python -m chaos.link '{"ADDRESS": "NETWORK NAMESPACE'S PATH", ...}'`. Each line on its standard input is
`{"from": ADDRESS, "to": ADDRESS, "delay_ms": 0, "jitter_ms": 0, "reorder": 0, "loss": 0}` (what is absent is 0); it
counts until the next line for the same two. It ends with its standard input.
"""

import fcntl
import heapq
import json
import os
import random
import select
import socket
import struct
import subprocess
import sys
import time

from chaos.isolation import die_with_parent, enter_network

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x1, 0x1000
# Over this many waiting packets new ones are dropped, as a router's full queue does.
MAXIMUM_WAITING = 20_000
# How much later than the others a reordered packet goes.
REORDER_DELAY = 0.02


def open_device(network):
    """A TUN device "tunnel" in that network namespace; the calling thread ends up in it."""
    enter_network(network)
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", b"tunnel", IFF_TUN | IFF_NO_PI))
    subprocess.run(["ip", "link", "set", "tunnel", "up", "mtu", "1500"], check=True)
    return device


class Link:
    def __init__(self, devices):
        self.devices = devices
        self.waiting = []
        self.treatments = {}
        self.number = 0

    def command(self, line):
        given = json.loads(line)
        pair = socket.inet_aton(given.pop("from")), socket.inet_aton(given.pop("to"))
        self.treatments[pair] = given

    def packet(self, packet, now):
        if len(packet) < 20 or packet[0] >> 4 != 4:
            return
        source, target = packet[12:16], packet[16:20]
        device = self.devices.get(target)
        treatment = self.treatments.get((source, target), {})
        if device is None or len(self.waiting) >= MAXIMUM_WAITING or random.random() < treatment.get("loss", 0):
            return
        delay = (treatment.get("delay_ms", 0) + random.random() * treatment.get("jitter_ms", 0)) / 1000
        if random.random() < treatment.get("reorder", 0):
            delay += REORDER_DELAY
        self.number += 1
        heapq.heappush(self.waiting, (now + delay, self.number, device, packet))

    def send_due(self, now):
        """Sends what is due; returns the seconds until the next packet is, or None."""
        while self.waiting:
            due, _, device, packet = self.waiting[0]
            if due > now:
                return due - now
            heapq.heappop(self.waiting)
            try:
                os.write(device, packet)
            except OSError:
                pass  # The device's queue is full, or its host is down: the packet is lost, as on any network.
        return None


def main():
    die_with_parent()
    places = json.loads(sys.argv[1])
    devices = {socket.inet_aton(address): open_device(network) for address, network in places.items()}
    link = Link(devices)
    poll = select.poll()
    for device in devices.values():
        poll.register(device, select.POLLIN)
    poll.register(sys.stdin.fileno(), select.POLLIN)
    print("ready", flush=True)
    commands = b""
    while True:
        wait = link.send_due(time.monotonic())
        for descriptor, _ in poll.poll(None if wait is None else max(wait * 1000, 0.2)):
            if descriptor == sys.stdin.fileno():
                read = os.read(descriptor, 65536)
                if not read:
                    return
                *lines, commands = (commands + read).split(b"\n")
                for line in lines:
                    link.command(line)
                continue
            for _ in range(64):
                try:
                    packet = os.read(descriptor, 65536)
                except BlockingIOError:
                    break
                link.packet(packet, time.monotonic())


if __name__ == "__main__":
    main()
