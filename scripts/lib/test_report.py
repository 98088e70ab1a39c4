"""Prints the table of a test run, and its totals as the last line; exits with 1 when anything failed.

The folder given holds `steps.tsv` (name, seconds, exit code) and xUnit files named after the steps.
"""

import sys
from pathlib import Path
from xml.etree import ElementTree


def counts(files):
    """Passed, failed and skipped test cases of some xUnit files; the failed ones are named."""
    passed = failed = skipped = 0
    for file in files:
        for case in ElementTree.parse(file).iter("testcase"):
            kinds = {child.tag for child in case}
            if kinds & {"failure", "error"}:
                failed += 1
                print(f"failed: {case.get('classname')} {case.get('name')}")
            elif "skipped" in kinds:
                skipped += 1
            else:
                passed += 1
    return passed, failed, skipped


def main(folder):
    rows = []
    totals = [0, 0, 0]
    for line in (folder / "steps.tsv").read_text().splitlines():
        name, seconds, code = line.split("\t")
        files = sorted(folder.glob(name.replace("/", "-") + "*.xml"))
        passed, failed, skipped = counts(files)
        if not files and name != "build":
            # A step without cases of its own is one.
            passed, failed = (1, 0) if code == "0" else (0, 1)
        if code != "0" and failed == 0:
            failed = 1
        if files and passed + failed == 0:
            failed = 1
            name += " (ran no test)"
        totals = [a + b for a, b in zip(totals, (passed, failed, skipped))]
        rows.append((name, seconds, str(passed), str(failed), str(skipped)))
    header = ("SUITE", "SECONDS", "PASSED", "FAILED", "SKIPPED")
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    print()
    for row in [header, *rows]:
        print(row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:])), sep="  ")
    print()
    print(f"{totals[0]} passed, {totals[1]} failed, {totals[2]} skipped", flush=True)
    return 1 if totals[1] or totals[0] == 0 else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
