"""What a run prints at its end: a text for people, and the same as JSON."""

import statistics
from collections import Counter

from chaos.checker import KINDS, counts
from chaos.faults import KINDS as KINDS_OF_FAULTS
from chaos.record import Outcome

EVIDENCE_SHOWN = 12


def percentiles(values):
    """Milliseconds: median, 99th percentile and the longest."""
    if not values:
        return {"count": 0, "p50_ms": None, "p99_ms": None, "max_ms": None}
    ordered = sorted(values)
    return {
        "count": len(ordered), "p50_ms": round(statistics.median(ordered) * 1000, 1),
        "p99_ms": round(ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))] * 1000, 1),
        "max_ms": round(ordered[-1] * 1000, 1),
    }


def pauses(writes, occurrences):
    """For each kind of fault: how often it was there, how long it lasted, and the longest write that it met.

    Only writes that were repeated until they succeeded count: their time is the time in which a client could not write.
    `alone`: among those that met no other kind.
    """
    writes = [write for write in writes if write.outcome is Outcome.ACKNOWLEDGED and write.has_nonce]
    result = {}
    for kind in sorted({occurrence.kind for occurrence in occurrences}):
        result[kind] = {"count": 0, "longest_fault_s": 0.0, "longest_pause_s": 0.0, "longest_pause_alone_s": 0.0}
    for occurrence in occurrences:
        of_kind = result[occurrence.kind]
        of_kind["count"] += 1
        of_kind["longest_fault_s"] = max(of_kind["longest_fault_s"], round(occurrence.ended - occurrence.begun, 2))
    for write in writes:
        met = {o.kind for o in occurrences if o.begun <= write.ended and write.begun <= o.ended}
        length = round(write.ended - write.begun, 2)
        for kind in met:
            of_kind = result[kind]
            of_kind["longest_pause_s"] = max(of_kind["longest_pause_s"], length)
            if len(met) == 1:
                of_kind["longest_pause_alone_s"] = max(of_kind["longest_pause_alone_s"], length)
    return result


def slower_than_expected(faults):
    """Where a write waited longer than replicas allow the kind, though nothing else was broken meanwhile."""
    slow = []
    for name, of_kind in faults.items():
        most, longest = KINDS_OF_FAULTS[name].maximum_pause, of_kind["longest_pause_alone_s"]
        if most is not None and longest > most:
            slow.append(f"{name}: a write took {longest} s, and at most {most} s were expected")
    return slow


def summary(run, *, occurrences, skipped, violations, problems, endings, load, listeners, settings, calm_until,
            is_replicated, is_strict):
    """The whole result as a value for JSON."""
    outcomes = Counter(write.outcome for write in run.writes)
    acknowledged = [write for write in run.writes if write.outcome is Outcome.ACKNOWLEDGED]
    calm = [write.ended - write.begun for write in acknowledged if write.ended < calm_until]
    later = [write.ended - write.begun for write in acknowledged if write.ended >= calm_until]
    logs = [listener.log for listener in listeners]
    crashes = [str(ending) for ending in endings if ending.is_crash]
    faults = pauses(run.writes, occurrences)
    slow = slower_than_expected(faults) if is_replicated else []
    broken = counts(violations)
    return {
        "settings": settings,
        "verdict": "failed" if violations or problems or crashes or (is_strict and slow) else "passed",
        "violations": broken,
        "evidence": [f"{violation.kind}: {violation.text}" for violation in violations],
        "problems": problems,
        "crashes": crashes,
        "ended_by_themselves": [str(ending) for ending in endings if not ending.is_crash],
        "operations": {
            "writes": len(run.writes), **{outcome.value: outcomes[outcome] for outcome in Outcome},
            "unknown_share": round(outcomes[Outcome.UNKNOWN] / max(1, len(run.writes)), 5),
            "attempts": sum(write.attempts for write in run.writes),
            "statuses": dict(sorted((str(status), count) for status, count in load.statuses.items())),
            "pages_read": len(run.readings), "pages_not_read": load.read_failures,
            "messages_stored": sum(map(len, run.history.values())),
        },
        "sessions": {
            "listeners": len(listeners), "spans": len(run.spans), "resumes": sum(log.resumes for log in logs),
            "invalidated": sum(log.invalidations for log in logs), "breaks": sum(one.breaks for one in listeners),
            "cut_by_the_client": sum(one.cuts for one in listeners),
            "events": sum(len(events) for span in run.spans for events in span.events.values()),
            "outages_told": sum(log.outages for log in logs),
            "problems": dict(sum((Counter(one.problems) for one in listeners), Counter())),
        },
        "write_latency": {"before_the_faults": percentiles(calm), "under_faults": percentiles(later)},
        "faults": faults,
        "slower_than_expected": slow,
        "skipped_faults": skipped,
    }


def text(result, folder):
    """The same for people."""
    operations, sessions = result["operations"], result["sessions"]
    lines = ["", "settings    " + ", ".join(f"{name} {value}" for name, value in result["settings"].items())]
    lines.append(
        f"operations  {operations['writes']} writes: {operations['acknowledged']} acknowledged, "
        f"{operations['refused']} refused, {operations['unknown']} unknown "
        f"({operations['unknown_share']:.2%}), in {operations['attempts']} attempts; "
        f"{operations['pages_read']} pages read, {operations['pages_not_read']} not; "
        f"{operations['messages_stored']} messages stored")
    lines.append("statuses    " + ", ".join(
        f"{status}: {count}" for status, count in operations["statuses"].items()))
    lines.append(
        f"sessions    {sessions['listeners']} listeners, {sessions['events']} messages heard, {sessions['resumes']} "
        f"resumes, {sessions['invalidated']} invalidated, {sessions['breaks']} breaks, of which "
        f"{sessions['cut_by_the_client']} by the clients")
    for name, latency in result["write_latency"].items():
        lines.append(
            f"writes      {name.replace('_', ' ')}: {latency['count']}, p50 {latency['p50_ms']} ms, "
            f"p99 {latency['p99_ms']} ms, longest {latency['max_ms']} ms")
    if result["faults"]:
        heads = f"{'FAULT':<20}{'COUNT':>6}{'LONGEST':>10}{'LONGEST WRITE':>16}{'ALONE':>10}   (seconds)"
        lines += ["", heads]
        for kind, of_kind in result["faults"].items():
            lines.append(
                f"{kind:<20}{of_kind['count']:>6}{of_kind['longest_fault_s']:>10.2f}"
                f"{of_kind['longest_pause_s']:>16.2f}{of_kind['longest_pause_alone_s']:>10.2f}")
    for kind, reason in result["skipped_faults"].items():
        lines.append(f"{kind:<20}  none: {reason}")
    lines.append("")
    lines += [f"note: {ending}" for ending in result["ended_by_themselves"]]
    lines += [f"SLOW: {slow}" for slow in result["slower_than_expected"]]
    lines += [f"CRASH: {crash}" for crash in result["crashes"]]
    lines += [f"PROBLEM: {problem}" for problem in result["problems"]]
    shown = Counter()
    for evidence in result["evidence"]:
        kind = evidence.split(":", 1)[0]
        shown[kind] += 1
        if shown[kind] <= EVIDENCE_SHOWN:
            lines.append(f"VIOLATION: {evidence[:600]}")
    lines.append("  ".join(f"{kind} {result['violations'][kind]}" for kind in KINDS))
    lines.append(f"{result['verdict']}" + ("" if result["verdict"] == "passed" else f"; evidence and logs: {folder}"))
    return "\n".join(lines)
