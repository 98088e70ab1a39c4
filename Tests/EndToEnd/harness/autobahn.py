"""Autobahn's own test program, `wstest`: it runs on Python 2.7 only, and has an environment of its own."""

import filecmp
import json
import os
import shutil
import subprocess
from pathlib import Path

from harness.cluster import PROGRAMS, REPOSITORY

ENVIRONMENT = REPOSITORY / ".build-venv-autobahn"
REQUIREMENTS = REPOSITORY / "Tests" / "Autobahn" / "requirements.txt"
# The last that makes environments of Python 2.7.
VIRTUALENV = "virtualenv==20.15.1"
# 8 is reserved; 11 is empty; 12 and 13 are about the compression extension, which Discord's gateway does not have.
GROUPS = ["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "9.*", "10.*"]
INSTALL_LIMIT = 300
RUN_LIMIT = 240
GOOD = {"OK", "NON-STRICT", "INFORMATIONAL"}


class Unavailable(Exception):
    """Why `wstest` cannot run on this machine."""


def _python():
    """A Python 2.7 that works; what a version manager puts on the PATH may only say that it has none."""
    candidates = [os.environ.get("PYTHON27"), shutil.which("python2.7")]
    candidates += sorted(Path.home().glob(".pyenv/versions/2.7*/bin/python2.7"))
    for candidate in filter(None, candidates):
        done = subprocess.run(
            [candidate, "-c", "import sys; print(sys.version_info[:2] == (2, 7))"], capture_output=True, timeout=30)
        if done.stdout.strip() == b"True":
            return str(candidate)
    raise Unavailable("there is no Python 2.7 (looked for $PYTHON27, python2.7 and ~/.pyenv/versions/2.7*)")


def _run(*command, **variables):
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=INSTALL_LIMIT, stdin=subprocess.DEVNULL,
            env={**clean, **variables})
    except subprocess.TimeoutExpired:
        raise Unavailable(f"{' '.join(map(str, command))} took more than {INSTALL_LIMIT} s") from None
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip().splitlines()[-3:]
        raise Unavailable(f"{' '.join(map(str, command))}: " + " ".join(said))


def install():
    """The path of `wstest`, installed if it is not; raises Unavailable."""
    stamp = ENVIRONMENT / "requirements.txt"
    if not stamp.exists() or not filecmp.cmp(stamp, REQUIREMENTS, shallow=False):
        python = _python()
        shutil.rmtree(ENVIRONMENT, ignore_errors=True)
        tool = ENVIRONMENT / "tool"
        _run(python, "-m", "pip", "install", "--quiet", "--target", tool, VIRTUALENV)
        _run(python, "-m", "virtualenv", "--quiet", ENVIRONMENT, PYTHONPATH=str(tool))
        _run(ENVIRONMENT / "bin" / "pip", "install", "--quiet", "--requirement", REQUIREMENTS)
        shutil.copy(REQUIREMENTS, stamp)
    return ENVIRONMENT / "bin" / "wstest"


def run(wstest, folder):
    """Runs every group against `websocket-echo`: results by case, each with `behavior` and `behaviorClose`."""
    with subprocess.Popen(
        [PROGRAMS / "websocket-echo"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as echo:
        try:
            port = int(echo.stdout.readline())
            specification = {
                "outdir": str(folder / "reports"),
                "servers": [{"agent": "guildhall", "url": f"ws://127.0.0.1:{port}"}],
                "cases": GROUPS, "exclude-cases": [], "exclude-agent-cases": {},
            }
            (folder / "specification.json").write_text(json.dumps(specification))
            with open(folder / "wstest.log", "w") as log:
                subprocess.run(
                    [wstest, "--mode", "fuzzingclient", "--spec", "specification.json"], cwd=folder, check=True,
                    stdout=log, stderr=subprocess.STDOUT, timeout=RUN_LIMIT)
            assert echo.poll() is None, "websocket-echo died"
        finally:
            # It ends with its standard input.
            echo.stdin.close()
            try:
                echo.wait(10)
            except subprocess.TimeoutExpired:
                echo.kill()
    return json.loads((folder / "reports" / "index.json").read_text())["guildhall"]


def faults(results):
    """One line for each case that the server did not pass."""
    return [
        f"{case}: {result['behavior']}, close {result['behaviorClose']} (code {result['remoteCloseCode']})"
        for case, result in sorted(results.items(), key=lambda item: [int(part) for part in item[0].split(".")])
        if not {result["behavior"], result["behaviorClose"]} <= GOOD
    ]
