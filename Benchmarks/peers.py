"""The benchmarks' C programs: built on first use, spoken to by lines."""

import pathlib
import subprocess

from cluster import ROOT

FOLDER = ROOT / ".build-bench"
LIBRARIES = {"rocksdb_limit": ["-lrocksdb"], "swarm": ["-lz"]}


def built(name):
    """The path of a program, compiled anew when its source is newer."""
    source = pathlib.Path(__file__).resolve().parent / "peers" / f"{name}.c"
    program = FOLDER / name
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        FOLDER.mkdir(exist_ok=True)
        subprocess.run(["cc", "-O2", "-o", str(program), str(source), *LIBRARIES.get(name, [])], check=True)
    return str(program)


def answer(name, *arguments):
    """Runs a program to its end; the number that it prints."""
    result = subprocess.run([built(name), *map(str, arguments)], check=True, capture_output=True, text=True)
    return float(result.stdout) if result.stdout.strip() else None


class Conversation:
    """A running program that takes commands on standard input and answers in lines."""

    def __init__(self, name, *arguments):
        self._name = name
        self._process = subprocess.Popen([built(name), *map(str, arguments)], stdin=subprocess.PIPE,
                                         stdout=subprocess.PIPE, text=True, bufsize=1)
        self.pid = self._process.pid

    def say(self, line):
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def hear(self, word):
        """The rest of the next line, which begins with the word."""
        line = self._process.stdout.readline()
        if not line.startswith(word):
            raise RuntimeError(f"{self._name}: expected {word!r}, got {line!r}")
        return line[len(word):].split()

    def close(self):
        self._process.terminate()
        self._process.wait()
