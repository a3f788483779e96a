#!/usr/bin/env python3
"""Prints the lines of C++ and CUDA by folder, tests apart."""
import collections
import pathlib
import subprocess

SUFFIXES = {".h", ".cuh", ".cpp", ".cu"}


def folder_of(path):
    """The folder of a file: of dure/ the second level, elsewhere the top."""
    depth = 2 if path.parts[0] == "dure" else 1
    return "/".join(path.parts[:-1][:depth])


def main():
    sources, tests = collections.Counter(), collections.Counter()
    names = subprocess.run(["git", "ls-files"], capture_output=True, text=True,
                           check=True).stdout.splitlines()
    for path in map(pathlib.Path, names):
        if path.suffix in SUFFIXES and path.is_file():
            counter = tests if path.stem.endswith("_test") else sources
            counter[folder_of(path)] += path.read_bytes().count(b"\n")
    print(f"{'lines':20} {'source':>8} {'tests':>8}")
    for folder in sorted(sources | tests):
        print(f"{folder:20} {sources[folder]:8} {tests[folder]:8}")
    print(f"{'in all':20} {sources.total():8} {tests.total():8}")


if __name__ == "__main__":
    main()
