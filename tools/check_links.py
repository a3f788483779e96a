#!/usr/bin/env python3
"""Checks that every relative link in our Markdown leads to a file of the tree."""
import pathlib
import re
import subprocess
import sys

LINK = re.compile(r"\]\(([^)\s#]+)(?:#[^)]*)?\)")


def broken_links(page):
    for target in LINK.findall(page.read_text()):
        if "://" not in target and not (page.parent / target).exists():
            yield f"{page}: no such file: {target}"


def main():
    names = subprocess.run(["git", "ls-files", "*.md"], capture_output=True,
                           text=True, check=True).stdout.splitlines()
    pages = [page for page in map(pathlib.Path, names) if page.is_file()]
    errors = [error for page in pages for error in broken_links(page)]
    print("\n".join(errors) or f"{len(pages)} pages, no broken link")
    return bool(errors)


if __name__ == "__main__":
    sys.exit(main())
