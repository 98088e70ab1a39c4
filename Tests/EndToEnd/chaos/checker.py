"""Compares what every client was told with what is stored at the end.

What was promised:

- A message that was acknowledged is stored, once, under the id that was told. One that brought no answer is stored at
  most once; one that was refused is not. Nothing is stored that nobody sent.
- Ids rise in the order of acknowledgement: a message sent after another of its channel was acknowledged, by whomever,
  has the greater id, and stands behind it in the history.
- A page read after a message was acknowledged has it, and shows nothing that is gone later.
- A gateway session, through all its resumes, gets each message of its guilds that is newer than the guild's snapshot
  exactly once and in order, and its `s` rises by one. A session that was invalidated may miss what came after its last
  event, and nothing before it.
"""

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from dataclasses import dataclass

from chaos.record import Outcome, Run, SpanEnd

# Every kind of broken promise; each must be 0.
KINDS = (
    "lost", "duplicated", "reordered", "phantom", "changed", "stale",
    "event-missing", "event-doubled", "event-reordered", "event-phantom",
)


@dataclass(frozen=True)
class Violation:
    kind: str
    text: str


def check(run: Run) -> list[Violation]:
    """All broken promises of a run, in the order of `KINDS`."""
    found = [*_messages(run), *_order_of_writes(run), *_readings(run), *_sessions(run)]
    return sorted(found, key=lambda violation: KINDS.index(violation.kind))


def counts(violations) -> dict[str, int]:
    counted = Counter(violation.kind for violation in violations)
    return {kind: counted[kind] for kind in KINDS}


def _describe(write):
    return (
        f"{write.content!r} in channel {write.channel}, {write.outcome} as {write.message}, "
        f"{write.begun:.3f}–{write.ended:.3f} s, {write.attempts} attempts, nonce {write.has_nonce}"
    )


def _messages(run):
    """What is stored against what was sent."""
    stored = defaultdict(list)
    for channel, history in run.history.items():
        for identifier, content in history:
            stored[content].append((channel, identifier))
    sent = {}
    for write in run.writes:
        sent[write.content] = write
        places = stored.get(write.content, [])
        if len(places) > 1:
            yield Violation("duplicated", f"{_describe(write)} is stored {len(places)} times: {places}")
        if write.outcome is Outcome.ACKNOWLEDGED:
            if not places:
                yield Violation("lost", _describe(write))
            elif (write.channel, write.message) not in places:
                yield Violation("changed", f"{_describe(write)} is stored as {places}")
        elif places and write.outcome is Outcome.REFUSED:
            yield Violation("phantom", f"{_describe(write)} is stored as {places}")
        if write.outcome is Outcome.UNKNOWN and any(channel != write.channel for channel, _ in places):
            yield Violation("changed", f"{_describe(write)} is stored as {places}")
    for content, places in stored.items():
        if content not in sent:
            yield Violation("phantom", f"{content!r} is stored as {places}, and nobody sent it")


def _order_of_writes(run):
    for channel, history in run.history.items():
        for (before, _), (after, content) in zip(history, history[1:]):
            if after <= before:
                yield Violation("reordered", f"in the history of {channel}, {after} ({content!r}) follows {before}")
    by_channel = defaultdict(list)
    for write in run.writes:
        if write.outcome is Outcome.ACKNOWLEDGED:
            by_channel[write.channel].append(write)
    for writes in by_channel.values():
        # For each write in the order of beginning: the greatest id that had been acknowledged before.
        ended = sorted(writes, key=lambda write: write.ended)
        greatest, position = None, 0
        for write in sorted(writes, key=lambda write: write.begun):
            while ended[position].ended < write.begun:
                if greatest is None or ended[position].message > greatest.message:
                    greatest = ended[position]
                position += 1
            if greatest is not None and write.message <= greatest.message:
                yield Violation("reordered", f"{_describe(write)} began after {_describe(greatest)}")


def _readings(run):
    acknowledged = defaultdict(list)
    for write in run.writes:
        if write.outcome is Outcome.ACKNOWLEDGED:
            acknowledged[write.channel].append(write)
    for writes in acknowledged.values():
        writes.sort(key=lambda write: write.message)
    final = {channel: {identifier for identifier, _ in history} for channel, history in run.history.items()}
    ids = {channel: [write.message for write in writes] for channel, writes in acknowledged.items()}
    for reading in run.readings:
        page = reading.messages
        where = f"a page of {reading.channel} read at {reading.begun:.3f}–{reading.ended:.3f} s"
        if any(after >= before for before, after in zip(page, page[1:])):
            yield Violation("reordered", f"{where} is not newest first: {list(page)}")
            continue
        shown = set(page)
        if reading.channel in final and (gone := shown - final[reading.channel]):
            yield Violation("phantom", f"{where} shows {sorted(gone)}, which the channel does not hold at the end")
        oldest = page[-1] if len(page) >= reading.limit else 0
        writes = acknowledged.get(reading.channel, [])
        for write in writes[bisect_left(ids.get(reading.channel, []), oldest):]:
            # Ids rise in the order of acknowledgement (checked above), so no later one had been acknowledged.
            if write.begun > reading.begun:
                break
            if write.ended < reading.begun and write.message not in shown:
                yield Violation("stale", f"{where} lacks {_describe(write)}; its newest is {page[0] if page else None}")
                break


def _sessions(run):
    stored = defaultdict(list)
    for channel, history in run.history.items():
        stored[run.guild_of[channel]] += [identifier for identifier, _ in history]
    for ids in stored.values():
        ids.sort()
    for span in run.spans:
        for expected, got in span.broken_sequences:
            kind = "event-missing" if got > expected else "event-doubled"
            yield Violation(kind, f"session {span.session}: s is {got} where {expected} was to come")
        for guild in sorted(span.guilds | set(span.events)):
            yield from _guild_events(span, guild, stored[guild])


def _guild_events(span, guild, stored):
    where = f"session {span.session}, guild {guild}"
    got = span.events.get(guild, [])
    if guild not in span.floors:
        if got:
            yield Violation("event-phantom", f"{where}: events before its GUILD_CREATE: {list(got[:10])}")
        elif span.end is SpanEnd.FINISHED and guild in span.guilds:
            yield Violation("event-missing", f"{where}: no GUILD_CREATE ever came")
        return
    floor = span.floors[guild]
    expected = stored[bisect_right(stored, floor):]
    if span.end is SpanEnd.INVALIDATED:
        expected = expected[:bisect_right(expected, max(got, default=floor))]
    times = Counter(got)
    doubled = [identifier for identifier, count in times.items() if count > 1]
    missing = [identifier for identifier in expected if identifier not in times]
    known = set(expected)
    strange = [identifier for identifier in times if identifier not in known]
    if doubled:
        yield Violation("event-doubled", f"{where}: {len(doubled)} came more than once: {doubled[:10]}")
    if missing:
        yield Violation(
            "event-missing", f"{where}: {len(missing)} of {len(expected)} after {floor} never came: {missing[:10]}")
    if strange:
        yield Violation("event-phantom", f"{where}: not stored, or in its snapshot ({floor}): {strange[:10]}")
    firsts = list(times)
    for before, after in zip(firsts, firsts[1:]):
        if after < before:
            yield Violation("event-reordered", f"{where}: {after} came after {before}")
