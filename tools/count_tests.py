#!/usr/bin/env python3
"""Counts the test cases in the JUnit files that CTest wrote.

Prints `N passed, N failed[, N skipped]`. A test whose output has GoogleTest's
closing lines counts as many cases as those say; any other counts as one. Exits
with 1 where something failed.
"""
import re
import sys
import xml.etree.ElementTree as xml

CLOSING = {
    "passed": re.compile(r"^\[  PASSED  \] (\d+) test", re.M),
    "failed": re.compile(r"^\[  FAILED  \] (\d+) test", re.M),
    "skipped": re.compile(r"^\[  SKIPPED \] (\d+) test", re.M),
}
OUTCOME = {"run": "passed", "fail": "failed"}


def count_case(case):
    """The counts of one <testcase>."""
    output = case.findtext("system-out") or ""
    counts = {kind: sum(int(n) for n in pattern.findall(output))
              for kind, pattern in CLOSING.items()}
    outcome = OUTCOME.get(case.get("status"), "skipped")
    # A crash prints no closing lines, and a time-out may follow them.
    if not any(counts.values()) or (outcome == "failed"
                                    and counts["failed"] == 0):
        counts[outcome] += 1
    return counts


def count_files(paths):
    """The sum over all test cases of all files."""
    total = dict.fromkeys(CLOSING, 0)
    for path in paths:
        for case in xml.parse(path).getroot().iter("testcase"):
            for kind, count in count_case(case).items():
                total[kind] += count
    return total


def counts_line(total):
    line = f"{total['passed']} passed, {total['failed']} failed"
    return line + (f", {total['skipped']} skipped" if total["skipped"] else "")


def main():
    total = count_files(sys.argv[1:])
    print(counts_line(total))
    return total["failed"] > 0


if __name__ == "__main__":
    sys.exit(main())
