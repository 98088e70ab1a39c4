"""Whatever comes in: Discord's status and code, the field named, and the process lives on."""

import pytest

UNKNOWN = "81384788765712384"


@pytest.fixture
async def room(people):
    owner = await people.user("owner")
    guild = await people.guild(owner)
    return owner, guild, await people.channel(owner, guild)


@pytest.mark.parametrize("body", [b"{", b"", b"\xff\xfe", b"nonsense", b'{"content": "x"', b"[" * 100_000, b'{"content": NaN}'])
async def test_what_is_no_json_is_50109(room, body):
    owner, guild, channel = room
    answer = await owner.rest.call(
        "POST", f"/channels/{channel['id']}/messages", data=body, headers={"Content-Type": "application/json"}
    )
    assert answer.status == 400
    # An empty body is an empty form for Discord, any other is no JSON.
    assert answer.code in ((50109, 50006, 50035) if body == b"" else (50109,))


@pytest.mark.parametrize("body, field", [
    ({"content": 5}, "content"),
    ({"content": {"a": 1}}, "content"),
    ({"content": "x" * 2001}, "content"),
    ({"content": "x", "embeds": "none"}, "embeds"),
    ({"content": "x", "embeds": [7]}, "embeds.0"),
    ({"content": "x", "tts": "perhaps"}, "tts"),
    ({"content": "x", "nonce": "n" * 26}, "nonce"),
    ({"content": "x", "message_reference": {"message_id": "zero"}}, "message_reference.message_id"),
    ({"content": "x", "allowed_mentions": {"parse": ["nobody"]}}, "allowed_mentions.parse.0"),
])
async def test_a_wrong_field_is_50035_and_named(room, body, field):
    owner, guild, channel = room
    answer = await owner.rest.post(f"/channels/{channel['id']}/messages", body, expect=400)
    assert answer.code == 50035
    assert any(name == field or name.startswith(field + ".") for name in answer.error_fields()), answer.json


@pytest.mark.parametrize("body", [{}, {"content": ""}, {"content": " \n\t "}, {"content": None, "embeds": []}])
async def test_an_empty_message_is_50006(room, body):
    owner, guild, channel = room
    answer = await owner.rest.post(f"/channels/{channel['id']}/messages", body, expect=400)
    assert answer.code == 50006


async def test_content_counts_characters_and_2000_fit(room):
    owner, guild, channel = room
    for content in ("x" * 2000, "ß" * 2000, "語" * 2000):
        sent = (await owner.rest.post(f"/channels/{channel['id']}/messages", {"content": content})).json
        assert sent["content"] == content


async def test_odd_text_comes_back_as_it_was(room):
    owner, guild, channel = room
    for content in ('"\\/\b\f\r\t', "\u2028 \u2029", "👩‍👩‍👧‍👦 🇩🇪", "\u0000in the middle", "a\u202eb", "</script>", "\ufeffx"):
        sent = (await owner.rest.post(f"/channels/{channel['id']}/messages", {"content": f"[{content}]"})).json
        read = (await owner.rest.get(f"/channels/{channel['id']}/messages/{sent['id']}")).json
        assert read["content"] == sent["content"]
        assert read["content"] in (f"[{content}]", f"[{content}]".replace("\u0000", ""))


@pytest.mark.parametrize("method, path, code", [
    ("GET", f"/channels/{UNKNOWN}", 10003),
    ("GET", f"/channels/{UNKNOWN}/messages", 10003),
    ("POST", f"/channels/{UNKNOWN}/messages", 10003),
    ("GET", f"/guilds/{UNKNOWN}", 10004),
    ("GET", f"/guilds/{UNKNOWN}/channels", 10004),
    ("GET", f"/users/{UNKNOWN}", 10013),
])
async def test_an_unknown_id_is_404_with_its_code(people, method, path, code):
    user = await people.user()
    answer = await user.rest.call(method, path, json_body={"content": "x"} if method == "POST" else None)
    assert answer.status == 404 and answer.code == code


@pytest.mark.parametrize("path", [
    "/channels/abc", "/channels/-1", "/channels/99999999999999999999999", "/guilds/1.5", "/users/0x10", "/channels/%00",
    "/channels/1%2f2",
])
async def test_an_id_that_is_none_is_refused(people, path):
    user = await people.user()
    answer = await user.rest.call("GET", path)
    assert answer.status in (400, 404)
    assert answer.code in (50035, 0, 10003, 10004, 10013)


@pytest.mark.parametrize("method, path, status, code", [
    ("GET", "/nothing/here", 404, 0), ("PUT", "/users/@me", 405, 0), ("GET", "/api/v1/users/@me", 400, 50041),
    ("DELETE", "/gateway", 405, 0), ("GET", "/", 404, 0), ("BREW", "/users/@me", 400, 0),
])
async def test_an_unknown_route_is_told_from_a_wrong_method(people, method, path, status, code):
    answer = await people.rest.call(method, path)
    assert (answer.status, answer.code) == (status, code)


async def test_a_body_over_the_limit_is_413_and_nothing_is_lost(people, room):
    owner, guild, channel = room
    path = f"/channels/{channel['id']}/messages"
    before = (await owner.rest.post(path, {"content": "before"})).json
    answer = await owner.rest.call(
        "POST", path, data=b'{"content": "' + b"x" * (30 << 20) + b'"}', headers={"Content-Type": "application/json"}
    )
    assert answer.status == 413
    assert [m["id"] for m in (await owner.rest.get(path)).json] == [before["id"]]


@pytest.mark.parametrize("body, field", [
    ({"username": "x", "email": "a@example.org", "password": "long enough"}, "username"),
    ({"username": "a" * 33, "email": "a@example.org", "password": "long enough"}, "username"),
    ({"username": "space d", "email": "a@example.org", "password": "long enough"}, "username"),
    ({"username": "fine_name", "email": "no address", "password": "long enough"}, "email"),
    ({"username": "fine_name", "email": "a@example.org", "password": "short"}, "password"),
    ({"username": "fine_name", "email": "a@example.org"}, "password"),
])
async def test_a_bad_registration_names_the_field(people, body, field):
    answer = await people.rest.post("/auth/register", body, expect=400)
    assert answer.code == 50035 and answer.error_fields() == [field]


@pytest.mark.parametrize("body, field", [({}, "name"), ({"name": "x"}, "name"), ({"name": "x" * 101}, "name"), ({"name": 7}, "name")])
async def test_a_guild_needs_a_name(people, body, field):
    user = await people.user()
    answer = await user.rest.post("/guilds", body, expect=400)
    assert answer.code == 50035 and answer.error_fields() == [field]


async def test_other_content_types_are_refused(room):
    owner, guild, channel = room
    answer = await owner.rest.call(
        "POST", f"/channels/{channel['id']}/messages", data=b"content=x", headers={"Content-Type": "text/plain"}
    )
    assert answer.status in (400, 415)
