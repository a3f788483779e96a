#!/usr/bin/env python3
"""Makes dure/data/tokenizer/unicode_tables.cpp with Hugging Face tokenizers
0.23.3 and unicodedata2 18.0.

    pip install tokenizers unicodedata2
    python3 tools/golden/make_unicode_tables.py

That version of tokenizers mixes versions of Unicode: its regular expressions use
16 (Oniguruma, and Rust's regex), its lower case and its digits 17 (Rust's
library), its normal forms and accents 9, and its punctuation a still older one.
No library in Debian has any of them, so the differences are asked of
tokenizers, code point by code point, and written down.
"""
import pathlib
import unicodedata

import unicodedata2
from tokenizers import Regex, normalizers, pre_tokenizers

OUT = (pathlib.Path(__file__).parents[2]
       / "dure/data/tokenizer/unicode_tables.cpp")
POINTS = [p for p in range(0x110000) if not 0xd800 <= p < 0xe000]
CATEGORIES = ("Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So "
              "Zs Zl Zp Cc Cf Cs Co Cn").split()
# The properties that patterns of today's models use, or may use.
SCRIPTS = ("Arabic Armenian Bengali Cyrillic Devanagari Ethiopic Georgian Greek "
           "Gujarati Gurmukhi Han Hangul Hebrew Hiragana Kannada Katakana Khmer "
           "Lao Latin Malayalam Mongolian Myanmar Oriya Sinhala Tamil Telugu Thai "
           "Tibetan").split()


def members(split):
    """The code points that a pre-tokenizer removes."""
    left = set()
    for begin in range(0, len(POINTS), 4096):
        part = POINTS[begin:begin + 4096]
        for _, (b, e) in split.pre_tokenize_str("".join(map(chr, part))):
            left.update(part[b:e])
    return set(POINTS) - left


def matching(pattern):
    return members(pre_tokenizers.Split(Regex(pattern), "removed"))


def digits():
    single = pre_tokenizers.Digits(individual_digits=True)
    return {p for p in POINTS if p != 0x61 and
            len(single.pre_tokenize_str("a" + chr(p))) == 2}


def ranges(points):
    out = []
    for p in sorted(points):
        if out and out[-1][1] == p - 1:
            out[-1][1] = p
        else:
            out.append([p, p])
    return out


def barriers():
    """Characters that today's normal forms change, order or join, but theirs do
    not, because the characters are newer than their Unicode."""
    nfd, nfkd = normalizers.NFD(), normalizers.NFKD()
    found = set()
    for p in POINTS:
        c = chr(p)
        alone = nfd.normalize_str(c)
        moves = (nfd.normalize_str("\u0345" + c) != "\u0345" + alone
                 or nfd.normalize_str(c + "\u0334") != alone + "\u0334")
        if unicodedata2.combining(c) and not moves:
            found.add(p)
        parts = unicodedata2.decomposition(c)
        if parts and nfkd.normalize_str(c) == c:
            found.add(p)
            if "<" not in parts:
                # Parts as old as Unicode 3.2 have no new compositions.
                found.update(
                    q for q in (int(x, 16) for x in parts.split())
                    if unicodedata.ucd_3_2_0.category(chr(q)) == "Cn")
    return found


def lower_pairs():
    """Pairs that utf8proc of Unicode 15 and later lacks."""
    lower = normalizers.Lowercase()
    return [(p, ord(lower.normalize_str(chr(p)))) for p in POINTS
            if unicodedata.category(chr(p)) == "Cn"
            and lower.normalize_str(chr(p)) != chr(p)]


def text_of(items):
    lines, line = [], "   "
    for item in items:
        if len(line) + len(item) + 2 > 80:
            lines.append(line)
            line = "   "
        line += f" {item},"
    return "\n".join(lines + [line])


def array(kind, name, items):
    items = list(items)
    return (f"constexpr {kind} {name}[] = {{\n{text_of(items)}\n}};\n")


def pairs(points):
    return [f"{{0x{a:x}, 0x{b:x}}}" for a, b in ranges(points)]


def main():
    category = {}
    for name in CATEGORIES:
        for p in matching(r"\p{%s}" % name):
            category[p] = name
    category.update({p: "Cs" for p in range(0xd800, 0xe000)})
    starts = [p for p in range(0x110000)
              if p == 0 or category[p] != category[p - 1]]
    number = digits()
    later = {p for p in number if category[p][0] != "N"}
    changed = later | {p for p in POINTS
                       if category[p] != unicodedata.category(chr(p))}
    new = {p for p in changed if unicodedata.category(chr(p)) == "Cn"}
    scripts = {s: new & matching(r"\p{%s}" % s) for s in SCRIPTS}
    marks = {p for p in POINTS
             if normalizers.StripAccents().normalize_str(chr(p)) == ""}
    punctuation = members(pre_tokenizers.Punctuation("removed"))

    assert number - later == {p for p in POINTS if category[p][0] == "N"}
    out = ["// Made by tools/golden/make_unicode_tables.py, which says from what.",
           '#include "dure/data/tokenizer/unicode_tables.h"\n',
           "namespace dure::data {\nnamespace {\n\nusing enum Category;\n",
           "// clang-format off\n",
           array("CategoryRun", "kCategories",
                 (f"{{0x{p:x}, k{category[p]}}}" for p in starts)),
           array("CodePoints", "kChanged", pairs(changed)),
           array("CodePoints", "kLaterNumbers", pairs(later)),
           array("CodePoints", "kMarks", pairs(marks)),
           array("CodePoints", "kPunctuation", pairs(punctuation)),
           array("CodePoints", "kBarriers", pairs(barriers())),
           array("LowerPair", "kLower",
                 (f"{{0x{a:x}, 0x{b:x}}}" for a, b in lower_pairs()))]
    rows = []
    for script in SCRIPTS:
        if scripts[script]:
            out.append(array("CodePoints", f"kNew{script}",
                             pairs(scripts[script])))
        rows.append(f'{{"{script}", '
                    + (f"kNew{script}}}" if scripts[script] else "{}}"))
    out.append(array("Script", "kScripts", rows))
    out.append("// clang-format on\n\n}  // namespace\n")
    for kind, function, name in (
            ("CategoryRun", "category_runs", "kCategories"),
            ("CodePoints", "changed_since_unicode_14", "kChanged"),
            ("CodePoints", "numbers_of_unicode_17", "kLaterNumbers"),
            ("CodePoints", "combining_marks", "kMarks"),
            ("CodePoints", "punctuation", "kPunctuation"),
            ("CodePoints", "normal_form_barriers", "kBarriers"),
            ("LowerPair", "later_lower_case", "kLower"),
            ("Script", "scripts", "kScripts")):
        out.append(f"std::span<const {kind}> {function}() {{\n"
                   f"  return {name};\n}}\n")
    out.append("}  // namespace dure::data")
    OUT.write_text("\n".join(out) + "\n")


if __name__ == "__main__":
    main()
