#!/usr/bin/env python3
"""Makes observations.csv here from per-placement step times (see README.md).

usage: make.py ORIGINAL.csv > observations.csv

Rows of equal (cluster, model, nodes, gpus, local_batch) become one: times are means weighted by
their steps, over all placements; `steps` adds up. Runs on 1 node with up to 4 GPUs and on 2 nodes
with 8 GPUs get the role `fit`, all others `test`.
"""
import collections
import csv
import sys


def role(nodes, gpus):
    return "fit" if (nodes == 1 and gpus <= 4) or (nodes == 2 and gpus == 8) else "test"


def main(path):
    groups = collections.defaultdict(lambda: [0.0, 0.0, 0])  # times x steps, and steps
    with open(path, newline="") as file:
        for row in csv.DictReader(file):
            if row["accumulation"] != "1":
                sys.exit(f"{path}: accumulation = {row['accumulation']} (only 1 is known here)")
            key = (row["cluster"], row["model"], int(row["nodes"]), int(row["gpus"]), int(row["local_batch"]))
            steps = int(row["steps"])
            group = groups[key]
            group[0] += float(row["step_time_s"]) * steps
            group[1] += float(row["exposed_comm_s"]) * steps
            group[2] += steps
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow("cluster,model,nodes,gpus,local_batch,step_time_s,exposed_comm_s,steps,role".split(","))
    for (cluster, model, nodes, gpus, batch), (step, exposed, steps) in sorted(groups.items()):
        out.writerow([cluster, model, nodes, gpus, batch, f"{step / steps:.5g}", f"{exposed / steps:.4g}",
                      steps, role(nodes, gpus)])


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
