#!/usr/bin/env python3
"""Checks that the commands in our Markdown print what the page shows.

A fenced block whose first line is `$ dure ...`, or `$ build/release/...` for
another program of BUILD, is run. The lines below a command, up to the next one,
are what it must print on both outputs. It runs in an empty folder that has the
tree's examples/, and BUILD as build/release. A backslash continues a command in
the next line. A line `...` stands for any number of lines, also none. A command
must exit with 0 and print the same every time.

tools/check_commands.py BUILD [FILE...]
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

FENCE = re.compile(r"^```[a-z]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# Variables that a launcher around the check has set; a reader's shell has none.
LAUNCHERS = re.compile(r"^(OMPI|PMI|PMIX|SLURM|RANK$|WORLD_SIZE$)")


def blocks(text):
    """Yields each block's line number, and its commands with their output."""
    for fence in FENCE.finditer(text):
        lines = fence.group(1).splitlines()
        if not lines or not lines[0].startswith(("$ dure ", "$ build/release/")):
            continue
        commands = []
        for line in lines:
            if line.startswith("$ "):
                commands.append((line[2:], []))
            elif commands[-1][0].endswith("\\") and not commands[-1][1]:
                commands[-1] = (commands[-1][0] + "\n" + line, [])
            else:
                commands[-1][1].append(line.rstrip())
        yield text.count("\n", 0, fence.start()) + 1, commands


def matches(wanted, printed):
    """Whether the lines are as wanted, where `...` is any lines."""
    if not wanted:
        return not printed
    if wanted[0] == "...":
        return any(matches(wanted[1:], printed[i:])
                   for i in range(len(printed) + 1))
    return bool(printed) and wanted[0] == printed[0] and matches(
        wanted[1:], printed[1:])


def run(command, binaries, folder):
    environment = {key: value for key, value in os.environ.items()
                   if not LAUNCHERS.match(key)}
    environment["PATH"] = f"{binaries}:{environment['PATH']}"
    return subprocess.run(["bash", "-c", command], cwd=folder, text=True,
                          env=environment, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=120)


def errors_of(page, binaries, folder):
    for line, commands in blocks(page.read_text()):
        for command, wanted in commands:
            result = run(command, binaries, folder)
            printed = [text.rstrip() for text in result.stdout.splitlines()]
            where = f"{page}:{line}: $ {command}"
            if result.returncode != 0:
                yield "\n  ".join([f"{where}\n  ends with "
                                   f"{result.returncode}, and prints", *printed])
            elif not matches(wanted, printed):
                yield "\n  ".join([f"{where}\n  prints", *printed])


def pages_of(names):
    if not names:
        names = subprocess.run(["git", "ls-files", "*.md"], capture_output=True,
                               text=True, check=True).stdout.splitlines()
    return [page for page in map(pathlib.Path, names) if page.is_file()]


def main(arguments):
    if not arguments or arguments[0].startswith("-"):
        print(__doc__)
        return 0 if "--help" in arguments else 2
    binaries = (pathlib.Path(arguments[0]) / "bin").resolve()
    if not (binaries / "dure").is_file():
        print(f"{binaries} has no dure: build it first")
        return 1
    pages = pages_of(arguments[1:])
    count = sum(len(commands) for page in pages
                for _, commands in blocks(page.read_text()))
    with tempfile.TemporaryDirectory() as folder:
        os.symlink(pathlib.Path("examples").resolve(), f"{folder}/examples")
        os.mkdir(f"{folder}/build")
        os.symlink(binaries.parent, f"{folder}/build/release")
        errors = [error for page in pages
                  for error in errors_of(page, binaries, folder)]
    print("\n".join(errors) or f"{count} commands print what the pages say")
    return bool(errors)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
