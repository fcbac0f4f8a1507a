#!/usr/bin/env python3
"""Our training step beside the same network in PyTorch: same threads, batch, optimizer.

    cmake --build build --target pytorch_step
    tests/bench/pytorch_step.py build/bin/pytorch_step [--threads 1] [--batch 32] [--rounds 3]

The two take turns, each in a process of its own; the ratio is that of the medians (1.0 or less: ours
is as fast). Needs a `torch` package.
"""
import argparse
import importlib.util
import pathlib
import statistics
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from pytorch_networks import MODELS, networks  # noqa: E402


def pytorch_steps(model, batch, threads, steps):
    """Runs in a process of its own: `--child`."""
    import torch
    torch.set_num_threads(threads)
    shape, classes = MODELS[model]
    net = networks(torch)[model](classes)
    optimizer = torch.optim.SGD(net.parameters(), 0.01, momentum=0.9)
    inputs = torch.randn(batch, *map(int, shape.split("x")))
    targets = torch.randint(classes, (batch,))
    for step in range(-2, steps):
        start = time.perf_counter()
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(net(inputs), targets).backward()
        optimizer.step()
        if step >= 0:
            print(f"{time.perf_counter() - start:.6f}")


def times(command):
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [float(line) for line in out.split()]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        return pytorch_steps(args.child, args.batch, args.threads, args.steps)
    if importlib.util.find_spec("torch") is None:
        print("no torch package for", sys.executable, "- nothing to compare with", file=sys.stderr)
        return
    print(f"{'model':<10} {'batch':>5} {'threads':>7} {'ours s':>9} {'PyTorch s':>9} {'ratio':>6}")
    for model, (shape, classes) in MODELS.items():
        numbers = [str(n) for n in (classes, args.batch, args.threads, args.steps)]
        ours, theirs = [], []
        for _ in range(args.rounds):
            ours += times([args.binary, model, shape, *numbers])
            theirs += times([sys.executable, __file__, args.binary, "--child", model, "--threads", str(args.threads),
                             "--batch", str(args.batch), "--steps", str(args.steps)])
        a, b = statistics.median(ours), statistics.median(theirs)
        print(f"{model:<10} {args.batch:>5} {args.threads:>7} {a:>9.4f} {b:>9.4f} {a / b:>6.2f}")


main()
