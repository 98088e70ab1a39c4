import base64

from harness.cluster import until
from harness.people import People


async def test_a_registered_user_logs_in_and_sees_itself(people):
    user = await people.user("ann")
    login = await people.rest.post("/auth/login", {"login": user.email, "password": user.password})
    assert login.json["user_id"] == user.id and login.json["token"] != user.token
    for token in (user.token, login.json["token"]):
        me = (await people.rest.with_token(token).get("/users/@me")).json
        assert me["id"] == user.id and me["username"] == user.name and me["email"] == user.email


async def test_a_tokens_first_part_is_the_users_id(people):
    user = await people.user()
    first = user.token.split(".")[0]
    assert base64.urlsafe_b64decode(first + "=" * (-len(first) % 4)).decode() == user.id


async def test_a_logged_out_token_is_refused_and_the_others_hold(people):
    user = await people.user()
    login = await people.rest.post("/auth/login", {"login": user.email, "password": user.password})
    await user.rest.post("/auth/logout", {}, expect=204)
    # An edge may know the token for up to a second.
    await until(lambda: is_refused(user.rest), 2, "the token to be refused")
    await people.rest.with_token(login.json["token"]).get("/users/@me")


async def is_refused(rest):
    answer = await rest.get("/users/@me", expect=(200, 401))
    return answer.status == 401 and answer.code == 0


async def test_a_wrong_password_and_an_unknown_login_look_alike(people):
    user = await people.user()
    wrong = await people.rest.post("/auth/login", {"login": user.email, "password": "not it at all"}, expect=400)
    unknown = await people.rest.post("/auth/login", {"login": "nobody@example.org", "password": "x" * 12}, expect=400)
    assert wrong.code == unknown.code == 50035
    assert wrong.json["errors"] == unknown.json["errors"]


async def test_a_name_and_an_address_belong_to_one_account(people):
    user = await people.user()
    same_name = {"username": user.name, "email": f"{People.new_name()}@example.org", "password": "long enough"}
    answer = await people.rest.post("/auth/register", same_name, expect=400)
    assert answer.code == 50035 and answer.error_fields() == ["username"]
    same_email = {"username": People.new_name(), "email": user.email.upper(), "password": "long enough"}
    answer = await people.rest.post("/auth/register", same_email, expect=400)
    assert answer.code == 50035 and answer.error_fields() == ["email"]


async def test_many_registrations_of_one_name_at_once_make_one_account(people):
    import asyncio

    name = People.new_name("race")
    answers = await asyncio.gather(*(
        people.rest.post(
            "/auth/register",
            {"username": name, "email": f"{People.new_name()}@example.org", "password": "long enough"},
            expect=(201, 400),
        )
        for _ in range(8)
    ))
    assert sorted(answer.status for answer in answers) == [201] + [400] * 7


async def test_others_see_a_user_without_its_private_fields(people):
    ann, bob = await people.user("ann"), await people.user("bob")
    seen = (await bob.rest.get(f"/users/{ann.id}")).json
    assert seen["id"] == ann.id and seen["username"] == ann.name
    assert "email" not in seen and "token" not in seen
    missing = await bob.rest.get("/users/81384788765712384", expect=404)
    assert missing.code == 10013


async def test_a_user_changes_its_names(people):
    user = await people.user()
    new = People.new_name("renamed")
    changed = (await user.rest.patch("/users/@me", {"username": new, "password": user.password, "global_name": "Ann"})).json
    assert changed["username"] == new and changed["global_name"] == "Ann"
    assert (await user.rest.get("/users/@me")).json["username"] == new
    # The old name is free again.
    body = {"username": user.name, "email": f"{People.new_name()}@example.org", "password": "long enough"}
    await people.rest.post("/auth/register", body, expect=201)


async def test_a_bot_sees_its_application(people):
    owner = await people.user("owner")
    bot = people.bot(owner)
    me = (await bot.rest.get("/users/@me")).json
    assert me["id"] == bot.id and me["bot"] is True
    for path in ("/applications/@me", "/oauth2/applications/@me"):
        application = (await bot.rest.get(path)).json
        assert application["id"] == bot.id and application["owner"]["id"] == owner.id


async def test_a_bots_token_needs_its_prefix_and_a_users_token_has_none(people):
    owner = await people.user()
    bot = people.bot(owner)
    await people.rest.with_token(bot.token).get("/users/@me", expect=401)
    await people.rest.with_token(f"Bot {owner.token}").get("/users/@me", expect=401)


async def test_forged_and_broken_tokens_are_refused(people):
    user = await people.user()
    first, second, third = user.token.split(".")
    flipped = third[:-2] + ("A" if third[-2] != "A" else "B") + third[-1]
    for token in ("x", f"{first}.{second}", f"{first}.{second}.{flipped}", "Bot ", "a.b.c", f"{user.token}.more",
                  "é" * 40, "x" * 7000):
        answer = await people.rest.call("GET", "/users/@me", headers={"Authorization": token})
        assert answer.status == 401 and answer.code == 0, token
    answer = await people.rest.get("/users/@me", expect=401)
    assert answer.code == 0


async def test_the_older_version_of_the_api_is_served_too(people):
    user = await people.user()
    assert (await user.rest.get("/api/v9/users/@me")).json["id"] == user.id
    gateway = (await people.rest.get("/gateway")).json
    assert gateway["url"].startswith("ws://") and "?" not in gateway["url"]
    bot = people.bot(user)
    answer = (await bot.rest.get("/gateway/bot")).json
    assert answer["shards"] >= 1 and answer["session_start_limit"]["max_concurrency"] >= 1
