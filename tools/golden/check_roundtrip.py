#!/usr/bin/env python3
"""Checks `dure convert` with Transformers: it loads the models that we write, and
computes the same logits, bit for bit.

    python3 tools/golden/check_roundtrip.py build/release/bin/dure

For each fixture of tests/golden: hf -> dure -> hf, then both folders through
AutoModelForCausalLM. Needs torch and transformers; not part of any test.
"""
import pathlib
import subprocess
import sys
import tempfile

import torch
import transformers

GOLDEN = pathlib.Path(__file__).parent.parent.parent / "tests" / "golden"
FIXTURES = ["gpt2", "gpt2-bf16", "gpt2-f16-sharded",
            "llama", "llama-bf16", "llama-f16-sharded"]


def load(folder):
    """The model, with an error where a weight was missing or left over."""
    model, info = transformers.AutoModelForCausalLM.from_pretrained(
        folder, torch_dtype=torch.float32, output_loading_info=True)
    wrong = {key: value for key, value in info.items() if value}
    assert not wrong, f"{folder}: {wrong}"
    return model.eval()


def convert(dure, *arguments):
    subprocess.run([dure, "convert", *map(str, arguments)], check=True,
                   stdout=subprocess.DEVNULL)


def check(dure, fixture, scratch):
    ours, back = scratch / f"{fixture}-dure", scratch / f"{fixture}-hf"
    convert(dure, "--from", "hf", GOLDEN / fixture, "--to", "dure", ours)
    convert(dure, "--from", "dure", ours, "--to", "hf", back)
    tokens = torch.arange(24)[None] * 7 % 211
    with torch.no_grad():
        before = load(GOLDEN / fixture)(tokens).logits
        after = load(back)(tokens).logits
    assert torch.equal(before, after), f"{fixture}: logits differ"
    print(f"{fixture}: Transformers loads it; logits equal bit for bit")


def main():
    dure = pathlib.Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as scratch:
        for fixture in FIXTURES:
            check(dure, fixture, pathlib.Path(scratch))


if __name__ == "__main__":
    main()
