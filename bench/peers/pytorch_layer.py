#!/usr/bin/env python3
"""One block of GPT-2 124M in PyTorch on CPU, forward and backward, in fp32 and under
bf16 autocast, beside one of ours (precision_bench --only layer).

Usage: bench/peers/pytorch_layer.py [--batch 4] [--sequence 256] [--rounds 5]
       [--threads 2] [--dure build/release/bench/precision_bench]

It needs PyTorch, in a virtual environment of its own:

    python3 -m venv venv && venv/bin/pip install torch numpy
    venv/bin/python bench/peers/pytorch_layer.py --dure ...

The block is that of pytorch_step.py (no dropout), but attention is
functional.scaled_dot_product_attention, which is PyTorch's fastest. Parameters are
fp32 and autocast rounds them, as it does in training; gradients are fp32. Each round
measures PyTorch in fp32, PyTorch under autocast, and then runs the other program for
one round.
"""
import argparse
import re
import statistics
import subprocess
import time

import torch
from torch import nn
from torch.nn import functional

HIDDEN, HEADS = 768, 12


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm1 = nn.LayerNorm(HIDDEN)
        self.qkv = nn.Linear(HIDDEN, 3 * HIDDEN)
        self.projection = nn.Linear(HIDDEN, HIDDEN)
        self.norm2 = nn.LayerNorm(HIDDEN)
        self.up = nn.Linear(HIDDEN, 4 * HIDDEN)
        self.down = nn.Linear(4 * HIDDEN, HIDDEN)
        for weight in self.parameters():
            if weight.dim() == 2:
                nn.init.normal_(weight, std=0.02)

    def attention(self, x):
        B, S, C = x.shape
        q, k, v = self.qkv(x).view(B, S, 3, HEADS, C // HEADS).permute(2, 0, 3, 1, 4)
        y = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.projection(y.transpose(1, 2).reshape(B, S, C))

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        up = functional.gelu(self.up(self.norm2(x)), approximate="tanh")
        return x + self.down(up)


def torch_ms(block, batch, sequence, autocast):
    """The milliseconds of a forward and its backward."""
    x = torch.randn(batch, sequence, HIDDEN, requires_grad=True)
    d_y = torch.randn(batch, sequence, HIDDEN)
    start = time.perf_counter()
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
        y = block(x)
    y.backward(d_y.to(y.dtype))
    return 1e3 * (time.perf_counter() - start)


def dure_ms(options):
    """The milliseconds of ours, by precision."""
    text = subprocess.run(
        [options.dure, "--only", "layer", "--batch", str(options.batch),
         "--sequence", str(options.sequence), "--rounds", "1"],
        check=True, capture_output=True, text=True).stdout
    return {name: float(ms)
            for name, ms in re.findall(r"^\| (fp32|bf16|fp16) \| ([0-9.]+)", text,
                                       re.MULTILINE)}


def spread(values):
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def print_row(name, times, beside=None):
    ratio = "" if beside is None else spread([b / t for b, t in zip(beside, times)])
    print(f"| {name} | {spread(times)} | {ratio} |")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--sequence", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--dure")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(1)
    block = Block()
    theirs = {"fp32": [], "bf16": []}
    ours = {"fp32": [], "bf16": []}
    for autocast in (False, True):
        torch_ms(block, 1, 32, autocast)  # warms up; small, for autocast may be slow
    for _ in range(options.rounds):
        for name, times in theirs.items():
            times.append(torch_ms(block, options.batch, options.sequence,
                                  name == "bf16"))
        if options.dure:
            round_ms = dure_ms(options)
            for name, times in ours.items():
                times.append(round_ms[name])
    print(f"PyTorch {torch.__version__} ({torch.backends.cpu.get_cpu_capability()}), "
          f"batch {options.batch} x {options.sequence}, "
          f"{torch.get_num_threads()} threads\n")
    print("| block, forward and backward | ms | to PyTorch's rate in the same type |")
    print("| --- | --- | --- |")
    print_row("PyTorch, fp32", theirs["fp32"])
    print_row("PyTorch, bf16 autocast", theirs["bf16"])
    if options.dure:
        print_row("Dure, fp32", ours["fp32"], theirs["fp32"])
        print_row("Dure, bf16", ours["bf16"], theirs["bf16"])


if __name__ == "__main__":
    main()
