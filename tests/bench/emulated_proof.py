#!/usr/bin/env python3
"""Predictions for more hosts, checked on an emulated cluster with recorded compute. As root.

    tests/bench/emulated_proof.py --out /tmp/proof --bandwidth 400 --models resnet18 --ratios 0.3,1,3

For each model and ratio: records real steps on one rank (once), scales them so that the all-reduce
over 8 hosts takes `ratio` times the backward pass, rehearses on 1, 2, 4, 8 and 16 hosts, calibrates
on what 1, 2 and 4 hosts saw, predicts 8 and 16, and prints the errors. All times are emulated. README.md
has the same with real compute.
"""

import argparse
import csv
import json
import pathlib
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
CLUSTER = ROOT / "examples/emulated-cluster.sh"
LOCAL_BATCH = 8


def run(command, **how):
    print("$", " ".join(map(str, command)), file=sys.stderr, flush=True)
    return subprocess.run(list(map(str, command)), check=True, text=True, **how)


def nodes_of(placement):
    return placement.count("+") + 1


def median_of(configuration, key):
    """Over ranks of the median over steps; the step itself is the slowest rank's."""
    ranks = configuration["ranks"]
    if key == "step_time_s":
        return statistics.median(max(step) for step in zip(*(r[key] for r in ranks)))
    return statistics.median(statistics.median(r[key]) for r in ranks)


def judged(predicted, observed):
    """A point with its 90 % interval against what was."""
    point, low, high = predicted
    return {"error": point / observed - 1 if observed else 0, "inside": low <= observed <= high,
            "half_width": high / point - 1 if point else 0}


def fit(programs, path, hosts):
    """A store with what up to so many hosts saw, calibrated."""
    profile = json.loads(path.read_text())
    small = lambda x: nodes_of(x["placement"]) <= hosts
    profile["network"] = [p for p in profile["network"] if small(p)]
    for workload in profile["workloads"]:
        workload["configurations"] = [c for c in workload["configurations"] if small(c)]
    store = path.parent / "fit"
    store.mkdir(exist_ok=True)
    (store / "profile.json").write_text(json.dumps(profile))
    run([programs / "calibrate", "--store", store], stdout=subprocess.DEVNULL)
    return store


class Proof:
    def __init__(self, options):
        self.options = options
        self.bin = pathlib.Path(options.bin).resolve()
        self.out = pathlib.Path(options.out).resolve()
        self.recordings = self.out / "recordings"
        self.bytes_per_second = options.bandwidth * 1e6 / 8
        self.rows = []

    def recorded(self, model):
        """Bytes of gradients and one rank's real steps; measured now if they are not there."""
        path = self.recordings / "profile.json"
        for measured in (False, True):
            workloads = json.loads(path.read_text())["workloads"] if path.exists() else []
            for workload in workloads:
                alone = [c for c in workload["configurations"] if c["placement"] == "1" and c["ranks"]]
                if workload["name"] == model and alone:
                    return workload["grad_bytes"], alone[0]
            if not measured:
                run([self.bin / "measure", "--model", model, "--input", "3x32x32", "--local-batch", LOCAL_BATCH,
                     "--world-sizes", 1, "--budget", "60s", "--store", self.recordings])
        sys.exit(f"emulated_proof.py: {path} holds no step of {model}: 60 s were not enough for one")

    def rehearse(self, model, ratio):
        store = self.out / f"emulated-{self.options.bandwidth}" / f"{model}-{ratio:g}"
        profile = store / "recorded/profile.json"
        if profile.exists():
            return profile
        grad_bytes, alone = self.recorded(model)
        communication = 2 * 7 / 8 * grad_bytes / self.bytes_per_second
        backward = median_of(alone, "backward_s")
        scale = communication / ratio / backward
        compute = (backward + median_of(alone, "forward_s")) * scale
        sizes = [int(n) for n in self.options.hosts.split(",")]
        once = sum(compute + max(0.1 * communication, communication - backward * scale) for n in sizes)
        budget = self.options.start + (4 + self.options.steps) * once * 1.15  # 2 to warm up, the rest in blocks
        run([CLUSTER, "run", "--name", "proof", "--hosts", max(sizes), "--bandwidth",
             f"{self.options.bandwidth}mbit", *(["--mpi-defaults"] if self.options.mpi_defaults else []), "--",
             self.bin / "measure", "--model", model, "--local-batch", LOCAL_BATCH, "--world-sizes",
             self.options.hosts, "--compute", "recorded", "--recorded", self.recordings / "profile.json",
             "--compute-scale", f"{scale:.4g}", "--recorded-optimizer", "--budget", f"{budget:.0f}s", "--store",
             store])
        return profile

    def predict(self, store, model, hosts, batch):
        points = store / f"points-{hosts}-{batch}.csv"
        points.write_text(f"model,nodes,gpus,local_batch\n{model},{hosts},{hosts},{batch}\n")
        rows = run([self.bin / "predict", "--store", store, "--points", points, "--csv"],
                   stdout=subprocess.PIPE).stdout
        row = next(csv.DictReader(rows.splitlines()))
        if row["status"] != "ok":
            return None
        document = json.loads(run([self.bin / "predict", "--store", store, "--model", model, "--batch",
                                   batch * hosts, "--gpus", hosts, "--gpus-per-node", 1, "--json"],
                                  stdout=subprocess.PIPE).stdout)
        candidate = next(c for c in document["candidates"] if c["gpus"] == hosts)
        return {"step_s": [float(row[k]) for k in ("predicted_step_time_s", "low_s", "high_s")],
                "exposed_s": [candidate["breakdown"]["exposed_communication_s"],
                              candidate["exposed_communication_low_s"], candidate["exposed_communication_high_s"]]}

    def timeline(self, configurations, hosts, batch):
        """What the ring's bandwidth term alone says, with one factor fitted on the larger fitted scales."""
        configurations = [c for c in configurations if c["local_batch"] == batch]
        alone = next(c for c in configurations if nodes_of(c["placement"]) == 1)
        part = {k: median_of(alone, k) for k in ("load_s", "forward_s", "backward_s", "optimizer_s")}

        def exposed(n, factor, c):
            end = 0.0
            for ready, bucket in zip(alone["buckets"], c["buckets"]):
                time = factor * 2 * (n - 1) / n * bucket["size_bytes"] / self.bytes_per_second
                end = max(end, ready["ready_s"]) + time
            return max(0.0, end - part["backward_s"])

        fitted = [c for c in configurations if 1 < nodes_of(c["placement"]) <= self.options.fit_hosts]
        took = ideal = 0.0  # by bytes: a shaper's burst is free credit for small buckets
        for c in fitted:
            n = nodes_of(c["placement"])
            for bucket in c["buckets"]:
                ideal += 2 * (n - 1) / n * bucket["size_bytes"] / self.bytes_per_second
                took += bucket["end_s"] - bucket["start_s"]
        factor = took / ideal
        at = next(c for c in configurations if nodes_of(c["placement"]) == hosts)
        return sum(part.values()) + exposed(hosts, factor, at), exposed(hosts, factor, at)

    def check(self, model, ratio):
        path = self.rehearse(model, ratio)
        store = fit(self.bin, path, self.options.fit_hosts)
        workload = json.loads(path.read_text())["workloads"][0]
        for c in workload["configurations"]:
            hosts = nodes_of(c["placement"])
            if hosts <= self.options.fit_hosts or not c["ranks"]:
                continue
            batch = c["local_batch"]
            predicted = self.predict(store, model, hosts, batch)
            step, exposed = median_of(c, "step_time_s"), median_of(c, "exposed_comm_s")
            simulated = self.timeline(workload["configurations"], hosts, batch)
            row = {"model": f"{model} x {batch}", "ratio": ratio, "hosts": hosts, "steps": len(c["ranks"][0]["step_time_s"]),
                   "measured_half_width": c["relative_half_width"], "step_s": step, "exposed_s": exposed,
                   "simulated_error": simulated[0] / step - 1, "simulated_exposed_error": simulated[1] / exposed - 1 if exposed else 0}
            if predicted:
                row |= judged(predicted["step_s"], step) | \
                    {f"exposed_{key}": value for key, value in judged(predicted["exposed_s"], exposed).items()}
            self.rows.append(row)
            print_row(row)

    def summary(self):
        print(f"\nemulated, {self.options.bandwidth} Mbit/s, recorded compute, fitted on up to "
              f"{self.options.fit_hosts} hosts; errors in %, median / largest")
        for hosts in sorted({r["hosts"] for r in self.rows}):
            rows = [r for r in self.rows if r["hosts"] == hosts and "error" in r]
            text = f"{hosts:3} hosts, {len(rows)} cases:"
            for key in ("error", "exposed_error", "simulated_error", "simulated_exposed_error"):
                errors = [100 * abs(r[key]) for r in rows]
                text += f"  {key.replace('_', ' ')} {statistics.median(errors):.1f} / {max(errors):.1f}"
            print(text + f"  inside: step {sum(r['inside'] for r in rows)}, exposed "
                  f"{sum(r['exposed_inside'] for r in rows)} of {len(rows)}")


def print_row(row):
    text = f"{row['model']:16} ratio {row['ratio']:<4g} {row['hosts']:3} hosts  step {row['step_s']:7.3f} s " \
           f"(+-{100 * row['measured_half_width']:.1f} % in {row['steps']})  exposed {row['exposed_s']:7.3f} s"
    if "error" in row:
        text += f"  predicted {100 * row['error']:+5.1f} % (+-{100 * row['half_width']:.1f}," \
                f" {'inside' if row['inside'] else 'OUTSIDE'}), exposed {100 * row['exposed_error']:+6.1f} %" \
                f" (+{100 * row['exposed_half_width']:.0f}, {'inside' if row['exposed_inside'] else 'OUTSIDE'})"
    else:
        text += "  refused"
    print(text + f"  timeline {100 * row['simulated_error']:+5.1f} %, exposed"
          f" {100 * row['simulated_exposed_error']:+6.1f} %", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", default=ROOT / "build/bin", help="folder of measure, calibrate, predict")
    parser.add_argument("--out", required=True, help="folder for stores; cases that are there are not run again")
    parser.add_argument("--bandwidth", type=int, default=400, help="Mbit/s of each link (default 400)")
    parser.add_argument("--models", default="resnet18,densenet121,resnet50")
    parser.add_argument("--ratios", default="0.3,1,3", help="communication on 8 hosts over backward")
    parser.add_argument("--hosts", default="1,2,4,8,16")
    parser.add_argument("--fit-hosts", type=int, default=4, help="the largest scale that is fitted")
    parser.add_argument("--steps", type=int, default=5, help="about so many of each, after warm-up")
    parser.add_argument("--start", type=float, default=45, help="seconds for starting all ranks and sweeping")
    parser.add_argument("--mpi-defaults", action="store_true", help="Open MPI's own choice of algorithms")
    options = parser.parse_args()
    proof = Proof(options)
    for model in options.models.split(","):
        for ratio in map(float, options.ratios.split(",")):
            proof.check(model, ratio)
    proof.summary()


if __name__ == "__main__":
    main()
