#!/usr/bin/env python3
"""Each strategy's formula beside the split that `measure` saw. As root, on an otherwise idle machine.

    tests/bench/strategy_split.py --out /tmp/split

Rehearses `ddp`, `hierarchical` and `zero1` (recorded compute) on an emulated cluster of 4 hosts x 2 ranks and
calibrates on what 1 and 2 hosts saw; 4 hosts are held out. `dataparallel` trains for real, on all cores of this
machine. Prints compute, exposed communication, optimizer and step: measured, then predicted, in ms.
tests/calib/data/ has the profiles of one such run; a test holds the formulas against them.
"""

import argparse
import json
import pathlib

from emulated_proof import CLUSTER, ROOT, fit, median_of, nodes_of, run

LOCAL_BATCH = 8


def rehearsed(options):
    """The profile of the emulated cluster."""
    profile = options.out / "emulated/recorded/profile.json"
    if not profile.exists():
        model = ["--model", options.model, "--input", "3x32x32", "--local-batch", LOCAL_BATCH]
        recordings = options.out / "recordings"
        run([options.bin / "measure", *model, "--world-sizes", 1, "--budget", "30s", "--store", recordings])
        run([CLUSTER, "run", "--name", "split", "--hosts", 4, "--ranks-per-host", 2, "--bandwidth", options.bandwidth,
             "--", options.bin / "measure", *model, "--strategy", "ddp,hierarchical,zero1", "--compute", "recorded",
             "--recorded", recordings / "profile.json", "--recorded-optimizer", "--budget", options.budget,
             "--store", options.out / "emulated"])
    return profile


def on_cores(options):
    """The profile of this machine's cores, which one process drives."""
    profile = options.out / "cores/profile.json"
    if not profile.exists():
        run([options.bin / "measure", "--model", options.model, "--input", "3x32x32", "--local-batch", "8,16,32",
             "--strategy", "dataparallel", "--budget", options.budget, "--store", options.out / "cores"])
    return profile


def forecast(options, store, model, c):
    """The parts of a step that `predict` says, in s."""
    per_node = max(map(int, c["placement"].split("+")))
    gpus = sum(map(int, c["placement"].split("+")))
    document = json.loads(run(
        [options.bin / "predict", "--store", store, "--model", model, "--strategy", c["strategy"], "--batch",
         c["local_batch"] * gpus, "--gpus", gpus, "--gpus-per-node", per_node, "--json"], capture_output=True).stdout)
    candidate = next(x for x in document["candidates"] if x["gpus"] == gpus)
    parts = candidate["breakdown"]
    return [parts["compute_s"] + parts["waiting_s"], parts["exposed_communication_s"], parts["optimizer_s"],
            candidate["step_time_s"]]


def compare(options, path, hosts):
    store = fit(options.bin, path, hosts)
    for workload in json.loads(path.read_text())["workloads"]:
        for c in workload["configurations"]:
            if not c["ranks"]:
                continue
            measured = [median_of(c, "forward_s") + median_of(c, "backward_s"), median_of(c, "exposed_comm_s"),
                        median_of(c, "optimizer_s"), median_of(c, "step_time_s")]
            predicted = forecast(options, store, workload["name"], c)
            where = "held out" if nodes_of(c["placement"]) > hosts else "fitted"
            print(f"{c['strategy']:12} {c['placement']:8} x {c['local_batch']:<3} {where:9}" + "".join(
                f" {1000 * was:8.1f} {1000 * now:8.1f}" for was, now in zip(measured, predicted))
                + f"  {100 * (predicted[-1] / measured[-1] - 1):+5.1f} %", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", default=ROOT / "build/bin", type=pathlib.Path, help="folder of measure, calibrate, predict")
    parser.add_argument("--out", required=True, type=lambda text: pathlib.Path(text).resolve(),
                        help="folder for stores; what is there is not run again")
    parser.add_argument("--model", default="resnet18")
    parser.add_argument("--bandwidth", default="400mbit", help="of each host's link")
    parser.add_argument("--budget", default="120s", help="for each of the two measurements")
    options = parser.parse_args()
    print(f"{'strategy':12} {'ranks':8}   {'batch':4}{'':9}" + "".join(
        f" {part:>8} {'':8}" for part in ("compute", "exposed", "optimizer", "step")))
    compare(options, rehearsed(options), 2)
    compare(options, on_cores(options), 1)


if __name__ == "__main__":
    main()
