#!/usr/bin/env python3
"""Training steps of GPT-2 124M in PyTorch on CPU, for comparison with step_bench.

Usage: bench/peers/pytorch_step.py [--batch 4] [--sequence 256] [--steps 5]
       [--dure build/release/bench/step_bench]

It needs PyTorch and a fast BLAS (Debian: python3-torch, libopenblas0-pthread). It
has the same model (tied head, tanh GELU, no dropout, fp32), the same step (loss over
all tokens, clipping by the global norm, AdamW) and the same count of model FLOPs.
With --dure, it runs that program before and after each round, so both run under the
same load, and prints the ratio.
"""
import argparse
import math
import os
import re
import statistics
import subprocess
import time

import torch
from torch import nn
from torch.nn import functional

VOCABULARY, LAYERS, HIDDEN, HEADS = 50257, 12, 768, 12


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm1 = nn.LayerNorm(HIDDEN)
        self.qkv = nn.Linear(HIDDEN, 3 * HIDDEN)
        self.projection = nn.Linear(HIDDEN, HIDDEN)
        self.norm2 = nn.LayerNorm(HIDDEN)
        self.up = nn.Linear(HIDDEN, 4 * HIDDEN)
        self.down = nn.Linear(4 * HIDDEN, HIDDEN)

    def attention(self, x, mask):
        B, S, C = x.shape
        q, k, v = self.qkv(x).view(B, S, 3, HEADS, C // HEADS).permute(2, 0, 3, 1, 4)
        scores = q @ k.transpose(-2, -1) / math.sqrt(C // HEADS)
        weights = scores.masked_fill(mask, float("-inf")).softmax(-1)
        return self.projection((weights @ v).transpose(1, 2).reshape(B, S, C))

    def forward(self, x, mask):
        x = x + self.attention(self.norm1(x), mask)
        up = functional.gelu(self.up(self.norm2(x)), approximate="tanh")
        return x + self.down(up)


class Gpt2(nn.Module):
    def __init__(self, positions):
        super().__init__()
        self.token = nn.Embedding(VOCABULARY, HIDDEN)
        self.position = nn.Embedding(positions, HIDDEN)
        self.blocks = nn.ModuleList(Block() for _ in range(LAYERS))
        self.norm = nn.LayerNorm(HIDDEN)
        # GPT-2's deviation. PyTorch's default for an embedding is 50 times larger;
        # with it the softmax gives subnormal numbers, which are slow.
        for weight in self.parameters():
            if weight.dim() == 2:
                nn.init.normal_(weight, std=0.02)

    def forward(self, ids, targets):
        S = ids.shape[1]
        mask = torch.ones(S, S, dtype=torch.bool).triu(1)
        x = self.token(ids) + self.position(torch.arange(S))
        for block in self.blocks:
            x = block(x, mask)
        logits = self.norm(x) @ self.token.weight.T
        return functional.cross_entropy(logits.view(-1, VOCABULARY),
                                        targets.reshape(-1))


def flops_per_token(sequence):
    products = LAYERS * 12 * HIDDEN * HIDDEN + VOCABULARY * HIDDEN
    return 6 * products + 6 * LAYERS * HIDDEN * (sequence + 1)


def dure_rate(program, options):
    text = subprocess.run(
        [program, "--batch", str(options.batch), "--sequence",
         str(options.sequence), "--steps", "3"],
        check=True, capture_output=True, text=True).stdout
    return float(re.search(r"tokens/s +([0-9.]+)", text)[1])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--sequence", type=int, default=256)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--dure")
    options = parser.parse_args()
    torch.set_num_threads(os.cpu_count())
    torch.manual_seed(1)
    model = Gpt2(max(1024, options.sequence))
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4, foreach=True)

    def step():
        ids = torch.randint(0, VOCABULARY, (options.batch, options.sequence + 1))
        start = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        model(ids[:, :-1], ids[:, 1:]).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        tokens = options.batch * options.sequence
        return tokens / (time.perf_counter() - start)

    step()
    rates, ratios = [], []
    for _ in range(options.steps):
        rates.append(step())
        if options.dure:
            ratios.append(dure_rate(options.dure, options) / rates[-1])
    rate = statistics.median(rates)
    print(f"PyTorch {torch.__version__}, batch {options.batch} x "
          f"{options.sequence}, {torch.get_num_threads()} threads")
    print(f"tokens/s           {rate:.1f} ({min(rates):.1f} to {max(rates):.1f})")
    print(f"model GFLOP/s      {1e-9 * rate * flops_per_token(options.sequence):.1f}")
    if ratios:
        print(f"dure / PyTorch     {statistics.median(ratios):.2f} "
              f"({min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    main()
