#!/usr/bin/env python3
"""Our training step beside the same network in PyTorch: same threads, batch, optimizer.

    cmake --build build --target pytorch_step
    tests/bench/pytorch_step.py build/bin/pytorch_step [--threads 1] [--batch 32] [--rounds 3]

The two take turns, each in a process of its own; the ratio is that of the medians (1.0 or less: ours
is as fast). Needs a `torch` package; networks are defined here, torchvision is not needed.
"""
import argparse
import importlib.util
import statistics
import subprocess
import sys
import time

MODELS = {"mnist-cnn": ("1x28x28", 10), "resnet18": ("3x32x32", 10)}


def networks(torch):
    nn = torch.nn

    class Block(nn.Module):
        def __init__(self, cin, cout, stride):
            super().__init__()
            self.conv1 = nn.Conv2d(cin, cout, 3, stride, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(cout)
            self.conv2 = nn.Conv2d(cout, cout, 3, 1, 1, bias=False)
            self.bn2 = nn.BatchNorm2d(cout)
            self.relu = nn.ReLU(inplace=True)
            self.short = None
            if stride != 1 or cin != cout:
                self.short = nn.Sequential(nn.Conv2d(cin, cout, 1, stride, bias=False), nn.BatchNorm2d(cout))

        def forward(self, x):
            y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
            y += x if self.short is None else self.short(x)
            return self.relu(y)

    def resnet18(classes):
        layers = [nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU(inplace=True)]
        cin = 64
        for i, width in enumerate((64, 128, 256, 512)):
            layers += [Block(cin, width, 1 if i == 0 else 2), Block(width, width, 1)]
            cin = width
        return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, classes))

    def mnist_cnn(classes):
        return nn.Sequential(nn.Conv2d(1, 32, 3), nn.ReLU(inplace=True), nn.Conv2d(32, 64, 3), nn.ReLU(inplace=True),
                             nn.MaxPool2d(2), nn.Flatten(), nn.Linear(9216, 128), nn.ReLU(inplace=True), nn.Linear(128, classes))

    return {"resnet18": resnet18, "mnist-cnn": mnist_cnn}


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
