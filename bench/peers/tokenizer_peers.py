#!/usr/bin/env python3
"""Times Hugging Face tokenizers and tiktoken beside tokenizer_bench.

    pip install tokenizers tiktoken
    python3 bench/peers/tokenizer_peers.py BENCH TEXT [--megabytes N]
        [--vocabulary V] [--rounds R]

BENCH is the program tokenizer_bench. It learns a GPT-2 kind tokenizer from TEXT;
all encode the same documents (about 4 KiB, cut at line feeds) with it, one after
the other in each round, so that a busy machine slows all alike. The ids are
compared too. Prints a Markdown table of medians.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import tempfile
import time

GPT2 = (r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+"
        r"|\s+(?!\S)|\s+")


def cut(data):
    documents, at = [], 0
    while at < len(data):
        end = data.find(b"\n", min(at + 4096, len(data) - 1))
        end = len(data) if end < 0 else end + 1
        documents.append(data[at:end].decode("utf-8", "ignore"))
        at = end
    return documents


def tiktoken_of(tiktoken, file):
    kept = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [b for b in range(256) if b not in kept]
    byte = {chr(b): b for b in kept}
    byte.update({chr(256 + i): b for i, b in enumerate(rest)})
    special = {t["content"]: t["id"] for t in file["added_tokens"]}
    # Its ranks are ids, because merges are learnt in the order of their ids.
    ranks = {bytes(byte[c] for c in token): id
             for token, id in file["model"]["vocab"].items()
             if token not in special}
    return tiktoken.Encoding("same", pat_str=GPT2, mergeable_ranks=ranks,
                             special_tokens=special)


def timed(call):
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def train_seconds(text, vocabulary):
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary, min_frequency=2, show_progress=False,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    return timed(lambda: tokenizer.train_from_iterator(
        text.splitlines(keepends=True), trainer))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("bench")
    parser.add_argument("text")
    parser.add_argument("--megabytes", type=int, default=10)
    parser.add_argument("--vocabulary", type=int, default=32768)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    import tiktoken
    import tokenizers

    data = pathlib.Path(args.text).read_bytes()[:args.megabytes << 20]
    documents = cut(data)
    size = len(data) / 1e6
    cores = os.cpu_count()
    speeds = {}

    def note(name, what, speed):
        speeds.setdefault(name, {}).setdefault(what, []).append(speed)

    with tempfile.TemporaryDirectory() as directory:
        path = f"{directory}/tokenizer.json"

        def ours(*more):
            out = subprocess.run(
                [args.bench, "--text", args.text, "--megabytes",
                 str(args.megabytes), "--vocabulary", str(args.vocabulary),
                 "--repeats", "1", "--json", *more],
                check=True, capture_output=True, text=True).stdout
            return json.loads(out)

        note("dure", "train", ours("--write", path)["train, all cores"])
        note("Hugging Face tokenizers", "train",
             size / train_seconds(data.decode("utf-8", "ignore"),
                                  args.vocabulary))
        peer = tokenizers.Tokenizer.from_file(path)
        tik = tiktoken_of(tiktoken, json.loads(pathlib.Path(path).read_text()))
        same = sum(peer.encode(d).ids == tik.encode_ordinary(d)
                   for d in documents[:500])
        for _ in range(args.rounds):
            mine = ours("--tokenizer", path)
            note("dure", "one", mine["encode, one core"])
            note("dure", "all", mine["encode, all cores"])
            note("Hugging Face tokenizers", "one", size / timed(
                lambda: [peer.encode(d) for d in documents]))
            note("Hugging Face tokenizers", "all", size / timed(
                lambda: peer.encode_batch(documents)))
            note("tiktoken", "one", size / timed(
                lambda: [tik.encode_ordinary(d) for d in documents]))
            note("tiktoken", "all", size / timed(
                lambda: tik.encode_ordinary_batch(documents,
                                                  num_threads=cores)))

    def cell(name, what):
        if what not in speeds[name]:
            return "-"
        mine, its = (statistics.median(speeds[n][what]) for n in ("dure", name))
        return f"{its:.1f}" + ("" if name == "dure"
                               else f" ({mine / its:.1f} x)")

    print(f"{size:.1f} MB, {len(documents)} documents, {cores} cores, "
          f"vocabulary {args.vocabulary}, median of {args.rounds} rounds; "
          f"tiktoken {tiktoken.__version__}, tokenizers "
          f"{tokenizers.__version__}; the two peers agree on "
          f"{same} of {len(documents[:500])} documents.\n")
    print("| MB/s (dure is faster by) | encode, one core | "
          "encode, all cores | train, all cores |\n| --- | --- | --- | --- |")
    for name in speeds:
        print(f"| {name} | {cell(name, 'one')} | {cell(name, 'all')} | "
              f"{cell(name, 'train')} |")


if __name__ == "__main__":
    main()
