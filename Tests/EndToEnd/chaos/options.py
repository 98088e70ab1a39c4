"""The options of `scripts/chaos`."""

import argparse
import random
from pathlib import Path

from chaos.faults import KINDS

REPOSITORY = Path(__file__).resolve().parents[3]


def options():
    parser = argparse.ArgumentParser(
        prog="scripts/chaos", description="Breaks a real cluster under load, and checks that no promise was broken.")
    parser.add_argument("--minutes", type=float, default=2, help="how long faults happen (2)")
    parser.add_argument("--seed", type=int, help="repeats the choices of a run; a new one is drawn and printed")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.add_argument("--faults", type=lambda text: text.split(","), metavar="KIND,…",
                        help=f"only these kinds: {', '.join(KINDS)}")
    parser.add_argument("--hosts", choices=("netns", "loopback"),
                        help="network namespaces (where permitted), or this machine's loopback, without network faults")
    parser.add_argument("--coordinator", choices=("embedded", "etcd"), default="embedded")
    parser.add_argument("--guild-nodes", type=int, default=3)
    parser.add_argument("--gateway-nodes", type=int, default=3)
    parser.add_argument("--rate", type=float, default=60, help="messages a second of all writers (60)")
    parser.add_argument("--guilds", type=int, default=12)
    parser.add_argument("--channels", type=int, default=3, help="of each guild, with a writer each (3)")
    parser.add_argument("--readers", type=int, default=3)
    parser.add_argument("--listeners", type=int, default=10, help="gateway sessions; the first is discord.py (10)")
    parser.add_argument("--guilds-a-bot", type=int, default=4)
    parser.add_argument("--cut-every", type=float, default=15,
                        help="mean seconds until a raw listener cuts itself off")
    parser.add_argument("--without-library", action="store_true", help="no discord.py among the listeners")
    parser.add_argument("--programs", type=Path, default=REPOSITORY / ".build" / "debug")
    parser.add_argument("--log-level", default="info")
    parser.add_argument("--strict", action="store_true",
                        help="fail as well when a write waited longer than its fault lets expect with three replicas")
    parser.add_argument("--prove", action="store_true",
                        help="do also what loses data by right, such as wipe-guild without replicas: it must be found")
    parser.add_argument("--keep", action="store_true", help="keep data and logs also when nothing was found")
    parser.add_argument("--folder", type=Path,
                        help="where data and logs lie (a new one in the system's temporary folder)")
    chosen = parser.parse_args()
    for name in chosen.faults or ():
        if name not in KINDS:
            parser.error(f"no fault '{name}'; there are: {', '.join(KINDS)}")
    if chosen.guild_nodes < 2 or chosen.gateway_nodes < 1 or chosen.listeners < 1 or chosen.guilds < 1:
        parser.error("there must be two guild nodes, a gateway, a listener and a guild")
    if chosen.seed is None:
        chosen.seed = random.SystemRandom().randrange(1 << 31)
    return chosen


if __name__ == "__main__":
    options()
