#!/usr/bin/env python3
"""PyTorch's eager steps of one model and precision at several batches; prints times by batch as JSON."""
import argparse
import json
import subprocess
import sys
import time

from programs import SHAPES, WARMUP, steps_wanted, tell
from pytorch_networks import VOCABULARY, networks


def inputs_of(torch, shape, batch, place):
    if "x" in shape:
        return torch.randn(batch, *map(int, shape.split("x")), device=place)
    return torch.randint(VOCABULARY, (batch, int(shape)), device=place)


def timed_step(torch, net, optimizer, inputs, targets, args):
    start = time.perf_counter()
    optimizer.zero_grad()
    with torch.autocast(args.device, torch.bfloat16, enabled=args.precision == "bfloat16"):
        loss = torch.nn.functional.cross_entropy(net(inputs).float(), targets)
    loss.backward()
    optimizer.step()
    loss.item()  # waits for the device
    return time.perf_counter() - start


def train(args):
    import torch
    torch.set_num_threads(1)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = args.precision == "tf32"
    shape, classes = SHAPES[args.model]
    place = torch.device(args.device)
    net = networks(torch)[args.model](classes).to(place)
    fused = {"fused": True} if args.device == "cuda" else {}
    optimizer = torch.optim.SGD(net.parameters(), 0.01, momentum=0.9, **fused)
    result = {}
    for batch in map(int, args.batches.split(",")):
        inputs = inputs_of(torch, shape, batch, place)
        targets = torch.randint(classes, (batch,), device=place)
        times = [timed_step(torch, net, optimizer, inputs, targets, args) for _ in range(WARMUP + steps_wanted())]
        result[batch] = times[WARMUP:]
    tell(json.dumps(result))


def pytorch_steps(device, model, precision, batches):
    """Times by batch, from a process of its own; none where it fails."""
    done = subprocess.run([sys.executable, __file__, "--device", device, "--model", model, "--precision", precision, "--batches",
                           ",".join(map(str, batches))], capture_output=True, text=True)
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines()
        tell(f"  PyTorch, {model} in {precision}: {lines[-1] if lines else 'failed'}")
        return {}
    return {int(batch): times for batch, times in json.loads(done.stdout.splitlines()[-1]).items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for option in ("--device", "--model", "--precision", "--batches"):
        parser.add_argument(option, required=True)
    train(parser.parse_args())


if __name__ == "__main__":
    main()
