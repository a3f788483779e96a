#!/usr/bin/env python3
"""Reports the comments in C++ files that are plainly not sentences.

A comment is a run of // lines; an empty one, or a list item, begins another. The
first sentence may be a noun phrase, as a contract's often is ("The ranks of one
axis."), and so may a label (LABELS). Reported are:

  opening  a sentence that begins as fragments do ("Of several tokens the last.")
  verb     a later sentence with no word that can be a verb
  short    a later sentence of fewer than three words

Notes behind code, lines indented as code, references ("[2] ..."), and what stands
between clang-format's off and on are not read. --list only counts, by file."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).parent.parent
FOLDERS = ["dure", "tests", "bench", "examples", "fuzz"]
SUFFIXES = {".h", ".cuh", ".cpp", ".cu"}
LABELS = {"Arithmetic only.", "Collective.", "Immutable.", "Move-only.",
          "Threads: any.", "Throws nothing.", "Throws UsageError."}
OPENING = re.compile(
    r"(Of|As|What|Those|The same|Same|Such as|That of|Nor|Likewise|Ditto|Not|"
    r"So (do|does|is|are|has|have))\b")
# Any word that ends like a verb, and the commonest that do not.
VERB = re.compile(
    r"\b([a-z]{2,}ed|[a-z]*[a-rt-z]s|are|be|been|were|have|had|do|did|can|cannot|"
    r"could|may|might|must|shall|should|will|would|[a-z]+n't|call|come|give|go|"
    r"hold|keep|leave|make|move|outlive|read|run|see|share|stand|take|use|write)\b",
    re.I)
SENTENCE_END = re.compile(r"""[.!?:]?[.!?][)"'`]*\s+(?=[A-Z"'`(\[])""")
ABBREVIATION = re.compile(r"\b(al|cf|e\.g|i\.e|vs)\.\s+$")


def comments(lines):
    """Yields each comment, as a list of (line number, text)."""
    comment, read = [], True
    for number, line in enumerate(lines, 1):
        text = re.match(r"\s*// {0,2}(?! )(.*)$", line)
        marker = text and re.match(r"clang-format (on|off)|NOLINT", text[1])
        if marker:
            read = marker[1] != "off"
        item = text and re.match(r"- |\d+\. ", text[1])
        if comment and (marker or item or not text or not text[1]):
            yield comment
            comment = []
        if text and text[1] and read and not marker:
            comment.append((number, text[1]))
    if comment:
        yield comment


def sentences(comment):
    """Yields each sentence of a comment, as (line number, text)."""
    numbers = [n for n, line in comment for _ in line + " "]
    text = " ".join(line for _, line in comment)
    begin = 0
    for end in [m.end() for m in SENTENCE_END.finditer(text)] + [len(text)]:
        if end < len(text) and ABBREVIATION.search(text[:end]):
            continue
        if text[begin:end].strip():
            yield numbers[begin], text[begin:end].strip()
        begin = end


def fault(sentence, is_first):
    """What is wrong with a sentence, or None."""
    if sentence in LABELS or sentence.startswith("["):
        return None
    if OPENING.match(sentence):
        return "opening"
    if is_first:
        return None
    if len(re.findall(r"[\w'-]+", sentence)) < 3:
        return "short"
    return None if VERB.search(sentence) else "verb"


def check(file):
    """Yields (line number, fault, sentence) of one file."""
    for comment in comments(file.read_text().splitlines()):
        for i, (number, sentence) in enumerate(sentences(comment)):
            wrong = fault(sentence, i == 0)
            if wrong:
                yield number, wrong, sentence


def main():
    files = sorted(p for folder in FOLDERS for p in (ROOT / folder).rglob("*")
                   if p.suffix in SUFFIXES)
    found = [(file.relative_to(ROOT).as_posix(), *e)
             for file in files for e in check(file)]
    if "--list" in sys.argv:
        names = [name for name, *_ in found]
        for name in sorted(set(names)):
            print(f"{names.count(name):5}  {name}")
    else:
        for name, number, wrong, sentence in found:
            print(f"{name}:{number}: {wrong}: {sentence}")
    print(f"{len(files)} files, {len(found)} comments that are not sentences")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
