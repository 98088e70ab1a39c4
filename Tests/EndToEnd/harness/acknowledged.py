"""Compares what writers were told with what a channel holds.

What was promised: a message whose POST was acknowledged is there once; messages that one writer sent one after the
other, each after the acknowledgement of the one before, are there in that order; a message whose POST brought no answer
is there at most once; and nothing is there that nobody wrote.
"""

from dataclasses import dataclass, field


@dataclass
class Writer:
    """What one writer sent, in order. Each content is unique in the whole run."""

    name: str
    # content -> message id, in the order of sending.
    acknowledged: dict = field(default_factory=dict)
    # Contents that were sent and brought no answer.
    unknown: set = field(default_factory=set)
    # Contents that were refused with a status that says nothing was done.
    refused: set = field(default_factory=set)

    def sent(self):
        return set(self.acknowledged) | self.unknown | self.refused


def faults_of(writers, history):
    """The broken promises, as sentences. `history`: (message id, content), oldest first."""
    faults = []
    positions = {}
    previous = -1
    for position, (identifier, content) in enumerate(history):
        if int(identifier) <= previous:
            faults.append(f"ids do not rise: {identifier} after {previous}")
        previous = int(identifier)
        positions.setdefault(content, []).append((position, identifier))
    known = set()
    for writer in writers:
        known |= writer.sent()
        last = -1
        for content, identifier in writer.acknowledged.items():
            found = positions.get(content, [])
            if not found:
                faults.append(f"lost: {content!r} of {writer.name} was acknowledged as {identifier}")
                continue
            if len(found) > 1:
                faults.append(f"doubled: {content!r} of {writer.name} is there {len(found)} times")
            if found[0][1] != identifier:
                faults.append(f"changed id: {content!r} was acknowledged as {identifier}, is {found[0][1]}")
            if found[0][0] < last:
                faults.append(f"out of order: {content!r} of {writer.name} stands before one sent earlier")
            last = max(last, found[0][0])
        for content in writer.unknown:
            if len(positions.get(content, [])) > 1:
                faults.append(f"doubled: {content!r} of {writer.name}, never acknowledged, is there twice or more")
        for content in writer.refused:
            if content in positions:
                faults.append(f"refused yet there: {content!r} of {writer.name}")
    for content in positions:
        if content not in known:
            faults.append(f"nobody wrote {content!r}")
    return faults
