"""`scripts/chaos`: reads the options, gets namespaces where it may, and runs."""

import asyncio
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from chaos.isolation import run_isolated
from chaos.options import options
from chaos.run import ChaosRun


def main():
    chosen = options()
    folder = chosen.folder or Path(tempfile.mkdtemp(prefix="guildhall-chaos-"))
    folder.mkdir(parents=True, exist_ok=True)
    code = run_on_hosts(chosen, folder)
    if code == 0 and not chosen.keep:
        shutil.rmtree(folder, ignore_errors=True)
    return code


def run_on_hosts(chosen, folder):
    if chosen.hosts != "loopback":
        try:
            wanted, chosen.hosts = chosen.hosts, "netns"
            return run_isolated(lambda: run(chosen, folder))
        except OSError as refused:
            if wanted == "netns":
                print(f"chaos: {refused}", file=sys.stderr)
                return 2
            print(f"chaos: {refused}.\nchaos: EVERYTHING RUNS ON LOOPBACK: NO NETWORK FAULT AND NO FULL DISK IS TRIED.",
                  file=sys.stderr)
            chosen.hosts = "loopback"
    return run(chosen, folder)


def run(chosen, folder):
    """0: nothing was found; 1: a promise was broken; 2: the run did not come to its end."""
    code = 2
    try:
        result = asyncio.run(interruptible(ChaosRun(chosen, folder).perform()))
        code = 0 if result["verdict"] == "passed" else 1
    except (KeyboardInterrupt, asyncio.CancelledError):
        print(f"chaos: stopped; logs in {folder}", file=sys.stderr)
    except RuntimeError as failure:
        print(f"chaos: {failure}; logs in {folder}", file=sys.stderr)
    return code


async def interruptible(body):
    """SIGTERM and Ctrl-C end the run in order."""
    task = asyncio.current_task()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    return await body


if __name__ == "__main__":
    os.environ.pop("GUILDHALL_DATA", None)
    sys.exit(main())
