import warnings

import pytest

from harness import autobahn

# Of groups 1 to 7, 9 and 10 in Autobahn's test suite 25.10.1: so many that none can go missing unseen.
CASES = 301


@pytest.mark.timeout(autobahn.INSTALL_LIMIT * 3 + autobahn.RUN_LIMIT + 60)
def test_every_case_is_passed(tmp_path):
    try:
        wstest = autobahn.install()
    except autobahn.Unavailable as reason:
        said = f"AUTOBAHN'S OWN SUITE DID NOT RUN: {reason}. Its cases are in Tests/GatewayTests as well."
        warnings.warn(said, stacklevel=1)
        pytest.skip(said)
    results = autobahn.run(wstest, tmp_path)
    assert len(results) == CASES
    faults = autobahn.faults(results)
    assert not faults, "\n".join(faults)
