#!/usr/bin/env python3
"""The stages of tests/gpu/run.sh that train: each writes a CSV, `summary` makes one page of them."""
import argparse
import csv
import importlib.util
import json
import pathlib
import socket
import statistics
import subprocess
import sys
import time

from programs import Clock, Measure, SHAPES, energy, rounded, setting, step_times, tell, workloads, write
from pytorch import pytorch_steps

ROUNDS = 2


class Beside:
    """Ours and PyTorch's, model by model."""

    def __init__(self, args):
        self.args, self.measure = args, Measure(args)
        self.batches = [int(b) for b in setting("BATCHES")]
        self.compare = importlib.util.find_spec("torch") is not None
        self.times = {}  # by model, precision and batch: ours, PyTorch's, our last run
        if not self.compare:
            tell(f"no torch package for {sys.executable}: ours alone")

    def take(self, turn, model, precision):
        seen = self.measure.train(model, self.batches, precision, self.measure.store(f"beside/{model}-{precision}-{turn}"))
        theirs = pytorch_steps(self.args.device, model, precision, self.batches) if self.compare else {}
        for b, steps in seen.items():
            ours, pytorch, _ = self.times.get((model, precision, b), ([], [], None))
            self.times[model, precision, b] = (ours + step_times(steps), pytorch + theirs.get(b, []), steps)

    def row(self, model, precision, batch):
        ours, theirs, steps = self.times[model, precision, batch]
        a, p = statistics.median(ours), statistics.median(theirs) if theirs else None
        return {"model": model, "precision": precision, "batch": batch, "ours_s": rounded(a), "pytorch_s": rounded(p),
                "ratio": rounded(a / p if p else None, 3), "samples_per_s": rounded(batch / a, 4),
                "energy_j_per_step": rounded(energy(steps), 4), "peak_memory_bytes": rounded(steps.get("peak_memory_bytes"), 12)}


def beside(args):
    """Ours and PyTorch's in turns, each in processes of its own; medians. First all once, then again."""
    both, clock, good = Beside(args), Clock(args.seconds), True
    turns = [(*workload, turn) for turn in range(ROUNDS) for workload in workloads()]
    for model, precision, turn in clock.items(turns):
        try:
            both.take(turn, model, precision)
        except RuntimeError as error:
            tell(f"  {model} in {precision}: {error}")
            good = False
            continue
        for b in both.batches:
            if (model, precision, b) in both.times:
                tell("  " + "  ".join(f"{k} {v}" for k, v in both.row(model, precision, b).items() if v != ""))
        write(args.out / "beside" / "beside.csv", [both.row(*key) for key in both.times])
    return good and bool(both.times)


def largest_predicted(measure, store, model, precision):
    """The largest batch that predict does not say is too large; None where it never says so."""
    def fits(batch):
        candidate, _ = measure.predict(store, model, batch, precision)
        return candidate is None or "does not fit" not in (candidate["reason"] or "")
    low = 1
    while fits(2 * low):
        low *= 2
        if low >= 1 << 20:
            return None
    high = 2 * low
    while high - low > max(1, low // 64):
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def largest_found(measure, model, precision, predicted):
    """Trains just below and above the prediction: the largest that fits, and the smallest that does not."""
    batches = sorted({max(1, round(predicted * f)) for f in (0.8, 0.9, 0.95, 1.05, 1.1, 1.25)})
    store = measure.store(f"largest/{model}-{precision}")
    measure.measure("--model", model, "--input", SHAPES[model][0], "--local-batch", ",".join(map(str, batches)), "--world-sizes", "1",
                    "--budget", "20s" if measure.device == "cpu" else "40s", store=store, precision=precision)
    profile = json.loads((store / "profile.json").read_text())
    found = {c["local_batch"]: c["status"] for w in profile["workloads"] for c in w["configurations"]}
    fit = [b for b, status in found.items() if status == "ok"]
    full = [b for b, status in found.items() if status != "ok"]
    return max(fit, default=None), min(full, default=None)


class Forecast:
    """Fitted on small batches, larger ones predicted and then trained."""

    def __init__(self, args):
        self.args, self.measure, self.rows = args, Measure(args), []
        self.small = [int(b) for b in setting("BATCHES")]
        self.large = [2 * self.small[-1], 4 * self.small[-1]]

    def store(self, model, precision):
        return self.measure.store(f"forecast/{model}-{precision}")

    def fit(self, model, precision):
        store = self.store(model, precision)
        self.measure.measure("--model", model, "--input", SHAPES[model][0], "--local-batch", ",".join(map(str, self.small)),
                             "--world-sizes", "1", "--budget", "20s", store=store, precision=precision)
        self.measure.finished(subprocess.Popen([self.measure.bin / "calibrate", "--store", store], stdout=subprocess.PIPE,
                                               stderr=subprocess.PIPE, text=True))

    def row(self, model, precision, batch, steps):
        candidate, refusal = self.measure.predict(self.store(model, precision), model, batch, precision)
        if candidate is None:
            raise RuntimeError(f"batch {batch}: {refusal}")
        seen, memory = statistics.median(step_times(steps)), steps.get("peak_memory_bytes")
        step, peak = candidate["step_time_s"], candidate["peak_memory_bytes"]
        return {"model": model, "precision": precision, "batch": batch, "predicted_s": rounded(step), "measured_s": rounded(seen),
                "error_percent": rounded(step and 100 * (step / seen - 1), 3), "predicted_bytes": rounded(peak, 12),
                "measured_bytes": rounded(memory, 12),
                "memory_error_percent": rounded(100 * (peak / memory - 1) if peak and memory else None, 3)}

    def check(self, model, precision):
        """Larger batches beside what was said of them."""
        trained = self.measure.train(model, self.large, precision, self.store(model, precision))
        for batch in self.large:
            if batch not in trained:
                raise RuntimeError(f"batch {batch} was not trained")
            self.rows.append(self.row(model, precision, batch, trained[batch]))
            tell("  " + "  ".join(f"{k} {v}" for k, v in self.rows[-1].items() if v != ""))

    def refuses_another_precision(self, model, precision):
        other = "bfloat16" if precision != "bfloat16" else "float32"
        candidate, refusal = self.measure.predict(self.store(model, precision), model, self.large[0], other)
        tell(f"  {model} in {other}, measured in {precision}: " + (refusal if candidate is None else "PREDICTED"))
        return candidate is None

    def tell_overhead(self, model, precision):
        profile = json.loads((self.store(model, precision) / "profile.json").read_text())
        overhead = [c["overhead_relative"] for w in profile["workloads"] for c in w["configurations"]]
        tell(f"  measuring took {100 * max(overhead):.3f} % of a step at most")


def forecast(args):
    """Fitted on small batches, larger ones predicted and then trained."""
    all_of_it, good = Forecast(args), True
    for model, precision in Clock(args.seconds).items(workloads()):
        try:
            all_of_it.fit(model, precision)
            all_of_it.check(model, precision)
            good &= all_of_it.refuses_another_precision(model, precision)
            all_of_it.tell_overhead(model, precision)
            write(args.out / "forecast" / "forecast.csv", all_of_it.rows)
        except RuntimeError as error:
            tell(f"  {model} in {precision}: {error}")
            good = False
    return good and bool(all_of_it.rows)


def largest(args):
    """The largest batch by the stores that `forecast` left, and by training."""
    measure, rows = Measure(args), []
    for model, precision in Clock(args.seconds).items(workloads()):
        store = measure.store(f"forecast/{model}-{precision}")
        if not (store / "calibration.json").exists():
            tell(f"  {model} in {precision}: forecast left nothing")
            continue
        predicted = largest_predicted(measure, store, model, precision)
        if predicted is None:
            tell(f"  {model} in {precision}: every batch is said to fit")
            continue
        fits, does_not = largest_found(measure, model, precision, predicted)
        rows.append({"model": model, "precision": precision, "predicted": predicted, "fits": fits, "does_not": does_not})
        tell("  " + "  ".join(f"{k} {v}" for k, v in rows[-1].items() if v is not None))
    if rows:
        write(args.out / "largest" / "largest.csv", rows)
    return True


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def run_as_torchrun(measure, n, arguments, store):
    """Ranks that know of each other by the environment alone."""
    port = str(free_port())
    processes = [measure.measure(*arguments, "--share-gpu", store=store, wait=False, environment={
        "RANK": str(r), "WORLD_SIZE": str(n), "LOCAL_RANK": str(r), "LOCAL_WORLD_SIZE": str(n), "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": port}) for r in range(n)]
    try:
        for process in processes:
            measure.finished(process)
    finally:
        for process in processes:
            process.kill()


def ranks(args):
    """2 and 4 ranks on one device: on a GPU started by environment variables alone, as torchrun does."""
    measure = Measure(args)
    good = True
    for (n,) in Clock(args.seconds).items([(2,), (4,)]):
        common = ["--model", "resnet18", "--input", "3x32x32", "--batch", "32", "--budget", "20s", "--world-sizes", str(n)]
        started, store = time.monotonic(), measure.store(f"ranks/{n}")
        try:
            if args.device == "cpu":
                measure.measure(*common, "--oversubscribe", store=store)
            else:
                run_as_torchrun(measure, n, common, store)
            tell(f"  {n} ranks on one {args.device}: works ({time.monotonic() - started:.0f} s)")
        except RuntimeError as error:
            tell(f"  {n} ranks on one {args.device}: {error}")
            good = False
    return good


def markdown(path):
    rows = list(csv.reader(open(path, newline="")))
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]])


def summary(args):
    """One page of what is there."""
    out = args.out
    parts = ["# On " + args.device]
    if (out / "devices/devices.txt").exists():
        parts.append("```\n" + (out / "devices/devices.txt").read_text().strip() + "\n```")
    for name, title in (("beside", "Step beside PyTorch's (aim: ratio 1.0 or less)"),
                        ("forecast", "Predicted from small batches (aims: median error of steps 3 %, of memory 5 %)"),
                        ("largest", "The largest batch: predicted, the largest that trained, the smallest that did not")):
        path = out / name / f"{name}.csv"
        if not path.exists():
            continue
        parts += ["## " + title, markdown(path)]
        for column in ("ratio", "error_percent", "memory_error_percent"):
            values = [abs(float(row[column])) for row in csv.DictReader(open(path, newline="")) if row.get(column)]
            if values:
                parts.append(f"{column}: median {statistics.median(values):.3g}, worst {max(values):.3g}, of {len(values)}")
    (out / "table.md").write_text("\n\n".join(parts) + "\n")
    tell((out / "table.md").read_text())
    return True


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", required=True, help="folder of measure")
    parser.add_argument("--device", choices=("cpu", "cuda"), required=True)
    parser.add_argument("--out", required=True, type=pathlib.Path)
    parser.add_argument("--seconds", type=float, help="for this stage (default: as long as it takes)")
    stages = parser.add_subparsers(dest="stage", required=True)
    for stage in (beside, forecast, largest, ranks, summary):
        stages.add_parser(stage.__name__).set_defaults(run=stage)
    args = parser.parse_args()
    try:
        sys.exit(0 if args.run(args) else 1)
    except RuntimeError as error:
        sys.exit(f"{args.stage}: {error}")


main()
