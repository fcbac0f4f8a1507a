#!/usr/bin/env python3
"""Throughput tables as step times: convert.py hkbu|dlperf TABLE.csv > observations.csv

step time = gpus x batch of each / samples per second. One cluster per network and method (hkbu: only those that reduce
among all, 4 GPUs a node) or per framework (dlperf: the precision is part of the model's name)."""
import csv
import sys

HKBU_METHODS = ("BSP-A2A", "WFBP-A2A", "MG-WFBP")


def hkbu(row):
    if row["method"] not in HKBU_METHODS:
        return None
    nodes = max(1, -(-int(row["gpus"]) // 4))
    return f"{row['network'].split()[0]} {row['method']}", row["model"], nodes


def dlperf(row):
    return row["framework"], f"{row['model']} {row['precision']}", int(row["nodes"])


def main():
    convert = {"hkbu": hkbu, "dlperf": dlperf}[sys.argv[1]]
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(["cluster", "model", "nodes", "gpus", "local_batch", "step_time_s"])
    with open(sys.argv[2], newline="", encoding="utf-8") as table:
        for row in csv.DictReader(table):
            try:
                rate = float(row["samples_per_s"])
            except ValueError:
                continue  # out of memory, not run
            place = convert(row)
            if place is None or rate <= 0:
                continue
            gpus, batch = int(row["gpus"]), int(row["batch_per_gpu"])
            out.writerow([*place, gpus, batch, f"{gpus * batch / rate:.6g}"])


main()
