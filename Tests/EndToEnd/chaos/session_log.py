"""Follows one gateway session's payloads and keeps what the checker needs, for raw clients and for discord.py alike."""

from array import array

from chaos.record import Span, SpanEnd

DISPATCH, INVALID_SESSION = 0, 9


class SessionLog:
    """All spans of one client: each READY begins a new one."""

    def __init__(self, name):
        self.name = name
        self.spans = []
        self.session_id = None
        self.resume_url = None
        self.sequence = None
        self.resumes = 0
        self.invalidations = 0
        # GUILD_DELETE with `unavailable`, and GUILD_CREATE of a guild that the session had.
        self.outages = 0
        self.last_seen = {}

    @property
    def span(self):
        return self.spans[-1] if self.spans else None

    def feed(self, payload):
        """Takes one payload from the gateway, decoded."""
        if payload["op"] == INVALID_SESSION:
            self._invalidate()
        elif payload["op"] == DISPATCH:
            self._dispatch(payload["t"], payload["s"], payload["d"])

    def is_complete(self):
        """Whether the present session has had each of its guilds."""
        return self.session_id is not None and self.span.guilds <= self.span.floors.keys()

    def _invalidate(self):
        if self.session_id is not None:
            self.span.end = SpanEnd.INVALIDATED
            self.invalidations += 1
        self.session_id = self.sequence = None

    def _dispatch(self, name, sequence, data):
        if name == "READY":
            if self.session_id is not None:
                # The client identified although it had a session; nobody told it that events were lost.
                self.span.end = SpanEnd.INVALIDATED
            self.session_id, self.resume_url = data["session_id"], data["resume_gateway_url"]
            self.spans.append(Span(
                f"{self.name}/{len(self.spans) + 1}", {int(guild["id"]) for guild in data["guilds"]}))
        elif self.span is None:
            return
        elif sequence != self.sequence + 1:
            self.span.broken_sequences.append((self.sequence + 1, sequence))
        self.sequence = sequence
        if name == "GUILD_CREATE":
            self._guild(int(data["id"]), data)
        elif name == "GUILD_DELETE":
            self.outages += 1
        elif name == "MESSAGE_CREATE":
            self.span.events.setdefault(int(data["guild_id"]), array("Q")).append(int(data["id"]))
            self.last_seen[int(data["channel_id"])] = int(data["id"])
        elif name == "RESUMED":
            self.resumes += 1
            self.span.resumes += 1

    def _guild(self, guild, data):
        newest = max((int(channel.get("last_message_id") or 0) for channel in data["channels"]), default=0)
        if guild in self.span.floors:
            # A second snapshot does not excuse events that did not come.
            self.outages += 1
        else:
            self.span.floors[guild] = newest
        for channel in data["channels"]:
            identifier = int(channel["id"])
            seen = int(channel.get("last_message_id") or 0)
            self.last_seen[identifier] = max(self.last_seen.get(identifier, 0), seen)
