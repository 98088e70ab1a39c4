from harness import autobahn


def result(behavior, behavior_close="OK"):
    return {"behavior": behavior, "behaviorClose": behavior_close, "remoteCloseCode": 1000}


def test_what_autobahn_lets_pass_is_no_fault():
    assert autobahn.faults({
        "1.1.1": result("OK"), "6.4.1": result("NON-STRICT"), "7.1.6": result("INFORMATIONAL", "INFORMATIONAL"),
    }) == []


def test_failures_and_wrong_closes_are_named_in_the_order_of_their_numbers():
    faults = autobahn.faults({
        "10.1.1": result("FAILED"), "2.5": result("OK", "WRONG CODE"), "9.1.1": result("OK", "UNCLEAN"),
        "3.1": result("OK"),
    })
    assert [fault.split(":")[0] for fault in faults] == ["2.5", "9.1.1", "10.1.1"]
