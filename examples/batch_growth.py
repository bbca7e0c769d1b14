"""Growing the batch instead of shrinking the rate, on two moons.

What disturbs a step of SGD goes with rate / batch, as long as the batch is small beside the data.
So the document grew the batch where others shrink the rate. Two specs say both:
``examples/specs/batch_growth.toml`` gives a batch, a count, rounded to the nearest whole number
and halves upward (22.5 to 23); ``examples/specs/rate_for_batch.toml`` calls it and gives the rate
that a fixed batch needs for the same quotient.

Both count the examples seen, not the updates: after as many examples, the growing batch has made
fewer and longer steps, and the losses are alike.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from command import keep, options, table
from moons import two_moons

import lrgen
from lrgen.plot import Curve, Panel, figure
from lrgen.plot.curves import Style

SPECS = Path(__file__).parent / "specs"
BASE_LR, FIRST_BATCH, FACTOR, MOST_GROWTHS = 0.2, 10, 1.5, 4
POINTS, UNITS = 1_000, 16

History = dict[str, list[float]]  # "seen", "batch", "rate", "noise" and "loss" of each update


def ways(growth_every: int) -> dict[str, tuple[Callable[[int], float], Callable[[int], float]]]:
    """Batch and rate of each way, as functions of the number of examples seen."""
    common = {
        "first_batch": FIRST_BATCH,
        "factor": FACTOR,
        "growth_every": growth_every,
        "most_growths": MOST_GROWTHS,
    }
    grown = lrgen.load(SPECS / "batch_growth.toml").bind(**common)
    shrunk = lrgen.load(SPECS / "rate_for_batch.toml").bind(base_lr=BASE_LR, **common)
    return {
        "growing batch": (grown, lambda seen: BASE_LR),
        "shrinking rate": (lambda seen: FIRST_BATCH, shrunk),
        "neither": (lambda seen: FIRST_BATCH, lambda seen: BASE_LR),
    }


def train(batch_at: Callable[[int], float], rate_at: Callable[[int], float], last: int) -> History:
    """Train on ``last`` examples, drawn in the same order whatever the batches are."""
    torch.manual_seed(0)
    positions, classes = map(torch.from_numpy, two_moons(POINTS, noise=0.2))
    order = torch.randint(POINTS, (2 * last,))
    model = torch.nn.Sequential(
        torch.nn.Linear(2, UNITS), torch.nn.Tanh(), torch.nn.Linear(UNITS, 2)
    )
    criterion = torch.nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=BASE_LR)

    history: History = {"seen": [], "batch": [], "rate": [], "noise": [], "loss": []}
    seen = 0
    while seen < last:
        batch, rate = int(batch_at(seen)), rate_at(seen)
        with torch.no_grad():
            loss = criterion(model(positions), classes).item()  # over all of the data
        row = {"seen": seen, "batch": batch, "rate": rate, "noise": rate / batch, "loss": loss}
        for name, value in row.items():
            history[name].append(value)

        chosen = order[seen : seen + batch]
        optimizer.param_groups[0]["lr"] = rate
        optimizer.zero_grad()
        criterion(model(positions[chosen]), classes[chosen]).backward()
        optimizer.step()
        seen += batch
    return history


def main(arguments: Sequence[str] | None = None) -> dict[str, History]:
    chosen = options(__doc__, arguments, examples=40_000, every=8_000)
    torch.set_num_threads(1)  # the network is small: threads only wait for each other
    histories = {
        way: train(batch_at, rate_at, chosen.examples)
        for way, (batch_at, rate_at) in ways(chosen.every).items()
    }

    table(
        ["way", "updates", "last batch", "last rate", "rate / batch", "last loss"],
        [
            [way, len(h["seen"]), *(h[name][-1] for name in ("batch", "rate", "noise", "loss"))]
            for way, h in histories.items()
        ],
    )
    draw(histories, chosen.out)
    return histories


def draw(histories: dict[str, History], folder: Path) -> None:
    def panel(name: str, quantity: str, every: int = 1, **look: Any) -> Panel:
        styles: tuple[Style, ...] = ("line", "dashed", "faint")
        return Panel(
            [
                Curve(way, history["seen"][::every], history[name][::every], style=style)
                for (way, history), style in zip(histories.items(), styles, strict=True)
            ],
            quantity,
            over="examples seen",
            **look,
        )

    made = figure(
        [
            panel("batch", "batch"),
            panel("rate", "learning rate"),
            panel("noise", "rate / batch"),
            panel("loss", "loss", every=10, log=True),
        ],
        title="Growing the batch instead of shrinking the rate",
        columns=2,
    )
    keep(made, folder, "batch_growth")


if __name__ == "__main__":
    main()
