#!/usr/bin/env python3
"""Makes tests/golden/tokenizer with Hugging Face tokenizers 0.19.1 and
sentencepiece 0.2.

    python3 tools/golden/make_tokenizer_golden.py

It trains small tokenizers of both byte-level kinds and two SentencePiece models
on corpus.txt (our own text, written by this script), and stores the ids that
they give to strings in many scripts. For broken UTF-8, which Hugging Face does
not take, the words are those that it finds in bytes.decode(errors="replace"),
and the ids those that its model gives to each word's own bytes.
"""
import codecs
import io
import json
import pathlib

import sentencepiece
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from tokenizers import processors, trainers

OUT = pathlib.Path(__file__).parents[2] / "tests/golden/tokenizer"
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
          r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")

SENTENCES = """
The farmers of the village meet in spring, and each field is worked by all.
Whoever can't come sends someone who'll do it; nobody's counted, they've agreed.
We're planting rice today. It'd rain, they said, but I'm sure it won't.
두레는 마을 사람들이 서로의 논밭을 함께 일구던 풍습이다. 모내기 철이면 온 마을이 나섰다.
오늘은 김 서방네 논, 내일은 박 서방네 밭. 북과 꽹과리 소리가 들판에 울렸다.
田植えの季節になると、村の人々は互いの田んぼを順番に手伝いました。カエルが鳴いています。
春天来了，村里的人们一起下田插秧，互相帮助，谁也不落下。今年的收成会很好。
يعمل الفلاحون معا في الحقول، ويساعد بعضهم بعضا في موسم الزراعة.
האיכרים עובדים יחד בשדות, וכל אחד עוזר לשכנו בזמן הקציר.
गाँव के किसान एक-दूसरे के खेतों में मिलकर काम करते हैं और फसल बाँटते हैं।
ชาวนาในหมู่บ้านช่วยกันดำนาและเกี่ยวข้าวทุกปี
Крестьяне вместе пахали поля, а вечером пели песни у реки.
Οι αγρότες δουλεύουν μαζί στα χωράφια κάθε άνοιξη.
Die Bäuerinnen müssen früh aufstehen; das Mähen der Wiesen dauert länger.
Les fermières s'entraident : l'été, où qu'elles soient, ça va très bien.
Người nông dân cùng nhau cấy lúa vào mùa xuân.
In 1998 there were 2,750 fields; in 2026 only 31.5 % of them, or 866.
for (int i = 0; i < n; ++i) {\n\ttotal += field[i].area * 0.5;\n}
👨‍👩‍👧‍👦 went to the field 🌾🌾 and came home 😀. 🇰🇷 ❤️
""".strip().split("\n")

STRINGS = [
    "", " ", "a", "Hello, world!", " Hello", "  two spaces", "trailing  ",
    "The village's field can't be they'll we've I'm he'd you're",
    "CAN'T WE'LL IT'S 'S 'ſ 'LL'M", "don''t 'tis '' ' s",
    "두레는 함께 일한다. 안녕하세요", "한국어ㅋㅋㅋ ㅠㅠ",
    "田んぼのカエル、ｶﾀｶﾅ と ひらがな。", "春天来了，我们一起插秧吧！龍",
    "السلام عليكم ورحمة الله", "שָׁלוֹם עולם", "नमस्ते दुनिया क्षत्रिय",
    "สวัสดีชาวโลก ก็ได้", "Привет, мир", "Καλημέρα κόσμε", "Xin chào thế giới",
    "👨‍👩‍👧‍👦 and 👍🏽 🏴󠁧󠁢󠁳󠁣󠁴󠁿 🇰🇷🇯🇵 ❤️", "e\u0301 n\u0303 \u0301 a\u0308\u0323b",
    "123 4567 89012345", "١٢٣ ४५६ ๗๘๙ ⅷ ½ ² ㊿ 𝟙𝟚", "3.14159e-10 0xff 1,000",
    "a\u00a0b\u2003c\u3000d\u180ee\u200bf\ufeffg\u0085h\u2028i\u202fj\u205fk",
    "\u180e \u180e\u180e x\u180e", "\t\ttabs\t and\r\nlines\r\n\r\n\nend\n",
    "\n", "\n\n\n", " \n \n  x", "x   \n\n   y", "  \t ", "...!!!\n\n???\r\n",
    "<|endoftext|>", "a<|endoftext|>b", " <|endoftext|> <|endoftext|>\n",
    "<|endoftext|", "<|endof<|endoftext|>text|>", "<|begin_of_text|>Hi<|eot_id|>",
    "\x00\x01\x1f\x7f\x80\x9f", "null\x00inside", "\ufffd \uffff \U0010ffff",
    "a" * 300, "ab" * 200 + "!", "田" * 90, "한국" * 60, " " * 250, "=" * 120,
    "x" * 99, "y" * 100, "z" * 101, "pneumonoultramicroscopicsilicovolcanoconiosis",
    "https://example.org/a_b?c=d&e=%20#f", "snake_case camelCase UPPER ünïcödé",
    "ﬁ ﬀ ß ẞ İ ı ſ K Å", "ⓐ Ⅳ ʰ ª º ˈ 々 〆 ゝ ー ー", "\u0e33 \u0f0b \u1039",
    "𐍈𐌰 𝔘𝔫𝔦 𓀀 𠀀 \U000e0041", "a\u0300\u0301\u0302\u0303 z\u20dd",
] + SENTENCES

BROKEN = [
    b"\x80", b"\xff\xfe", b"abc\x80def", b" \xffword", b"\xc3", b"\xe2\x82",
    b"\xf0\x9f\x98", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80",
    b"a\xe2\x82b \xe2\x82\xac", "두".encode()[:2] + " 레".encode(),
    "한글".encode()[1:], b"  \xc3  \xc3\xa9\xc3", b"\xf0\x9f\x98\x80\xf0\x9f",
    b"12\xb23 \xa0\xa0 x", b"\n\x85\n", b"\xef\xbf\xbd\xef\xbf", bytes(range(256)),
    b"it's\xff's 'll\xff", b"<|endof\xfftext|> \xfe!!\r\n",
]


def corpus():
    """Sentences in changing company, so that pairs come up often."""
    lines = []
    for i in range(60):
        lines.append(SENTENCES[(7 * i + i * i) % len(SENTENCES)]
                     + "  " * (i % 3) + "\n" * (i % 4 == 0)
                     + (f" {i * i * 37}" if i % 5 == 0 else ""))
    return "\n".join(SENTENCES + lines) + "\n"


def train(pre_tokenizer, special, text, size):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator([text], trainers.BpeTrainer(
        vocab_size=size, min_frequency=2, show_progress=False,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    return tokenizer


def gpt2(text):
    return train(pre_tokenizers.ByteLevel(add_prefix_space=False),
                 ["<|endoftext|>"], text, 900)


def llama3(text):
    split = pre_tokenizers.Split(Regex(LLAMA3), "isolated")
    tokenizer = train(
        pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(
            add_prefix_space=False, use_regex=False)]),
        ["<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>"], text, 1200)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<|begin_of_text|> $A", special_tokens=[("<|begin_of_text|>", 0)])
    file = json.loads(tokenizer.to_str())
    file["model"]["ignore_merges"] = True
    # A token that merges can't make: only as a whole word is it one.
    file["model"]["vocab"]["UPPER"] = len(file["model"]["vocab"])
    return file


def broken_ids(tokenizer, data):
    """Ids of bytes, by the definition above."""
    spans = {}

    def repair(error):
        spans[error.start] = error.end - error.start
        return "\ufffd", error.end

    codecs.register_error("span", repair)
    text = data.decode("utf-8", "span")
    at, offsets = 0, [0]
    for char in text:
        at += spans.get(at, len(char.encode()))
        offsets.append(at)
    alphabet = byte_alphabet()
    ids = []
    for _, (begin, end) in tokenizer.pre_tokenizer.pre_tokenize_str(text):
        word = data[offsets[begin]:offsets[end]]
        ids += [t.id for t in tokenizer.model.tokenize(
            "".join(alphabet[b] for b in word))]
    return ids


def byte_alphabet():
    kept = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [b for b in range(256) if b not in kept]
    return {**{b: chr(b) for b in kept},
            **{b: chr(256 + i) for i, b in enumerate(rest)}}


def ranges(numbers):
    """[first, count, first, count, ...]"""
    out = []
    for n in numbers:
        if out and out[-2] + out[-1] == n:
            out[-1] += 1
        else:
            out += [n, 1]
    return out


def sentencepiece_model(kind, text, size):
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(text.split("\n")), model_writer=model,
        vocab_size=size, hard_vocab_limit=False, model_type=kind,
        character_coverage=0.98,
        byte_fallback=kind == "bpe", normalization_rule_name="identity",
        num_threads=1, minloglevel=2)
    (OUT / f"{kind}.model").write_bytes(model.getvalue())
    return sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())


def dump(name, value):
    (OUT / name).write_text(
        json.dumps(value, ensure_ascii=True, separators=(",", ":")) + "\n")


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    text = corpus()
    (OUT / "corpus.txt").write_text(text, newline="")
    small = gpt2(text)
    for folder in ("gpt2", "llama3"):
        (OUT / folder).mkdir(exist_ok=True)
    # As files: tokenizer.json from the llama3 kind, the pair of GPT-2's.
    small.model.save(str(OUT / "gpt2"))
    dump("gpt2.json", json.loads(small.to_str()))
    big_file = llama3(text)
    big = Tokenizer.from_str(json.dumps(big_file))
    vocabulary = len(big_file["model"]["vocab"])
    big_file["model"]["merges"] = [m.split(" ")
                                   for m in big_file["model"]["merges"]]
    dump("llama3/tokenizer.json", big_file)
    prefix = Tokenizer.from_str(small.to_str())
    prefix.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    unigram = sentencepiece_model("unigram", text, 330)
    pieces = sentencepiece_model("bpe", text, 620)

    def ids(tokenizer, string):
        return tokenizer.encode(string, add_special_tokens=False).ids

    dump("ids.json", {
        "llama3_vocabulary": vocabulary,
        "strings": [{"text": s, "gpt2": ids(small, s),
                     "gpt2_prefix_space": ids(prefix, s),
                     "llama3": ids(big, s),
                     "unigram": unigram.encode(s), "bpe": pieces.encode(s),
                     "unigram_text": unigram.decode(unigram.encode(s)),
                     "bpe_text": pieces.decode(pieces.encode(s))}
                    for s in STRINGS],
        "broken": [{"hex": b.hex(), "gpt2": broken_ids(small, b),
                    "llama3": broken_ids(big, b)} for b in BROKEN]})


if __name__ == "__main__":
    main()
