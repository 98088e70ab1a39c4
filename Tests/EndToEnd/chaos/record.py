"""What the clients of a run were told, and what is stored at its end: the checker's input.

Times are seconds of one monotonic clock. Ids are integers, as they order by.
"""

from array import array
from dataclasses import dataclass, field
from enum import StrEnum


class Outcome(StrEnum):
    ACKNOWLEDGED = "acknowledged"
    # A status that says that nothing was done.
    REFUSED = "refused"
    # No answer, or one that leaves open whether it was done.
    UNKNOWN = "unknown"


@dataclass(slots=True)
class Write:
    """One message that a writer sent: once, or, with a nonce, until it was answered. Each content is unique."""

    writer: str
    sequence: int
    channel: int
    content: str
    outcome: Outcome
    begun: float
    ended: float
    message: int | None = None
    has_nonce: bool = False
    attempts: int = 1


@dataclass(slots=True)
class Reading:
    """The newest page of a channel as a reader got it, newest first."""

    channel: int
    begun: float
    ended: float
    limit: int
    messages: array


class SpanEnd(StrEnum):
    # The run was over: everything that is stored must have come.
    FINISHED = "finished"
    # The gateway told the client to identify again: what came before must be complete.
    INVALIDATED = "invalidated"


@dataclass(slots=True)
class Span:
    """A gateway session from its READY on, through all its resumes."""

    session: str
    # What READY named.
    guilds: set[int] = field(default_factory=set)
    # Guild -> the newest message in its GUILD_CREATE: events begin behind it.
    floors: dict[int, int] = field(default_factory=dict)
    # Guild -> the messages that MESSAGE_CREATE brought, in the order of their coming.
    events: dict[int, array] = field(default_factory=dict)
    # Where `s` did not rise by one: (expected, got).
    broken_sequences: list[tuple[int, int]] = field(default_factory=list)
    resumes: int = 0
    end: SpanEnd = SpanEnd.FINISHED


@dataclass
class Run:
    writes: list[Write] = field(default_factory=list)
    readings: list[Reading] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)
    # Channel -> its guild.
    guild_of: dict[int, int] = field(default_factory=dict)
    # Channel -> (message, content), oldest first, as the pages at the end had it.
    history: dict[int, list[tuple[int, str]]] = field(default_factory=dict)
