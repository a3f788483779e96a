#!/usr/bin/env python3
"""Runs clang-tidy on our sources, on all cores, never twice on the same text.

Usage: tools/tidy.py [--build DIR] [--minutes N] [FILE...]
                                                  (default: build/asan, all files)
Example: tools/tidy.py dure/base/files.cpp

A file that passed is cached under a hash of everything that its result depends
on: its text, the text of all our headers that it includes, .clang-tidy, its
compile command and the versions of the packages. The cache is in
$XDG_CACHE_HOME/dure/tidy (~/.cache/dure/tidy) and may be removed at any time.

Without the cache all files take many minutes. --minutes limits them: files are
taken in the order of the commits that last changed them, the newest first, so
new files are always checked. The number of files not reached is printed.
"""
import argparse
import concurrent.futures
import functools
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
TIDY = "clang-tidy-14"
INCLUDE = re.compile(rb'^[ \t]*#[ \t]*include[ \t]+"([^"]+)"', re.M)
# Tests are left out: two compilers and the sanitizers check them, and with them
# this would take twice as long.
FOLDERS = ("dure/", "bench/", "examples/")


def cache_folder():
    base = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(base) / "dure" / "tidy"


def output_of(*command):
    return subprocess.run(command, cwd=ROOT, capture_output=True).stdout


def environment_hash():
    """A hash of what all results depend on."""
    state = hashlib.sha256((ROOT / ".clang-tidy").read_bytes())
    state.update(output_of(TIDY, "--version"))
    state.update(output_of("dpkg-query", "-W", "-f", "${Package} ${Version}\n",
                           "lib*-dev", "nlohmann*", "clang*"))
    return state.digest()


@functools.lru_cache(maxsize=None)
def text_and_includes(path):
    text = path.read_bytes()
    names = [name.decode() for name in INCLUDE.findall(text)]
    candidates = [p for n in names for p in (ROOT / n, path.parent / n)]
    return text, [p for p in candidates if p.is_file()]


def reach(path):
    """The file and every header of ours that it includes, however deep."""
    seen, waiting = {path}, [path]
    while waiting:
        for header in text_and_includes(waiting.pop())[1]:
            if header not in seen:
                seen.add(header)
                waiting.append(header)
    return sorted(seen)


def key_of(path, command, environment):
    state = hashlib.sha256(environment)
    # Paths are relative, so that another checkout has the same text.
    state.update(command.replace(str(ROOT), "").encode())
    for file in reach(path):
        state.update(str(file.relative_to(ROOT)).encode())
        state.update(hashlib.sha256(text_and_includes(file)[0]).digest())
    return state.hexdigest()


def commands_of(build):
    """Source -> compile command, for the sources of ours that git knows."""
    database = build / "compile_commands.json"
    if not database.is_file():
        sys.exit(f"tidy: {database} is missing: run cmake --preset asan")
    ours = set(output_of("git", "ls-files", "-co", "--exclude-standard", "-z",
                         "--", "*.cpp").decode().split("\0"))
    commands = {}
    for entry in json.loads(database.read_text()):
        path = pathlib.Path(entry["file"]).resolve()
        if not path.is_relative_to(ROOT):
            continue
        name = path.relative_to(ROOT).as_posix()
        if (name in ours and name.startswith(FOLDERS)
                and not name.endswith("_test.cpp")):
            commands[path] = entry["command"]
    return commands


def run_tidy(path, build):
    start = time.monotonic()
    command = [TIDY, "--quiet", "-p", build, path]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    return result.returncode, result.stdout, time.monotonic() - start


def show(done, total, name, seconds):
    if sys.stderr.isatty():
        print(f"\r\033[Ktidy: {done}/{total} {name}", end="", file=sys.stderr,
              flush=True)
    elif seconds > 30:
        print(f"tidy: {name} took {seconds:.0f} s", file=sys.stderr)


def newest_first(paths):
    """Sorts by the last commit that changed a file; uncommitted files first."""
    log = output_of("git", "log", "--format=", "--name-only", "-z", "--", *FOLDERS)
    age = {}
    for name in log.decode().split("\0"):
        age.setdefault(name.strip(), len(age))
    return sorted(paths, key=lambda p: (age.get(p.relative_to(ROOT).as_posix(), -1), p))


def check_all(waiting, build, seconds):
    """Runs the waiting files (path -> key), and caches those that pass. Returns
    the failures, and how many files there was no time for."""
    failures, late = [], 0
    end = time.monotonic() + seconds

    def run(path):
        return None if time.monotonic() > end else run_tidy(path, build)

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = {pool.submit(run, path): path for path in newest_first(waiting)}
        finished = concurrent.futures.as_completed(jobs)
        for done, job in enumerate(finished, 1):
            if job.result() is None:
                late += 1
                continue
            path, (status, output, seconds) = jobs[job], job.result()
            name = path.relative_to(ROOT).as_posix()
            show(done, len(jobs), name, seconds)
            if status == 0:
                (cache_folder() / waiting[path]).touch()
            else:
                failures.append(name)
                print(f"\n{output.strip()}", flush=True)
    if sys.stderr.isatty() and waiting:
        print("\r\033[K", end="", file=sys.stderr)
    return failures, late


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("\n\n")[1])
    parser.add_argument("--build", type=pathlib.Path,
                        default=ROOT / "build" / "asan")
    parser.add_argument("--minutes", type=float, default=1e6)
    parser.add_argument("files", nargs="*", type=pathlib.Path)
    arguments = parser.parse_args()

    commands = commands_of(arguments.build)
    chosen = {file.resolve() for file in arguments.files} or set(commands)
    unknown = chosen - set(commands)
    if unknown:
        sys.exit(f"tidy: no compile command for {sorted(map(str, unknown))}")

    cache_folder().mkdir(parents=True, exist_ok=True)
    environment = environment_hash()
    keys = {p: key_of(p, commands[p], environment) for p in sorted(chosen)}
    waiting = {p: k for p, k in keys.items()
               if not (cache_folder() / k).exists()}
    failures, late = check_all(waiting, arguments.build, 60 * arguments.minutes)
    print(f"tidy: {len(chosen) - len(failures) - late} files clean "
          f"({len(chosen) - len(waiting)} unchanged since they were), "
          f"{late} not reached, "
          f"{len(failures)} not{': ' if failures else ''}{' '.join(failures)}")
    return bool(failures)


if __name__ == "__main__":
    sys.exit(main())
