#!/usr/bin/env python3
"""What each CUDA kernel takes of a multiprocessor: registers, spills, memory.

  kernel_resources.py LOG            prints a table in Markdown
  kernel_resources.py LOG --check F  compares with the table in F

LOG is what a build with -DDURE_KERNEL_RESOURCES=ON printed, for one
architecture. A kernel that needs more than F says, or that F lacks, fails the
check; if that is meant, write the new table to F.
"""
import argparse
import re
import subprocess
import sys
from pathlib import Path

ENTRY = re.compile(r"Compiling entry function '(\w+)' for '(sm_\w+)'")
SPILLS = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
USED = re.compile(r"Used (\d+) registers(?:.*?(\d+) bytes smem)?")
COLUMNS = ("registers", "stack", "spill stores", "spill loads", "static shared")


def demangled(names):
    answer = subprocess.run(["c++filt"], input="\n".join(names), text=True,
                            capture_output=True, check=True)
    return dict(zip(names, answer.stdout.splitlines()))


def short(name):
    """The kernel and its template's arguments, without namespaces."""
    name = re.sub(r"\(anonymous namespace\)::|dure::kernels::|dure::|std::", "", name)
    name = re.sub(r"^void ", "", name)
    depth, end = 0, len(name)
    for i, c in enumerate(name):  # up to the arguments of the function
        depth += (c == "<") - (c == ">" and name[i - 1] != "-")
        if c == "(" and depth == 0:
            end = i
            break
    return name[:end]


def parse(text):
    rows, entry, spills, architectures = {}, None, None, set()
    for line in text.splitlines():
        if found := ENTRY.search(line):
            entry = found[1]
            architectures.add(found[2])
        elif found := SPILLS.search(line):
            spills = tuple(map(int, found.groups()))
        elif (found := USED.search(line)) and entry:
            rows[entry] = (int(found[1]), *spills, int(found[2] or 0))
            entry = None
    if not rows:
        sys.exit("no kernel in the log: wanted the output of a whole build with "
                 "-DDURE_KERNEL_RESOURCES=ON")
    if len(architectures) > 1:
        sys.exit(f"wanted one architecture, got {', '.join(sorted(architectures))}")
    names = demangled(list(rows))
    result = {}
    for entry, row in rows.items():
        name = short(names[entry])
        # Kernels of one name in several files: the largest of each.
        result[name] = tuple(map(max, zip(row, result.get(name, row))))
    return architectures.pop(), dict(sorted(result.items()))


def table(architecture, rows):
    lines = [f"# Kernels on {architecture}", "",
             "Written by `tools/kernel_resources.py`, from what ptxas says. Bytes, but for",
             "registers, which are of a thread. Dynamic shared memory is the launch's.", "",
             "| kernel | " + " | ".join(COLUMNS) + " |",
             "| --- |" + " ---: |" * len(COLUMNS)]
    lines += [f"| `{name}` | " + " | ".join(map(str, row)) + " |" for name, row in rows.items()]
    return "\n".join(lines) + "\n"


def read_table(path):
    rows = {}
    for line in path.read_text().splitlines():
        if line.startswith("| `"):
            name, *numbers = [cell.strip() for cell in line.strip("|").split(" | ")]
            rows[name.strip("`")] = tuple(int(n.strip(" |")) for n in numbers)
    return rows


def worse(rows, known):
    for name, row in rows.items():
        if name not in known:
            yield f"{name} is not in the table"
            continue
        for column, now, before in zip(COLUMNS, row, known[name]):
            if now > before:
                yield f"{name}: {now} {column}, before {before}"


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("log", type=Path)
    parser.add_argument("--check", type=Path, metavar="F")
    options = parser.parse_args()
    architecture, rows = parse(options.log.read_text())
    if options.check is None:
        print(table(architecture, rows), end="")
        return
    found = list(worse(rows, read_table(options.check)))
    print("\n".join(found))
    print(f"{len(rows) - len({line.split(':')[0] for line in found})} passed, "
          f"{len(found)} failed" if found else f"{len(rows)} passed, 0 failed")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
