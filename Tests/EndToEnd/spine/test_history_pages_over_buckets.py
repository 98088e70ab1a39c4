"""A bucket of messages is ten days; the tests' clock makes history over months."""

import pytest
import pytest_asyncio

from harness.world import begin_at, bucket, move_clock, write

DAYS = (-92, -75, -61, -44, -30, -16, -3, 0)
A_DAY = 5


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def history(own_cluster_of_module, people_of_module):
    """A channel with messages on eight days over three months, oldest first."""
    cluster, people = own_cluster_of_module, people_of_module
    await begin_at(cluster, people, DAYS[0] - 1)
    owner = await people.user("owner")
    guild = await people.guild(owner)
    channel = await people.channel(owner, guild)
    ids = []
    for day in DAYS:
        await move_clock(cluster, owner, channel, day)
        for number in range(A_DAY):
            ids.append(await write(owner, channel, f"day {day}, message {number}"))
    return owner, channel, ids


async def test_the_history_spans_at_least_five_buckets(history):
    owner, channel, ids = history
    assert len({bucket(identifier) for identifier in ids}) >= 5
    assert ids == sorted(ids, key=int)


async def pages(owner, channel, limit, key, start):
    found = []
    anchor = start
    while True:
        query = {"limit": limit} | ({key: anchor} if anchor else {})
        page = [m["id"] for m in (await owner.rest.get(f"/channels/{channel['id']}/messages", query=query)).json]
        assert len(page) <= limit and page == sorted(page, key=int, reverse=True)
        found.append(page)
        if not page:
            return found
        anchor = page[-1] if key == "before" else page[0]


@pytest.mark.parametrize("limit", [1, 3, 7, 50])
async def test_paging_backwards_meets_every_message_once(history, limit):
    owner, channel, ids = history
    met = [identifier for page in await pages(owner, channel, limit, "before", None) for identifier in page]
    assert met == ids[::-1]


@pytest.mark.parametrize("limit", [1, 3, 7, 50])
async def test_paging_forwards_meets_every_message_once(history, limit):
    owner, channel, ids = history
    met = [identifier for page in await pages(owner, channel, limit, "after", "1") for identifier in page[::-1]]
    assert met == ids


async def test_around_shows_both_sides_of_a_message(history):
    owner, channel, ids = history
    path = f"/channels/{channel['id']}/messages"
    middle = len(ids) // 2
    page = [m["id"] for m in (await owner.rest.get(path, query={"around": ids[middle], "limit": 7})).json]
    assert page == ids[middle - 3 : middle + 4][::-1]
    page = [m["id"] for m in (await owner.rest.get(path, query={"around": ids[0], "limit": 5})).json]
    assert page[-1] == ids[0] and ids[1] in page


async def test_deleted_messages_are_passed_over_and_the_page_stays_full(history):
    owner, channel, ids = history
    path = f"/channels/{channel['id']}/messages"
    gone = [identifier for identifier in ids[10:20]]
    for identifier in gone:
        await owner.rest.delete(f"{path}/{identifier}")
    del ids[10:20]
    page = [m["id"] for m in (await owner.rest.get(path, query={"before": ids[12], "limit": 10})).json]
    assert page == ids[2:12][::-1]


async def test_wrong_limits_and_anchors_are_refused(history):
    owner, channel, ids = history
    path = f"/channels/{channel['id']}/messages"
    for query in ({"limit": 0}, {"limit": 101}, {"limit": "many"}, {"before": "yesterday"}):
        answer = await owner.rest.get(path, query=query, expect=400)
        assert answer.code == 50035
    assert (await owner.rest.get(path, query={"before": "1"})).json == []
