"""The Autobahn suite's own `wstest` against the gateway's handshake and framing (groups 1 to 7, 9 and 10).

It needs Python 2.7, which Debian no longer has: without one this file is skipped, and says so. The same cases stand as a
table of Swift tests in Tests/GatewayTests, which always run.
"""

import json
import os
import shutil
import subprocess
import warnings
from pathlib import Path

import pytest

from harness.cluster import PROGRAMS, REPOSITORY

ENVIRONMENT = REPOSITORY / ".build-venv-27"


def python27():
    """A Python 2.7, also one that pyenv keeps."""
    candidates = [shutil.which("python2.7"), *sorted(Path.home().glob(".pyenv/versions/2.7.*/bin/python2.7"))]
    for candidate in candidates:
        if candidate and subprocess.run([candidate, "-c", "0"], capture_output=True).returncode == 0:
            return str(candidate)
    return None


@pytest.fixture(scope="module")
def wstest():
    program = ENVIRONMENT / "bin" / "wstest"
    if program.exists():
        return program
    python = python27()
    if python is None:
        warnings.warn("NO PYTHON 2.7: the Autobahn suite's wstest was not run", stacklevel=1)
        pytest.skip("no Python 2.7 on this machine: wstest was not run")
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    steps = (
        [python, "-m", "pip", "install", "-q", "--target", ENVIRONMENT / "tool", "virtualenv<20.22"],
        [python, "-m", "virtualenv", "-q", ENVIRONMENT],
        [ENVIRONMENT / "bin" / "pip", "install", "-q", "autobahntestsuite"],
    )
    for step in steps:
        tool = {**clean, "PYTHONPATH": str(ENVIRONMENT / "tool")} if "virtualenv" in step else clean
        done = subprocess.run(step, capture_output=True, text=True, timeout=600, env=tool)
        if done.returncode != 0:
            shutil.rmtree(ENVIRONMENT, ignore_errors=True)
            warnings.warn("WSTEST CANNOT BE INSTALLED: the Autobahn suite was not run", stacklevel=1)
            pytest.skip(f"wstest cannot be installed here: {done.stderr[-300:]}")
    return program


@pytest.mark.timeout(900)
def test_wstest_has_nothing_to_say(wstest, tmp_path):
    echo = subprocess.Popen([PROGRAMS / "websocket-echo"], stdout=subprocess.PIPE)
    try:
        port = int(echo.stdout.readline().split()[1])
        specification = tmp_path / "specification.json"
        specification.write_text(json.dumps({
            "outdir": str(tmp_path / "reports"),
            "servers": [{"agent": "guildhall", "url": f"ws://127.0.0.1:{port}"}],
            # The largest messages of group 9 take the debug build minutes and show nothing new.
            "cases": ["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "9.1.1", "9.1.2", "9.2.1", "9.2.2", "9.3.*",
                      "9.4.*", "9.5.*", "9.6.*", "9.7.*", "9.8.*", "10.*"],
            "exclude-cases": ["9.3.7", "9.3.8", "9.3.9", "9.4.7", "9.4.8", "9.4.9"], "exclude-agent-cases": {},
        }))
        done = subprocess.run(
            [wstest, "-m", "fuzzingclient", "-s", specification], capture_output=True, text=True, timeout=850,
            cwd=tmp_path,
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    finally:
        echo.kill()
        echo.wait()
    results = json.loads((tmp_path / "reports" / "index.json").read_text())["guildhall"]
    assert len(results) > 250
    bad = {
        case: result for case, result in results.items()
        if result["behavior"] not in ("OK", "INFORMATIONAL", "NON-STRICT")
        or result["behaviorClose"] not in ("OK", "INFORMATIONAL")
    }
    assert bad == {}
