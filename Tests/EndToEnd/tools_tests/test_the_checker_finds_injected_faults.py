"""The checker of the kill rounds must see what it is there for: each fault is injected and has to be named."""

import copy

from harness.acknowledged import Writer, faults_of


def a_clean_run():
    history = []
    writers = [Writer("first"), Writer("second")]
    identifier = 1000
    for round in range(20):
        for writer in writers:
            identifier += 7
            content = f"{writer.name} {round}"
            writer.acknowledged[content] = str(identifier)
            history.append((str(identifier), content))
    # One call that brought no answer was done, one was not, and one was refused.
    writers[0].unknown = {"first lost reply", "first never done"}
    history.append((str(identifier + 1), "first lost reply"))
    writers[1].refused = {"second refused"}
    return writers, history


def test_a_clean_run_has_no_fault():
    assert faults_of(*a_clean_run()) == []


def test_a_loss_is_found():
    writers, history = a_clean_run()
    del history[11]
    assert [fault.split(":")[0] for fault in faults_of(writers, history)] == ["lost"]


def test_a_duplicate_is_found():
    writers, history = a_clean_run()
    history.append((str(int(history[-1][0]) + 1), history[4][1]))
    assert [fault.split(":")[0] for fault in faults_of(writers, history)] == ["doubled"]


def test_a_duplicate_of_an_unacknowledged_message_is_found():
    writers, history = a_clean_run()
    history.append((str(int(history[-1][0]) + 1), "first lost reply"))
    assert [fault.split(":")[0] for fault in faults_of(writers, history)] == ["doubled"]


def test_a_swap_of_two_messages_of_one_writer_is_found():
    writers, history = a_clean_run()
    # Both contents and ids change places: the acknowledged ids still fit, so only the order betrays it.
    history[6], history[8] = history[8], history[6]
    kinds = {fault.split(":")[0] for fault in faults_of(writers, history)}
    assert "out of order" in kinds and "ids do not rise" in kinds


def test_a_swap_of_contents_alone_is_found():
    writers, history = a_clean_run()
    (left, left_content), (right, right_content) = history[6], history[8]
    history[6], history[8] = (left, right_content), (right, left_content)
    kinds = {fault.split(":")[0] for fault in faults_of(writers, history)}
    assert kinds == {"out of order", "changed id"}


def test_an_invented_message_is_found():
    writers, history = a_clean_run()
    history.append((str(int(history[-1][0]) + 1), "from nowhere"))
    assert faults_of(writers, history) == ["nobody wrote 'from nowhere'"]


def test_a_message_that_was_refused_is_found():
    writers, history = a_clean_run()
    history.append((str(int(history[-1][0]) + 1), "second refused"))
    assert [fault.split(":")[0] for fault in faults_of(writers, history)] == ["refused yet there"]


def test_the_checker_changes_nothing():
    writers, history = a_clean_run()
    before = copy.deepcopy((writers, history))
    faults_of(writers, history)
    assert (writers, history) == before
