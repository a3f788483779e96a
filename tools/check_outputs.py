#!/usr/bin/env python3
"""What our Markdown says that a command prints is what it prints.

    tools/check_outputs.py BUILD [--write] [PAGE...]

A fenced block whose first line is `$ COMMAND` is a session: each such line is
run by bash, and the lines behind it are what standard output and error hold. It
runs in an empty folder, a new one for each page, where `dure` is BUILD's,
build/release is BUILD and examples/ is ours. A line `...` stands for any lines.
`<!-- not run: REASON -->` on the line before the fence leaves a block out.
--write replaces what is not as printed, but for blocks with `...`.
"""
import argparse
import difflib
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
FENCE = re.compile(r"^```")
LEFT_OUT = re.compile(r"^<!-- not run: .+ -->$")
SECONDS = 60


class Session:
    """One block: where its lines are, and the commands with their outputs."""

    def __init__(self, first, lines):
        self.first = first
        self.lines = lines
        self.commands = []
        for line in lines:
            if line.startswith("$ "):
                self.commands.append((line[2:], []))
            else:
                self.commands[-1][1].append(line)


def sessions(lines):
    start = None
    for number, line in enumerate(lines):
        if not FENCE.match(line):
            continue
        if start is None:
            start = number
            continue
        inside = lines[start + 1:number]
        left_out = start > 0 and LEFT_OUT.match(lines[start - 1])
        if inside and inside[0].startswith("$ ") and not left_out:
            yield Session(start + 1, inside)
        start = None


def matches(wanted, printed):
    """Whether the lines are equal, where `...` is any number of them."""
    if not wanted:
        return not printed
    if wanted[0] == "...":
        return any(matches(wanted[1:], printed[skipped:])
                   for skipped in range(len(printed) + 1))
    return bool(printed) and wanted[0] == printed[0] and matches(
        wanted[1:], printed[1:])


def folder_for_commands(parent, build):
    folder = pathlib.Path(parent)
    (folder / "build").mkdir()
    (folder / "build" / "release").symlink_to(build)
    (folder / "examples").symlink_to(ROOT / "examples")
    return folder


def printed_by(command, folder, build):
    environment = dict(os.environ,
                       PATH=f"{build / 'bin'}:{os.environ['PATH']}")
    try:
        result = subprocess.run(["bash", "-c", command], cwd=folder, text=True,
                                stdin=subprocess.DEVNULL, env=environment,
                                stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        return [f"(not done within {SECONDS} s)"]
    # An empty line at an end is left out: a block looks better without.
    return result.stdout.rstrip("\n").split("\n") if result.stdout else []


def run_session(session, folder, build):
    """The block's lines as they should be, and whether they are."""
    lines, same = [], True
    for command, wanted in session.commands:
        printed = printed_by(command, folder, build)
        as_wanted = matches([line.rstrip() for line in wanted],
                            [line.rstrip() for line in printed])
        same = same and as_wanted
        lines.append("$ " + command)
        lines += wanted if as_wanted else [line.rstrip() for line in printed]
    return lines, same


def check_page(page, build, write):
    """How many commands were run, and what differs."""
    text = page.read_text()
    lines = text.split("\n")
    commands, errors = 0, []
    with tempfile.TemporaryDirectory() as parent:
        folder = folder_for_commands(parent, build)
        # In the page's order, as a block may use what one before it made; and
        # then from the end, so that what is replaced moves no other block.
        run = [(block, *run_session(block, folder, build))
               for block in sessions(lines)]
        for block, should, same in reversed(run):
            commands += len(block.commands)
            if same:
                continue
            diff = "\n".join(difflib.unified_diff(
                block.lines, should, "in the page", "printed", lineterm="",
                n=1))
            errors.append(f"{page}:{block.first + 1}\n{diff}")
            if write and "..." not in block.lines:
                lines[block.first:block.first + len(block.lines)] = should
    errors.reverse()
    if write and errors:
        page.write_text("\n".join(lines))
    return commands, errors


def pages_of_repository():
    names = subprocess.run(["git", "ls-files", "*.md"], capture_output=True,
                           text=True, check=True, cwd=ROOT).stdout.splitlines()
    return [ROOT / name for name in names if (ROOT / name).is_file()]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("pages", nargs="*", type=pathlib.Path)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_intermixed_args()
    build = options.build.resolve()
    commands, errors = 0, []
    for page in options.pages or pages_of_repository():
        run, differ = check_page(page, build, options.write)
        commands += run
        errors += differ
    print("\n\n".join(errors) or
          f"{commands} commands print what our pages say")
    return bool(errors)


if __name__ == "__main__":
    sys.exit(main())
