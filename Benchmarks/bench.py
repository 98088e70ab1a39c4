"""Guildhall's benchmarks; run them by `scripts/bench`."""

import argparse
import contextlib
import json
import pathlib
import shutil
import signal
import sys
import tempfile

from cluster import Cluster, say
from failover import failover
from fanout import compressed, deliveries
from rebalance import rebalance
from replication import replication
from rest import pages, posts
from rows import print_table

# Each takes a cluster and a folder, and yields rows; its rounds are interleaved with its peer's.
MEASURES = {"posts": posts, "pages": pages, "deliveries": deliveries, "compressed": compressed}
# Each takes a folder and the options, and makes its own clusters. They run when they are named.
CLUSTER_MEASURES = {"replication": replication, "failover": failover, "rebalance": rebalance}


@contextlib.contextmanager
def folder_of_its_own(is_kept):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="guildhall-bench-"))
    if is_kept:
        say(f"the folder is {folder}")
    try:
        yield folder
    finally:
        if not is_kept:
            shutil.rmtree(folder, ignore_errors=True)


def measured(name, options):
    with folder_of_its_own(options.keep) as folder:
        if name in CLUSTER_MEASURES:
            return list(CLUSTER_MEASURES[name](folder, options))
        with Cluster(folder) as cluster:
            return list(MEASURES[name](cluster, folder))


def positive(text):
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number


def parsed():
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description="Measures a release-built cluster on this machine beside peers or limits measured in the same run.")
    every = {**MEASURES, **CLUSTER_MEASURES}
    parser.add_argument(
        "names", nargs="*", metavar="NAME",
        help=f"which: {', '.join(every)} (default: {', '.join(MEASURES)})")
    parser.add_argument("--json", action="store_true", help="print rows as JSON")
    parser.add_argument("--keep", action="store_true", help="leave the clusters' folders, with their logs")
    parser.add_argument("--log-level", default="warning", help="of failover's, rebalance's and replication's processes")
    failing = parser.add_argument_group("failover")
    failing.add_argument("--rounds", type=positive, default=20, help="nodes to kill in each variant (20)")
    moving = parser.add_argument_group("rebalance")
    moving.add_argument("--messages", type=positive, default=5_000_000, help="how many are stored before (5000000)")
    moving.add_argument("--slot-megabytes", type=positive, default=650, metavar="N",
                        help="what one slot gets of these, in messages of 2,000 characters (650; at most half of them)")
    moving.add_argument("--rate", type=positive, metavar="N",
                        help="writes a second meanwhile (1000, or less, so that half of the CPU stays idle)")
    moving.add_argument("--quiet-seconds", type=positive, default=60, metavar="N",
                        help="how long writes are measured without moves (60)")
    moving.add_argument("--concurrency", type=positive, default=8, help="slots that move at once (8)")
    moving.add_argument("--preload-only", action="store_true",
                        help="stop once the messages are stored; with --keep, for --preloaded")
    moving.add_argument("--preloaded", type=pathlib.Path, metavar="FOLDER",
                        help="begin with a copy of what --preload-only has left there")
    moving.add_argument("--moments", action="store_true", help="say on standard error when writes waited over 50 ms")
    moving.add_argument("--bandwidth", help="bytes a second that new copies may take, as in 20M (no limit)")
    options = parser.parse_args()
    unknown = [name for name in options.names if name not in every]
    if unknown:
        parser.error(f"no benchmark {', '.join(unknown)}; there are {', '.join(every)}")
    return options


def main():
    options = parsed()
    # So that clusters are stopped and folders removed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    rows = []
    for name in options.names or MEASURES:
        say(f"measuring {name} …")
        rows += measured(name, options)
    if options.json:
        print(json.dumps(rows, indent=2, ensure_ascii=False))
    else:
        print_table(rows)


if __name__ == "__main__":
    main()
