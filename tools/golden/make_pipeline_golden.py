#!/usr/bin/env python3
"""Makes tests/golden/tokenizer/{pipelines,unicode.json,classes.json} with
Hugging Face tokenizers 0.23.3.

    pip install tokenizers sentencepiece protobuf
    python3 tools/golden/make_pipeline_golden.py

It trains small tokenizers of the types that today's models use on the text of
make_tokenizer_golden.py, and stores the ids that they give to hostile strings,
and the decoded texts. For Unicode it stores the characters that regular
expressions match, and the normal forms of all characters.
"""
import io
import json
import random
import tempfile

import sentencepiece
from sentencepiece import sentencepiece_model_pb2
from tokenizers import AddedToken, Regex, Tokenizer, models, trainers
from tokenizers import decoders as D
from tokenizers import normalizers as N
from tokenizers import pre_tokenizers as P
from tokenizers import processors

from make_tokenizer_golden import OUT, STRINGS, corpus, dump, ranges

PIPELINES = OUT / "pipelines"
QWEN2 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
         r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
DEEPSEEK = (r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+"""
            r"|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*"
            r"|\s*[\r\n]+|\s+(?!\S)|\s+")
# Characters of Unicode 15, 15.1, 16 and 17, canonically equal ones, composed ones.
ATOMS = [
    "a", "b", "the", " ", "  ", "\n", "\r\n", "\t", "\u00a0", "\u3000", "'s",
    "'LL", "7", "42", "1234", ".", "!?", "한", "글", "\u1112", "\u1161", "\u11ab",
    "가", "\u0301", "\u0323", "\u0307", "\u0345", "\u0334", "é", "e\u0301",
    "\u212b", "İ", "ı", "ΑΣ", "ς", "ẞ", "ﬁ", "①", "㎏", "㋿", "½", "😀",
    "👨\u200d👩\u200d👧", "❤\ufe0f", "\U0001fae8", "\U0001fadf", "\U00031350",
    "\U0002ebf0", "\U00016121", "\U0001e4d0", "\u1c89", "\ua7cb", "\U00010d50",
    "\U00010d6f", "\U00011de0", "\U00016ff4", "\U00016ea0", "\U0001e5d0",
    "\U000113d0", "\U00011f50", "\u2ffc", "\u31e4", "\u0897", "\u0898", "\u08d3",
    "\u1ad0", "\u0c3c", "\U00011935\U00011930", "\u0378", "\ufffd", "\uffff",
    "\U0010ffff", "\ue000", "龍", "田", "カ", "ｶﾞ", "か\u3099", "\u180e", "\u200b",
    "\ufeff", "\u0085", "\u2028", "नमस्ते", "क\u093c", "\u0958", "\u0e33", "ﷺ",
    "لّ", "\u05bc", "ǅ", "ŉ", "▁", "▁▁", "Ġ", "<0x41>", "<unk>", "<s>", "</s>",
    "<", "|", ">", "<|im_end|>", "Mark", "MARK", " mark ", "wōrd", "WO\u0304RD",
    "[", "_", "$", "+", "=", "\x00", "\x7f", "x" * 30, "ab" * 30, "😀" * 3]


def strings():
    pick = random.Random(7)
    return STRINGS + ["".join(pick.choice(ATOMS) for _ in range(
        pick.choice([1, 2, 4, 8, 16]))) for _ in range(160)]


def added():
    """Tokens with all their properties."""
    return [AddedToken("<|im_end|>", normalized=False, special=True),
            AddedToken("Mark", normalized=True, special=False),
            AddedToken("WŌRD", normalized=True, special=False, single_word=True),
            AddedToken("<l>", lstrip=True, normalized=False, special=True),
            AddedToken("<r>", rstrip=True, normalized=True, special=True)]


def bpe(normalizer, pre_tokenizer, decoder, size, special, **model):
    tokenizer = Tokenizer(models.BPE(**model))
    # It is set as an attribute, because None can't be passed.
    if normalizer:
        tokenizer.normalizer = normalizer
    if pre_tokenizer:
        tokenizer.pre_tokenizer = pre_tokenizer
    if decoder:
        tokenizer.decoder = decoder
    is_bytes = isinstance(decoder, D.ByteLevel)
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=special, show_progress=False,
        limit_alphabet=256 if is_bytes else 120,
        initial_alphabet=P.ByteLevel.alphabet() if is_bytes else [],
        max_token_length=12)
    tokenizer.train_from_iterator(corpus().split("\n"), trainer)
    return tokenizer


def unigram(normalizer, pre_tokenizer, decoder, size):
    tokenizer = Tokenizer(models.Unigram())
    if normalizer:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.decoder = decoder
    tokenizer.train_from_iterator(
        corpus().split("\n"),
        trainers.UnigramTrainer(vocab_size=size, unk_token="<unk>",
                                special_tokens=["<pad>", "</s>", "<unk>"],
                                show_progress=False))
    return tokenizer


# Inputs of SentencePiece's table: letters, a letter with its mark, line ends, a
# character that is removed, letters beyond the first plane.
RULES = {"ﬁ": "fi", "①": "1", "e\u0301": "é", "a": "b", "a\u0308": "ä", "\t": " ",
         "\n": " ", "\r": " ", "\r\n": " ", "\u00a0": " ", "\u3000": " ",
         "\u200b": "", "½": "1/2", "ª": "a", "İ": "i\u0307", "㋿": "令和",
         "\U00010d50": "x", "か\u3099": "が", "한": "韓"}


def charsmap():
    with tempfile.NamedTemporaryFile("w", suffix=".tsv") as file:
        for old, new in RULES.items():
            file.write("\t".join(" ".join(f"{ord(c):X}" for c in text)
                                 for text in (old, new)) + "\n")
        file.flush()
        model = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(corpus().split("\n")), model_writer=model,
            vocab_size=330, hard_vocab_limit=False, model_type="unigram",
            normalization_rule_tsv=file.name, num_threads=1, minloglevel=2)
    proto = sentencepiece_model_pb2.ModelProto.FromString(model.getvalue())
    return proto.normalizer_spec.precompiled_charsmap


def edited(tokenizer, edit):
    file = json.loads(tokenizer.to_str())
    edit(file)
    return Tokenizer.from_str(json.dumps(file))


def with_byte_tokens(file):
    """Puts tokens before the learnt ones, as SentencePiece does."""
    model = file["model"]
    model["byte_fallback"] = True
    names = [f"<0x{b:02X}>" for b in range(256)]
    if model["type"] == "BPE":
        first = 1 + max(t["id"] for t in file["added_tokens"])
        model["vocab"] = {t: i if i < first else i + 256
                          for t, i in model["vocab"].items()}
        model["vocab"].update({n: first + b for b, n in enumerate(names)})
    else:
        model["vocab"] += [[n, -25.0] for n in names]


def byte_level(*before, **options):
    return P.Sequence([*before, P.ByteLevel(use_regex=False, **options)])


def cut(pattern, behavior="isolated"):
    return P.Split(Regex(pattern), behavior)


def pieces_decoder(*end):
    return D.Sequence([D.Replace("▁", " "), D.ByteFallback(), D.Fuse(), *end])


def kinds():
    begin = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", 1)])
    llama = ["<unk>", "<s>", "</s>"]
    to_space = N.Replace(" ", "▁")
    pieces = dict(unk_token="<unk>", fuse_unk=True)

    yield "qwen2", bpe(N.NFC(), byte_level(cut(QWEN2), add_prefix_space=False),
                       D.ByteLevel(), 800, ["<|endoftext|>", "<|im_start|>"])
    yield "deepseek", bpe(
        N.Sequence([]), byte_level(cut(r"\p{N}{1,3}"), cut("[一-龥぀-ゟ゠-ヿ]+"),
                                   cut(DEEPSEEK), P.Digits(True),
                                   add_prefix_space=False),
        D.ByteLevel(), 800, ["<s>", "</s>"])
    llama2 = bpe(N.Sequence([N.Prepend("▁"), to_space]), None,
                 pieces_decoder(D.Strip(" ", 1, 0)), 500, llama, **pieces)
    llama2.post_processor = begin
    yield "llama2", edited(llama2, with_byte_tokens)
    mistral = bpe(None, P.Metaspace(prepend_scheme="first", split=False),
                  pieces_decoder(D.Strip(" ", 1, 0)), 500, llama, **pieces)
    mistral.post_processor = begin
    yield "mistral", edited(mistral, with_byte_tokens)
    yield "gemma", edited(
        bpe(to_space, P.Split(" ", "merged_with_previous"), pieces_decoder(), 500,
            llama, **pieces), with_byte_tokens)
    yield "albert", unigram(
        N.Sequence([N.Replace("``", '"'), N.Replace(Regex(" {2,}"), " "), N.NFKD(),
                    N.StripAccents(), N.Lowercase()]),
        P.Metaspace(), D.Metaspace(), 400)
    yield "unigram_bytes", edited(
        unigram(N.NFKC(), P.Sequence([P.WhitespaceSplit(), P.Metaspace()]),
                D.Sequence([D.ByteFallback(), D.Metaspace()]), 550),
        with_byte_tokens)
    yield "t5", unigram(
        N.Sequence([N.Precompiled(charsmap()), N.Strip(left=False, right=True),
                    N.Replace(Regex(" {2,}"), "▁")]),
        P.Metaspace(), D.Metaspace(), 400)
    yield "words", bpe(N.Sequence([N.NFD(), N.Strip()]),
                       P.Sequence([P.Whitespace(), P.Punctuation(),
                                   cut("[aeiou]", "contiguous")]),
                       None, 400, llama, unk_token="<unk>")


def decoded_lists(tokenizer):
    """Random ids, with many byte tokens if there are any."""
    pick = random.Random(11)
    size = tokenizer.get_vocab_size()
    bytes_ = [tokenizer.token_to_id(f"<0x{b:02X}>") for b in range(256)]
    known = bytes_ if None not in bytes_ else range(size)
    lists = [[pick.choice([pick.randrange(size), pick.choice(known)])
              for _ in range(pick.choice([1, 2, 5, 12]))] for _ in range(60)]
    return [{"ids": ids, "text": tokenizer.decode(ids, skip_special_tokens=False)}
            for ids in lists]


def row(tokenizer, string):
    ids = tokenizer.encode(string, add_special_tokens=False).ids
    text = tokenizer.decode(ids, skip_special_tokens=False)
    return {"ids": ids} if text == string else {"ids": ids, "text": text}


def fnv1a(text):
    value = 0xcbf29ce484222325
    for byte in text.encode():
        value = (value ^ byte) * 0x100000001b3 & 0xffffffffffffffff
    return f"{value:016x}"


def blocks():
    return [[p for p in range(first, first + 4096) if not 0xd800 <= p < 0xe000]
            for first in range(0, 0x110000, 4096)]


def sequences():
    """Marks in any order after any letter, in texts of eight atoms."""
    pick = random.Random(13)
    marks = [chr(p) for p in range(0x300, 0x370)] + [a for a in ATOMS if a != "\n"]
    marks += [chr(p) for p in [*range(0x1100, 0x1113), *range(0x1161, 0x1176),
                               *range(0x11a8, 0x11c3), *range(0x1ab0, 0x1ae8),
                               *range(0x900, 0x980), *range(0x1e00, 0x1f00)]]
    return ["".join(pick.choice(marks) for _ in range(8)) for _ in range(1200)]


def unicode_golden():
    """Digests of the normal forms of all characters, by blocks of 4096, and of
    sequences, which are stored, too."""
    texts = sequences()
    golden = {"sequences": texts}
    for name, n in (("NFC", N.NFC()), ("NFD", N.NFD()), ("NFKC", N.NFKC()),
                    ("NFKD", N.NFKD()), ("Lowercase", N.Lowercase()),
                    ("StripAccents", N.StripAccents())):
        golden[name] = {
            "blocks": [fnv1a("".join(n.normalize_str(chr(p)) + "\n" for p in b))
                       for b in blocks()],
            "sequences": fnv1a("".join(n.normalize_str(t) + "\n" for t in texts))}
    return golden


def members(split):
    """The characters that a pre-tokenizer removes."""
    left = set()
    for block in blocks():
        for _, (b, e) in split.pre_tokenize_str("".join(map(chr, block))):
            left.update(block[b:e])
    return [p for block in blocks() for p in block if p not in left]


def classes():
    names = ["p{%s}" % n for n in ("L M N P S Z C Lu Ll Lt Lm Lo Mn Mc Nd Nl No Po "
                                   "So Cn Han Hiragana Latin Cyrillic").split()]
    properties = {n: ranges(members(P.Split(Regex("\\" + n), "removed")))
                  for n in [*names, "s", "d"]}
    single, words = P.Digits(True), P.Whitespace()
    every = [p for block in blocks() for p in block]
    return {"properties": properties,
            "punctuation": ranges(members(P.Punctuation("removed"))),
            "digit": ranges([p for p in every if
                             len(single.pre_tokenize_str("a" + chr(p))) == 2]),
            "word": ranges([p for p in every if words.pre_tokenize_str(
                "a" + chr(p))[0][0] != "a"])}


def main():
    for name, tokenizer in kinds():
        tokenizer.add_tokens(added())
        folder = PIPELINES / name
        folder.mkdir(parents=True, exist_ok=True)
        dump(folder / "tokenizer.json", json.loads(tokenizer.to_str()))
        dump(folder / "golden.json", {
            "vocabulary": tokenizer.get_vocab_size(),
            "strings": [row(tokenizer, s) for s in strings()],
            "decode": decoded_lists(tokenizer)})
    dump(PIPELINES / "strings.json", strings())
    dump("unicode.json", unicode_golden())
    dump("classes.json", classes())


if __name__ == "__main__":
    main()
