"""Guildhall's benchmarks; run them by `scripts/bench`."""

import argparse
import json
import pathlib
import sys
import tempfile

from cluster import Cluster
from measures import MEASURES


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
        print(f"measuring {name} …", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory(prefix="guildhall-bench-") as folder:
            cluster = Cluster(pathlib.Path(folder))
            try:
                rows += MEASURES[name](cluster, pathlib.Path(folder))
            finally:
                cluster.stop()
    if options.json:
        print(json.dumps(rows, indent=2))
    else:
        print_table(rows)


def print_table(rows):
    def number(value):
        if value is None:
            return "–"
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"

    heads = ("what", "value", "unit", "better", "peer", "peer's value", "ratio", "spread")
    lines = [heads] + [
        (row["name"], number(row["value"]), row["unit"], row["better"], row["peer"] or "–", number(row["peer_value"]),
         number(row["ratio"]), f"{row['spread']:.0%}") for row in rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(heads))]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip())


if __name__ == "__main__":
    main()
