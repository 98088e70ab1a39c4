"""Guildhall's benchmarks; run them by `scripts/bench`."""

import argparse
import json
import pathlib
import tempfile

from cluster import Cluster, say
from fanout import compressed, deliveries
from rest import pages, posts
from rows import print_table

# Each takes a cluster and a folder, and yields rows; its rounds are interleaved with its peer's.
MEASURES = {"posts": posts, "pages": pages, "deliveries": deliveries, "compressed": compressed}


def main():
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description="Measures a release-built cluster on this machine beside peers or limits measured in the same run.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which: {', '.join(MEASURES)} (default: all)")
    parser.add_argument("--json", action="store_true", help="print rows as JSON")
    options = parser.parse_args()
    unknown = [name for name in options.names if name not in MEASURES]
    if unknown:
        parser.error(f"no benchmark {', '.join(unknown)}; there are {', '.join(MEASURES)}")
    rows = []
    for name in options.names or MEASURES:
        say(f"measuring {name} …")
        with tempfile.TemporaryDirectory(prefix="guildhall-bench-") as folder:
            with Cluster(pathlib.Path(folder)) as cluster:
                rows += MEASURES[name](cluster, pathlib.Path(folder))
    if options.json:
        print(json.dumps(rows, indent=2, ensure_ascii=False))
    else:
        print_table(rows)


if __name__ == "__main__":
    main()
