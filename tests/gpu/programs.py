"""What the stages of table.py share: our programs, the time they have, and the tables they write."""
import csv
import json
import os
import pathlib
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "bench"))
from pytorch_networks import LARGE_MODELS, MODELS  # noqa: E402

SHAPES = MODELS | LARGE_MODELS
WARMUP = 5
KILL_AFTER = 1.5  # times what a stage may take
CPU_MEMORY = "1GiB"  # so that a batch that does not fit is soon found


def setting(name):
    return os.environ[name].split(",")


def steps_wanted():
    return int(os.environ["STEPS"])


def tell(text):
    print(text, flush=True)


class Clock:
    """What is left of a stage's seconds; all the time in the world where it was given none."""

    def __init__(self, seconds):
        self.started, self.seconds, self.longest = time.monotonic(), seconds, 0

    def left(self):
        return float("inf") if self.seconds is None else self.seconds - (time.monotonic() - self.started)

    def items(self, items):
        """As many of `items` as have room, each as long as the longest before it; says which have none."""
        items = list(items)
        for i, item in enumerate(items):
            if self.left() < self.longest:
                tell("  left out, no time: " + "; ".join(" in ".join(map(str, one)) for one in items[i:]))
                return
            begun = time.monotonic()
            yield item
            self.longest = max(self.longest, time.monotonic() - begun)


def workloads():
    """Model and precision: all models in the first precision, then in the next."""
    return [(model, precision) for precision in setting("PRECISIONS") for model in setting("MODELS")]


class Measure:
    """Our programs, with what every call says alike."""

    def __init__(self, args):
        self.bin, self.out, self.device = pathlib.Path(args.bin), args.out, args.device
        self.limit_s = None if args.seconds is None else KILL_AFTER * args.seconds

    def store(self, name):
        return self.out / name

    def measure(self, *arguments, store, precision="float32", environment=None, wait=True):
        command = [str(self.bin / "measure"), *arguments, "--device", self.device, "--precision", precision, "--store", str(store)]
        if self.device == "cpu":
            command += ["--memory-per-rank", CPU_MEMORY]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                   env=os.environ | (environment or {}))
        return self.finished(process) if wait else process

    def finished(self, process):
        try:
            out, err = process.communicate(timeout=self.limit_s)
        except subprocess.TimeoutExpired:
            process.terminate()
            process.communicate()
            raise RuntimeError(f"no end after {self.limit_s:.0f} s") from None
        if process.returncode != 0:
            raise RuntimeError(err.strip().splitlines()[-1] if err.strip() else f"exit {process.returncode}")
        return out

    def train(self, model, batches, precision, store):
        """Runs by batch."""
        shape = SHAPES[model][0]
        self.measure("train", "--model", model, "--input", shape, "--batch", ",".join(map(str, batches)), "--world-sizes", "1",
                     "--steps", str(steps_wanted() + WARMUP), store=store, precision=precision)
        runs = [json.loads(file.read_text()) for file in sorted(pathlib.Path(store, "runs").glob("*.json"))]
        return {run["steps"]["local_batch"]: run["steps"] for run in runs if run["steps"]["precision"].startswith(precision)}

    def predict(self, store, model, batch, precision):
        """The candidate for one rank, or the sentence that refuses it."""
        done = subprocess.run([str(self.bin / "predict"), "--store", str(store), "--model", model, "--batch", str(batch), "--gpus", "1",
                               "--max-accumulation", "1", "--precision", precision, "--json"], capture_output=True, text=True)
        candidates = json.loads(done.stdout)["candidates"] if done.stdout.strip() else []
        return (candidates[0], "") if candidates else (None, done.stderr.strip().splitlines()[-1])


def step_times(steps):
    return steps["ranks"][0]["step_time_s"]


def energy(steps):
    gpus = steps.get("gpus", [])
    return gpus[0].get("energy_per_step_j") if gpus else None


def write(path, rows):
    if not rows:
        raise RuntimeError("nothing was measured")
    with open(path, "w", newline="") as file:
        table = csv.DictWriter(file, rows[0].keys())
        table.writeheader()
        table.writerows(rows)


def rounded(value, digits=6):
    return "" if value is None else f"{value:.{digits}g}"
