#!/usr/bin/env python3
"""Training steps of GPT-2 124M in PyTorch on a GPU, beside those of step_bench.

Usage: bench/peers/pytorch_gpu_step.py [--batch 8] [--sequence 1024] [--rounds 5]
       [--together 10] [--types f32,bf16] [--compile] [--device cuda]
       [--dure build/cuda/bench/step_bench]

The model is that of pytorch_step.py with PyTorch's own attention
(scaled_dot_product_attention), the step has a fused AdamW and clipping by the global
norm. f32 is without TF32, as in Dure; bf16 is autocast with weights in fp32. A round
is so many steps, after which the host waits once. With --dure, that program runs
after PyTorch's rounds of each type. What is printed is a table in Markdown.
--device cpu is for a look at whether the script works.
"""
import argparse
import re
import statistics
import subprocess
import time

import torch
from torch import nn
from torch.nn import functional

from pytorch_step import HEADS, VOCABULARY, Gpt2, flops_per_token


def attention(block, x, _mask):
    B, S, C = x.shape
    q, k, v = block.qkv(x).view(B, S, 3, HEADS, C // HEADS).permute(2, 0, 3, 1, 4)
    y = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
    return block.projection(y.transpose(1, 2).reshape(B, S, C))


class GpuGpt2(Gpt2):
    def __init__(self, positions):
        super().__init__(positions)
        for block in self.blocks:
            block.attention = attention.__get__(block)

    def forward(self, ids, targets):
        positions = torch.arange(ids.shape[1], device=ids.device)
        x = self.token(ids) + self.position(positions)
        for block in self.blocks:
            x = block(x, None)
        logits = self.norm(x) @ self.token.weight.T
        return functional.cross_entropy(logits.float().view(-1, VOCABULARY),
                                        targets.reshape(-1))


class Steps:
    def __init__(self, options, name):
        self.options = options
        self.name = name
        self.device = torch.device(options.device)
        model = GpuGpt2(max(1024, options.sequence)).to(self.device)
        self.optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4,
                                           fused=self.device.type == "cuda")
        self.model = model
        self.forward = torch.compile(model) if options.compile else model

    def step(self):
        shape = (self.options.batch, self.options.sequence + 1)
        ids = torch.randint(0, VOCABULARY, shape, device=self.device)
        self.optimizer.zero_grad(set_to_none=True)
        with torch.autocast(self.device.type, torch.bfloat16, self.name == "bf16"):
            loss = self.forward(ids[:, :-1], ids[:, 1:])
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        return loss

    def round(self):
        """The seconds of a step."""
        start = time.perf_counter()
        for _ in range(self.options.together):
            loss = self.step()
        loss.item()
        return (time.perf_counter() - start) / self.options.together


def dure_seconds(options, name):
    text = subprocess.run(
        [options.dure, "--device", options.device, "--type", name,
         "--batch", str(options.batch), "--sequence", str(options.sequence),
         "--steps", str(options.rounds), "--together", str(options.together)],
        check=True, capture_output=True, text=True).stdout
    times = re.search(r"^step +([0-9.]+) ms \(([0-9.]+) to ([0-9.]+)\)", text, re.M)
    return [float(time) / 1e3 for time in times.groups()]


def row(options, who, name, median, least, most):
    rate = options.batch * options.sequence / median
    tflops = 1e-12 * rate * flops_per_token(options.sequence)
    return (f"| {who} | {name} | {options.batch} x {options.sequence} | "
            f"{1e3 * median:.2f} ({1e3 * least:.2f} to {1e3 * most:.2f}) | "
            f"{rate:.0f} | {tflops:.1f} |")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--sequence", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--together", type=int, default=10)
    parser.add_argument("--types", default="f32,bf16")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--dure")
    options = parser.parse_args()
    torch.manual_seed(1)
    torch.set_float32_matmul_precision("highest")
    who = f"PyTorch {torch.__version__}" + (", compiled" if options.compile else "")
    print("| | type | batch | ms a step | tokens/s | model TFLOP/s |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name in options.types.split(","):
        steps = Steps(options, name)
        steps.round()
        seconds = [steps.round() for _ in range(options.rounds)]
        del steps
        if options.device == "cuda":
            torch.cuda.empty_cache()
        print(row(options, who, name, statistics.median(seconds), min(seconds),
                  max(seconds)), flush=True)
        if options.dure:
            print(row(options, "Dure", name, *dure_seconds(options, name)), flush=True)


if __name__ == "__main__":
    main()
