#!/usr/bin/env python3
"""Our `ddp` beside PyTorch's DistributedDataParallel (Gloo): same network, ranks, threads, batch, optimizer.

    tests/bench/pytorch_ddp.py build/bin [--ranks 2] [--batch 32] [--rounds 4]

One thread a rank, each rank on a core of its own. The two take turns, each as a job of its own; times are the
slowest rank's, per step, and a ratio is that of the medians. Exposed communication is, of ours, what steps
stood still for; of PyTorch's, backward beside backward under no_sync() in turns. Needs a `torch` package of the
version that ours is built with (-DForerun_TORCH_ROOT=.../site-packages/torch): both are printed.
"""
import argparse
import importlib.util
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from pytorch_networks import MODELS, networks  # noqa: E402

WARMUP = 4


def pytorch_rank(args):
    """One rank, in a process of its own: `--child MODEL`; prints its steps as JSON."""
    import torch
    import torch.distributed as dist
    torch.set_num_threads(1)
    rank = int(os.environ["RANK"])
    os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[rank]})
    dist.init_process_group("gloo")
    shape, classes = MODELS[args.child]
    torch.manual_seed(0)
    net = torch.nn.parallel.DistributedDataParallel(networks(torch)[args.child](classes))
    optimizer = torch.optim.SGD(net.parameters(), 0.01, momentum=0.9)
    inputs, targets = torch.randn(args.batch, *map(int, shape.split("x"))), torch.randint(classes, (args.batch,))

    def step():
        start = time.perf_counter()
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(net(inputs), targets)
        backward = time.perf_counter()
        loss.backward()
        end = time.perf_counter()
        optimizer.step()
        return time.perf_counter() - start, end - backward

    steps, backward, alone = [], [], []
    for i in range(-WARMUP, args.steps):
        whole, of_backward = step()
        with net.no_sync():
            quiet = step()[1]
        if i >= 0:
            steps.append(whole), backward.append(of_backward), alone.append(quiet)
    print(json.dumps({"step": steps, "exposed": statistics.median(backward) - statistics.median(alone),
                      "torch": torch.__version__}), flush=True)
    dist.destroy_process_group()


def pytorch_job(args, model, port):
    command = [sys.executable, __file__, args.bin, "--child", model, "--batch", str(args.batch), "--steps", str(args.steps)]
    ranks = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True,
                              env=os.environ | {"RANK": str(r), "WORLD_SIZE": str(args.ranks), "MASTER_ADDR": "127.0.0.1",
                                                "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"})
             for r in range(args.ranks)]
    seen = [json.loads(rank.communicate()[0].splitlines()[-1]) for rank in ranks]
    return [max(step) for step in zip(*(s["step"] for s in seen))], max(s["exposed"] for s in seen), seen[0]["torch"]


def our_job(args, model, store):
    shape, _ = MODELS[model]
    subprocess.run([pathlib.Path(args.bin) / "measure", "train", "--model", model, "--input", shape, "--batch",
                    str(args.batch * args.ranks), "--world-sizes", str(args.ranks), "--steps", str(args.steps + WARMUP),
                    "--store", store], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    run = json.loads(next(pathlib.Path(store, "runs").glob(f"{model}-*.json")).read_text())
    series = lambda key: [max(step) for step in zip(*(r[key] for r in run["steps"]["ranks"]))]
    return series("step_time_s"), statistics.median(series("exposed_comm_s")), run["machine"]["libraries"]["libtorch"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bin", help="folder of measure")
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--batch", type=int, default=32, help="of each rank")
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        return pytorch_rank(args)
    if importlib.util.find_spec("torch") is None:
        print("no torch package for", sys.executable, "- nothing to compare with", file=sys.stderr)
        return
    print(f"{'model':<10} {'ranks':>5} {'batch':>5} {'ours s':>9} {'PyTorch s':>9} {'ratio':>6} {'exposed s':>10} {'PyTorch s':>9} {'ratio':>6}")
    versions = set()
    for model in MODELS:
        ours, theirs, our_exposed, their_exposed = [], [], [], []
        for i in range(args.rounds):
            with tempfile.TemporaryDirectory() as store:
                steps, exposed, version = our_job(args, model, store)
            ours += steps
            our_exposed.append(exposed)
            steps, exposed, their_version = pytorch_job(args, model, 29500 + i)
            theirs += steps
            their_exposed.append(exposed)
            versions.add((version, their_version))
        a, b = statistics.median(ours), statistics.median(theirs)
        c, d = statistics.median(our_exposed), statistics.median(their_exposed)
        exposed_ratio = c / d if d > 0 else float("nan")  # a difference of medians: noise may turn its sign
        print(f"{model:<10} {args.ranks:>5} {args.batch:>5} {a:>9.4f} {b:>9.4f} {a / b:>6.2f}"
              f" {c:>10.4f} {d:>9.4f} {exposed_ratio:>6.2f}", flush=True)
    for ours, theirs in sorted(versions):
        print(f"LibTorch: ours {ours}, PyTorch {theirs}")


main()
