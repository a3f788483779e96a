#!/usr/bin/env python3
"""GPT-2 124M on two processes in PyTorch over Gloo, for comparison with parallel_bench.

Usage: bench/peers/pytorch_parallel.py [--batch 16] [--sequence 256]
       [--micro-batch 4] [--rounds 3] [--strategies ddp,fsdp]
       [--dure build/release/bench/parallel_bench]

Model and step are those of pytorch_step.py. Each core has a process of one thread.
`ddp` is DistributedDataParallel (gradients are reduced in the last micro-batch;
no_sync() before). `fsdp` is FullyShardedDataParallel with a unit for each block, as
at ZeRO 3; it needs a PyTorch whose FSDP runs on CPU (2.1 does, 1.13 does not). A
round starts each strategy anew, runs one micro-batch to warm up and one step, then
does the same with --dure's ranks at ZeRO 0 and ZeRO 3, so all run under the same
load. It prints medians, and the medians of each round's ratios.
"""
import argparse
import contextlib
import os
import re
import statistics
import subprocess
import sys
import time

import torch
from torch import distributed, nn

from pytorch_step import VOCABULARY, Block, Gpt2

RANKS = 2
PEER_OF = {"ddp": "ZeRO 0", "fsdp": "ZeRO 3"}


def wrapped(model, strategy):
    if strategy == "ddp":
        return nn.parallel.DistributedDataParallel(model)
    from torch.distributed.fsdp import FullyShardedDataParallel
    from torch.distributed.fsdp.wrap import ModuleWrapPolicy
    return FullyShardedDataParallel(model, auto_wrap_policy=ModuleWrapPolicy({Block}),
                                    device_id=torch.device("cpu"))


def clip(model, strategy):
    if strategy == "ddp":
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    else:
        model.clip_grad_norm_(1.0)


def worker(options, strategy, rank):
    """One rank: prints the seconds of a step."""
    os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[rank]})
    torch.set_num_threads(1)
    torch.manual_seed(1)
    distributed.init_process_group("gloo", rank=rank, world_size=RANKS)
    model = wrapped(Gpt2(max(1024, options.sequence)), strategy)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4, foreach=True)

    def step(micro_batches):
        distributed.barrier()
        start = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        for m in range(micro_batches):
            ids = torch.randint(0, VOCABULARY,
                                (options.micro_batch, options.sequence + 1))
            quiet = strategy == "ddp" and m + 1 < micro_batches
            with model.no_sync() if quiet else contextlib.nullcontext():
                (model(ids[:, :-1], ids[:, 1:]) / micro_batches).backward()
        clip(model, strategy)
        optimizer.step()
        distributed.barrier()
        return time.perf_counter() - start

    step(1)
    seconds = step(options.batch // (RANKS * options.micro_batch))
    if rank == 0:
        print("seconds", seconds)


def peer_rate(options, strategy, port):
    environment = dict(os.environ, MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port),
                       OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    ranks = [subprocess.Popen(
        [sys.executable, *sys.argv, "--worker", f"{strategy}:{rank}"],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for rank in range(RANKS)]
    outputs = [rank.communicate() for rank in ranks]
    if any(rank.returncode for rank in ranks):
        sys.exit(f"{strategy}: " + outputs[0][1] + outputs[1][1])
    seconds = float(re.search(r"seconds ([0-9.]+)", outputs[0][0])[1])
    return options.batch * options.sequence / seconds


def dure_rates(options):
    """Tokens/s at each ZeRO stage that a strategy is compared with."""
    stages = [PEER_OF[s][-1] for s in options.strategies]
    text = subprocess.run(
        [options.dure, "--batch", str(options.batch), "--sequence",
         str(options.sequence), "--micro-batch", str(options.micro_batch),
         "--ranks", str(RANKS), "--rounds", "1", "--only", ",".join(stages)],
        check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
    return {"ZeRO " + stage: float(re.search(rf"ZeRO {stage} \| ([0-9.]+) \(", text)[1])
            for stage in stages}


def cell(values, digits):
    return (f"{statistics.median(values):.{digits}f} "
            f"({min(values):.{digits}f} to {max(values):.{digits}f})")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--sequence", type=int, default=256)
    parser.add_argument("--micro-batch", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--strategies", type=lambda text: text.split(","),
                        default=list(PEER_OF))
    parser.add_argument("--port", type=int, default=29511)
    parser.add_argument("--dure")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        strategy, rank = options.worker.split(":")
        worker(options, strategy, int(rank))
        return
    peers = {strategy: [] for strategy in options.strategies}
    ours = {strategy: [] for strategy in options.strategies}
    for index in range(options.rounds):
        print(f"round {index + 1} of {options.rounds}", file=sys.stderr)
        for strategy in options.strategies:
            peers[strategy].append(peer_rate(options, strategy, options.port))
            options.port += 1
        if options.dure:
            rates = dure_rates(options)
            for strategy in options.strategies:
                ours[strategy].append(rates[PEER_OF[strategy]])
    print(f"PyTorch {torch.__version__}, Gloo, {RANKS} processes of one thread, batch "
          f"{options.batch} x {options.sequence}, micro-batches of "
          f"{options.micro_batch}\n")
    print("| PyTorch | tokens/s | Dure | tokens/s | Dure / PyTorch |")
    print("| --- | --- | --- | --- | --- |")
    for strategy, rates in peers.items():
        row = [strategy.upper(), cell(rates, 1), "-", "-", "-"]
        if ours[strategy]:
            ratios = [a / b for a, b in zip(ours[strategy], rates)]
            row[2:] = [PEER_OF[strategy], cell(ours[strategy], 1), cell(ratios, 2)]
        print("| " + " | ".join(row) + " |")


if __name__ == "__main__":
    main()
