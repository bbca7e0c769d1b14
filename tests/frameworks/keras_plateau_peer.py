"""What Keras' own ReduceLROnPlateau does: cases from standard input, its rates to standard output.

A process of its own, since Keras chooses its backend when it is imported.
"""

import json
import sys
from types import SimpleNamespace
from typing import Any

import keras


def rates(case: dict[str, Any]) -> list[float]:
    """The rate after each metric; the optimizer's rate is a number, which stays binary64."""
    parameters = dict(case["parameters"])
    optimizer = SimpleNamespace(learning_rate=parameters.pop("base_lr"))
    callback = keras.callbacks.ReduceLROnPlateau(monitor="metric", **parameters)
    callback.set_model(SimpleNamespace(optimizer=optimizer))
    callback.on_train_begin()
    found = []
    for epoch, metric in enumerate(case["metrics"]):
        callback.on_epoch_end(epoch, {"metric": float(metric)})
        found.append(float(optimizer.learning_rate))
    return found


if __name__ == "__main__":
    print(json.dumps([rates(case) for case in json.load(sys.stdin)]))
