#!/usr/bin/env python3
"""How well a rehearsal on one host reproduces the recorded step: measures some models for real on one
rank, rehearses them on one rank, and prints the ratio of the median step times. Exit 1 where the median
error is beyond the limit."""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]


def steps(path):
    """Median parts by (model, local batch)."""
    found = {}
    for workload in json.loads(path.read_text())["workloads"]:
        for c in workload["configurations"]:
            if c["ranks"]:
                found[workload["name"], c["local_batch"]] = {
                    key: statistics.median(c["ranks"][0][key]) for key in
                    ("step_time_s", "forward_s", "backward_s", "optimizer_s")}
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", default=ROOT / "build/bin", type=pathlib.Path, help="folder of measure")
    parser.add_argument("--models", default="mnist-cnn,resnet18,densenet121")
    parser.add_argument("--budget", default="30s")
    parser.add_argument("--limit", default=1.0, type=float, metavar="PERCENT", help="default: 1")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = pathlib.Path(folder)
        common = ["--world-sizes", "1", "--budget", options.budget, "--store", folder]
        measure = [options.bin / "measure"]
        subprocess.run(measure + ["--model", options.models, "--input", "3x32x32", "--local-batch", "8"] + common,
                       check=True, stdout=sys.stderr)
        subprocess.run(measure + ["--model", options.models, "--compute", "recorded"] + common, check=True,
                       stdout=sys.stderr)
        real, rehearsed = steps(store / "profile.json"), steps(store / "recorded/profile.json")
    errors = []
    for key, was in real.items():
        now = rehearsed[key]
        errors.append(100 * abs(now["step_time_s"] / was["step_time_s"] - 1))
        parts = "  ".join(f"{part[:-2]} {1000 * was[part]:.2f} -> {1000 * now[part]:.2f} ms" for part in was)
        print(f"{key[0]} x {key[1]}: {parts}  ratio {now['step_time_s'] / was['step_time_s']:.4f}")
    error = statistics.median(errors)
    print(f"median error {error:.2f} % (limit {options.limit:g} %)")
    return 1 if error > options.limit else 0


if __name__ == "__main__":
    sys.exit(main())
