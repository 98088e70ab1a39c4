"""Accounts, bots and guilds for tests to begin with; every name is new."""

import secrets
from dataclasses import dataclass

from harness.gateway import ALL_INTENTS, Gateway
from harness.rest import Rest


@dataclass
class Account:
    """A user or a bot: `rest` is its view of the API."""

    id: str
    name: str
    token: str
    rest: Rest
    email: str = ""
    password: str = ""
    is_bot: bool = False


class People:
    def __init__(self, cluster, rest):
        self.cluster = cluster
        self.rest = rest

    @staticmethod
    def new_name(prefix="user"):
        return f"{prefix}_{secrets.token_hex(5)}"

    async def user(self, prefix="user"):
        """Registers a user through the API."""
        name, password = self.new_name(prefix), secrets.token_urlsafe(12)
        email = f"{name}@example.org"
        answer = await self.rest.post(
            "/auth/register", {"username": name, "email": email, "password": password}, expect=201
        )
        token = answer.json["token"]
        return Account(answer.json["user_id"], name, token, self.rest.with_token(token), email, password)

    def bot(self, owner, prefix="bot"):
        """Creates a bot by the operators' command."""
        name = self.new_name(prefix)
        made = self.cluster.guildctl.json("bot", "create", name, "--owner", owner.id)
        return Account(made["id"], name, made["token"], self.rest.with_token(f"Bot {made['token']}"), is_bot=True)

    async def guild(self, owner, name=None, on=None):
        """Creates a guild; `on`: until one lies on this guild node. The router picks the slots at random."""
        for _ in range(200):
            guild = (await owner.rest.post("/guilds", {"name": name or self.new_name("guild")}, expect=201)).json
            if on is None or self.cluster.where(guild["id"]) == on:
                return guild
            await owner.rest.delete(f"/guilds/{guild['id']}")
        raise AssertionError(f"200 guilds, and none of them on {on}")

    async def channel(self, owner, guild, name="general", **fields):
        answer = await owner.rest.post(f"/guilds/{guild['id']}/channels", {"name": name, "type": 0, **fields}, expect=201)
        return answer.json

    async def join(self, account, guild, inviter, channel=None):
        """Lets a user into a guild by an invite of `inviter`."""
        if channel is None:
            channels = (await inviter.rest.get(f"/guilds/{guild['id']}/channels")).json
            channel = next((c for c in channels if c["type"] == 0), None) or await self.channel(inviter, guild)
        invite = (await inviter.rest.post(f"/channels/{channel['id']}/invites", {})).json
        return (await account.rest.post(f"/invites/{invite['code']}", {})).json

    async def add_bot(self, owner, bot, guild, permissions="0"):
        """Adds a bot as Discord's own client does."""
        query = {"client_id": bot.id, "scope": "bot", "permissions": permissions}
        body = {"guild_id": guild["id"], "permissions": permissions, "authorize": True}
        return await owner.rest.post("/oauth2/authorize", body, query=query)

    async def connect(self, account, *, url=None, intents=ALL_INTENTS, compressed=False, **more):
        """A gateway session that is ready; `guilds` is what its GUILD_CREATEs said."""
        gateway = await Gateway.connect(url or self.cluster.websocket_url, compressed=compressed)
        if not account.is_bot:
            more.setdefault("capabilities", 0)
        await gateway.identify(account.token, intents, **more)
        gateway.guilds = await gateway.ready()
        return gateway
