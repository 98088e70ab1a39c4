"""The checker of the fault tests must see what it is there for: each fault is injected and has to be named."""

from array import array

import pytest

from chaos.checker import KINDS, check, counts
from chaos.record import Outcome, Reading, Run, Span, SpanEnd, Write

GUILDS = {1: (11, 12), 2: (21, 22)}
ROUNDS = 30


def a_clean_run():
    """Two writers a channel; readers and one session of each kind, all as they should be."""
    run = Run(guild_of={channel: guild for guild, channels in GUILDS.items() for channel in channels})
    run.history = {channel: [] for channel in run.guild_of}
    now, identifier = 0.0, 1000
    by_guild = {guild: [] for guild in GUILDS}
    for sequence in range(ROUNDS):
        for channel, guild in run.guild_of.items():
            for writer in ("a", "b"):
                now += 1
                identifier += 3
                content = f"{writer} {channel} {sequence}"
                run.writes.append(Write(
                    f"{writer} {channel}", sequence, channel, content, Outcome.ACKNOWLEDGED, now, now + 0.5,
                    identifier, has_nonce=writer == "a"))
                run.history[channel].append((identifier, content))
                by_guild[guild].append(identifier)
            page = array("Q", [identifier for identifier, _ in run.history[channel][:-11:-1]])
            run.readings.append(Reading(channel, now + 0.6, now + 0.9, 10, page))
    # One call without an answer was done, one was not, and one was refused.
    for outcome, content, is_stored in (
        (Outcome.UNKNOWN, "done, not told", True), (Outcome.UNKNOWN, "not done", False),
        (Outcome.REFUSED, "refused", False),
    ):
        now, identifier = now + 1, identifier + 3
        run.writes.append(Write("c 11", 0, 11, content, outcome, now, now + 9))
        if is_stored:
            run.history[11].append((identifier, content))
            by_guild[1].append(identifier)
    floors = {guild: ids[4] for guild, ids in by_guild.items()}
    whole = {guild: array("Q", ids[5:]) for guild, ids in by_guild.items()}
    cut = {guild: array("Q", ids[5:25]) for guild, ids in by_guild.items()}
    run.spans = [
        Span("whole", set(GUILDS), dict(floors), whole, resumes=7),
        Span("cut", set(GUILDS), dict(floors), cut, end=SpanEnd.INVALIDATED),
    ]
    return run


def kinds(run):
    return {violation.kind for violation in check(run)}


def test_a_clean_run_has_no_fault():
    assert check(a_clean_run()) == []


def test_a_loss_is_found():
    run = a_clean_run()
    lost = run.history[12].pop(7)
    for span in run.spans:
        span.events[1] = array("Q", [identifier for identifier in span.events[1] if identifier != lost[0]])
    run.readings.clear()
    assert [violation.kind for violation in check(run)] == ["lost"]


def test_a_loss_that_a_reader_and_a_session_saw_stored_is_found_there_too():
    run = a_clean_run()
    del run.history[12][20]
    assert {"lost", "phantom", "event-phantom"} == kinds(run)


@pytest.mark.parametrize("content", ["a 11 7", "b 11 7", "done, not told"], ids=["nonce", "no nonce", "unknown"])
def test_a_duplicate_is_found(content):
    run = a_clean_run()
    again = run.history[11][-1][0] + 1
    run.history[11].append((again, content))
    run.spans[0].events[1].append(again)
    assert kinds(run) == {"duplicated"}


def test_a_swap_of_two_messages_is_found():
    run = a_clean_run()
    history = run.history[21]
    (left, left_content), (right, right_content) = history[4], history[6]
    history[4], history[6] = (left, right_content), (right, left_content)
    assert kinds(run) == {"changed"}
    for write in run.writes:
        if write.content in (left_content, right_content):
            write.message = left if write.content == right_content else right
    run.readings.clear()
    assert kinds(run) == {"reordered"}


def test_a_history_out_of_order_is_found():
    run = a_clean_run()
    history = run.history[21]
    history[4], history[6] = history[6], history[4]
    assert kinds(run) == {"reordered"}


def test_an_id_below_one_that_another_writer_was_told_before_is_found():
    run = a_clean_run()
    write = next(write for write in run.writes if write.content == "b 22 20")
    at = next(i for i, (identifier, _) in enumerate(run.history[22]) if identifier == write.message)
    run.history[22].pop(at)
    write.message = run.history[22][10][0] + 1
    run.history[22].insert(11, (write.message, write.content))
    run.readings.clear()
    run.spans.clear()
    assert kinds(run) == {"reordered"}


def test_an_invented_message_is_found():
    run = a_clean_run()
    run.history[22].append((run.history[22][-1][0] + 1, "from nowhere"))
    run.spans.clear()
    assert [violation.kind for violation in check(run)] == ["phantom"]


def test_a_message_that_was_refused_is_found():
    run = a_clean_run()
    run.history[11].append((run.history[11][-1][0] + 1, "refused"))
    run.spans.clear()
    assert [violation.kind for violation in check(run)] == ["phantom"]


def test_a_message_in_another_channel_is_found():
    run = a_clean_run()
    run.history[12].append(run.history[11].pop())
    assert kinds(run) == {"changed"}


def test_an_old_page_is_found():
    run = a_clean_run()
    early, late = run.readings[40], run.readings[80]
    assert early.channel == late.channel
    late.messages = early.messages
    assert [violation.kind for violation in check(run)] == ["stale"]


def test_a_page_with_a_hole_is_found():
    run = a_clean_run()
    run.readings[50].messages.pop(3)
    run.readings[50].limit = len(run.readings[50].messages)
    assert [violation.kind for violation in check(run)] == ["stale"]


def test_a_page_out_of_order_is_found():
    run = a_clean_run()
    page = run.readings[50].messages
    page[2], page[3] = page[3], page[2]
    assert [violation.kind for violation in check(run)] == ["reordered"]


def test_an_event_that_never_came_is_found_in_both_kinds_of_span():
    for number in (0, 1):
        run = a_clean_run()
        run.spans[number].events[2].pop(9)
        assert [violation.kind for violation in check(run)] == ["event-missing"]


def test_the_first_and_the_last_event_count():
    for position in (0, -1):
        run = a_clean_run()
        run.spans[0].events[2].pop(position)
        assert [violation.kind for violation in check(run)] == ["event-missing"]


def test_an_invalidated_session_may_miss_only_what_came_after_its_last_event():
    run = a_clean_run()
    run.spans[1].events[2].pop()
    assert check(run) == []


def test_a_doubled_event_is_found():
    run = a_clean_run()
    run.spans[0].events[2].append(run.spans[0].events[2][4])
    assert [violation.kind for violation in check(run)] == ["event-doubled"]


def test_swapped_events_are_found():
    run = a_clean_run()
    events = run.spans[0].events[1]
    events[3], events[4] = events[4], events[3]
    assert [violation.kind for violation in check(run)] == ["event-reordered"]


def test_an_event_of_what_is_not_stored_is_found():
    run = a_clean_run()
    run.spans[0].events[1].append(999_999)
    assert [violation.kind for violation in check(run)] == ["event-phantom"]


def test_an_event_that_the_snapshot_held_is_found():
    run = a_clean_run()
    run.spans[0].events[1].insert(0, run.spans[0].floors[1])
    assert [violation.kind for violation in check(run)] == ["event-phantom"]


def test_a_guild_that_never_came_is_found():
    run = a_clean_run()
    del run.spans[0].floors[2], run.spans[0].events[2]
    assert [violation.kind for violation in check(run)] == ["event-missing"]


def test_a_broken_sequence_is_found():
    run = a_clean_run()
    run.spans[0].broken_sequences = [(8, 9), (12, 11)]
    assert [violation.kind for violation in check(run)] == ["event-missing", "event-doubled"]


def test_every_kind_is_counted_also_at_zero():
    assert counts(check(a_clean_run())) == {kind: 0 for kind in KINDS}
