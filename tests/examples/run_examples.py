"""Run by conftest.py in a process of its own: Keras takes its backend once, when it is imported.

Arguments: a folder for the pictures, and the file that gets what the examples return, as JSON.
"""

import importlib
import json
import sys
from pathlib import Path

import numpy as np

LENGTHS = {
    "four_strategies": {"epochs": 50},
    "decay_family": {"updates": 601},
    "cycles": {"updates": 1_800},
    "cyclical_training": {"updates": 180, "up": 20, "down": 40, "every": 1},
    "decay_three_ways": {"updates": 200},
    "per_group": {"updates": 120},
    "batch_growth": {"examples": 5_000, "every": 1_000},
    "burnin": {"updates": 2_000},
    "adaptive": {"updates": 60},
}


def main(pictures: str, results: str) -> None:
    found = {}
    for name, lengths in LENGTHS.items():
        chosen = [f"--{option}={value}" for option, value in lengths.items()]
        found[name] = importlib.import_module(name).main([*chosen, f"--out={pictures}"])
    Path(results).write_text(json.dumps(found, default=np.ndarray.tolist), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
