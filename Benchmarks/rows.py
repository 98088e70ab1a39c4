"""The rows of the benchmarks' table."""

import statistics

ROUNDS = 5


def row(name, unit, better, values, peer=None, peer_values=None):
    """A row: the medians of the rounds, and (largest − smallest) / median of ours as the spread."""
    value = statistics.median(values)
    peer_value = statistics.median(peer_values) if peer_values else None
    return {
        "name": name, "value": value, "unit": unit, "better": better, "peer": peer, "peer_value": peer_value,
        "ratio": value / peer_value if peer_value else None,
        "spread": (max(values) - min(values)) / value if value else 0,
    }


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
