"""Checks the rules of the house that no compiler knows: exits with 1 and names each line that breaks one."""

import re
import subprocess
import sys
from pathlib import Path

MAXIMUM_LINES = 400

# A folder's files may not import any of these modules: dependencies point one way (DESIGN §15). The compiler holds the
# direction between our own targets; this holds the pure parts free of I/O.
FORBIDDEN_IMPORTS = {
    "Sources/Cluster/Identity": {"NIOPosix", "Transport", "Coordination", "Routing", "Operations"},
    "Sources/Cluster/Wire": {"NIOPosix", "Transport", "Coordination", "Routing", "Operations"},
    "Sources/Cluster/Placement": {"NIOPosix", "Transport", "Coordination", "Routing", "Operations"},
    "Sources/Cluster/Replication": {"NIOPosix", "Transport", "Routing", "Operations"},
    "Sources/Node/Domain": {"NIOPosix", "Transport", "Coordination", "Routing", "Storage", "Slots", "Gateway"},
    "Sources/Node/Guild": {"NIOPosix", "Transport", "Coordination", "Routing", "Storage", "Slots", "Gateway"},
    "Sources/Node/User": {"NIOPosix", "Transport", "Coordination", "Routing", "Storage", "Slots", "Gateway"},
    "Sources/Cluster": {"Domain", "Guild", "User", "Slots", "Storage", "Gateway", "Edge"},
    "Sources/Node": {"Edge"},
    "Sources/Router": {"Domain", "Guild", "User", "Slots", "Storage", "Gateway"},
    "ops/guildctl": {"Domain", "Guild", "User", "Slots", "Storage", "Gateway", "Edge"},
}

# Never, whatever the reason.
BANNED = [
    (re.compile(r"\btry!"), "try!"),
    (re.compile(r"\b(TODO|FIXME|XXX|HACK)\b"), "a mark for later; file an issue instead"),
    (re.compile(r"\bThread\.sleep\(|(?<![.\w])u?sleep\("), "a blocking sleep"),
    (re.compile(r"\bprint\("), "print; log it instead"),
    # Optimized by Swift 6.3, where the call throws a typed error: the parts before it are released twice.
    (re.compile(r"(\breturn|=) (\.\w+\()?\([^()]+(\(\))?, .*\btry await\b"), "a tuple made around a try await; await before"),
]

# Only with the reason beside it: a comment on the line or right above it (or, for a call that takes one, its message).
WANT_REASON = [
    (re.compile(r"@unchecked Sendable"), "@unchecked Sendable without the proof"),
    (re.compile(r"\bnonisolated\(unsafe\)"), "nonisolated(unsafe) without the proof"),
    (re.compile(r"\bfatalError\(\s*\)"), "fatalError without a reason"),
    (re.compile(r"\bpreconditionFailure\(\s*\)"), "preconditionFailure without a reason"),
    (re.compile(r"\bas!"), "as! without a reason"),
]

FORBIDDEN_NAMES = re.compile(r"(Manager|Helper|Helpers|Util|Utils|Base|Impl)\.swift$")
IMPORT = re.compile(r"^\s*(?:@\w+\s+|public\s+|internal\s+|package\s+|private\s+)*import\s+(?:\w+\s+)?(\w+)")
STRING = re.compile(r'"(?:\\.|[^"\\])*"')
COMMENT = re.compile(r"//.*")


def is_reasoned(lines, index):
    if "//" in lines[index]:
        return True
    above = index - 1
    while above >= 0 and lines[above].strip().startswith("@"):
        above -= 1
    return above >= 0 and lines[above].strip().startswith("//")


def faults_of(path, text):
    """The faults of one Swift file, as (line number, what)."""
    lines = text.splitlines()
    if len(lines) >= MAXIMUM_LINES:
        yield len(lines), f"{len(lines)} lines; a file has fewer than {MAXIMUM_LINES}"
    if FORBIDDEN_NAMES.search(path):
        yield 1, "a name that says nothing (Manager, Helper, Util, Base, Impl)"
    folders = [names for folder, names in FORBIDDEN_IMPORTS.items() if path.startswith(folder + "/")]
    for index, line in enumerate(lines):
        number = index + 1
        imported = IMPORT.match(line)
        if imported and any(imported.group(1) in names for names in folders):
            yield number, f"imports {imported.group(1)}, which dependencies do not point to from here"
        code = COMMENT.sub("", STRING.sub('""', line))
        for pattern, what in BANNED:
            # A mark for later stands in a comment; the others are code.
            subject = STRING.sub('""', line) if "mark" in what else code
            if pattern.search(subject) and not (what.startswith("print") and is_program_output(path)):
                yield number, what
        for pattern, what in WANT_REASON:
            if pattern.search(code) and not is_reasoned(lines, index):
                yield number, what


def is_program_output(path):
    """Benchmarks and fuzzers print their results; so do a program's command line and the operator's."""
    return path.endswith("/Main.swift") or any(part in path for part in ("Bench", "bench", "Fuzz", "ops/"))


def main():
    root = Path(__file__).resolve().parents[2]
    files = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.swift"],
        cwd=root, check=True, capture_output=True, text=True,
    ).stdout.split()
    found = 0
    for path in files:
        file = root / path
        if not file.exists():
            continue
        for number, what in faults_of(path, file.read_text()):
            print(f"{path}:{number}: {what}")
            found += 1
    print(f"house rules: {len(files)} files, {found} faults")
    return 1 if found or not files else 0


if __name__ == "__main__":
    sys.exit(main())
