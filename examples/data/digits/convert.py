#!/usr/bin/env python3
"""Makes the four IDX files beside this script from scikit-learn's copy of the UCI digits.

    pip download --no-deps scikit-learn && unzip scikit_learn-*.whl sklearn/datasets/data/digits.csv.gz
    python3 convert.py sklearn/datasets/data/digits.csv.gz
"""
import gzip
import pathlib
import random
import struct
import sys

TRAIN = 1497  # of 1797; the rest is held out


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    with gzip.open(sys.argv[1], "rt") as file:
        rows = [[int(float(field)) for field in line.split(",")] for line in file]
    assert len(rows) == 1797 and all(len(row) == 65 for row in rows)
    random.Random(1998).shuffle(rows)  # writers follow one another in the source
    write("train", rows[:TRAIN])
    write("t10k", rows[TRAIN:])


def write(name, rows):
    """Pixels 0..16 become 0..255, as in MNIST."""
    folder = pathlib.Path(__file__).parent
    pixels = bytes(round(value * 255 / 16) for row in rows for value in row[:64])
    labels = bytes(row[64] for row in rows)
    header = struct.pack(">4B3I", 0, 0, 8, 3, len(rows), 8, 8)
    (folder / f"{name}-images-idx3-ubyte").write_bytes(header + pixels)
    header = struct.pack(">4BI", 0, 0, 8, 1, len(rows))
    (folder / f"{name}-labels-idx1-ubyte").write_bytes(header + labels)


main()
