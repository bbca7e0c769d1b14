"""Step decay by hand, by torch's scheduler and by a generated one, on two moons.

The document trained a 2-3-2 network with tanh on 20 points (noise 0.2), with cross entropy and Adam
at 0.01, and multiplied the rate by 0.99 every 50 of 1,000 updates, in ways that look the same.

They are not. ``update % 50 == 0`` holds at update 0 too, so the loop that decays by hand never uses
0.01: it is 50 updates ahead of ``StepLR`` from the first update to the last, where it has decayed
20 times instead of 19. The generated scheduler does as ``StepLR`` does, or with ``at_zero=True`` as
the loop does; and it computes ``0.01 * 0.99 ** n`` anew at each update, where the two others
multiply what they have, and gather one rounding per factor.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from command import keep, options, table
from moons import two_moons
from torch import nn
from torch.optim.lr_scheduler import LRScheduler, StepLR
from torch_schedules.step_decay import StepDecayLR

from lrgen.plot import Curve, Panel, figure
from lrgen.plot.curves import Style

BASE_LR, EVERY, FACTOR = 0.01, 50, 0.99
WAYS = ("by hand", "StepLR", "lrgen", "lrgen, at_zero")

History = dict[str, list[float]]


def train(way: str, updates: int) -> History:
    """Rate of each update, and the loss before it."""
    torch.manual_seed(0)
    positions, classes = map(torch.from_numpy, two_moons(points=20, noise=0.2))
    model = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 2))
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=BASE_LR)
    scheduler = scheduler_for(way, optimizer)

    history: History = {"rate": [], "loss": []}
    for update in range(updates):
        if scheduler is None and update % EVERY == 0:  # true at update 0
            for group in optimizer.param_groups:
                group["lr"] *= FACTOR
        loss = criterion(model(positions), classes)
        history["rate"].append(optimizer.param_groups[0]["lr"])
        history["loss"].append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if scheduler is not None:
            scheduler.step()
    return history


def scheduler_for(way: str, optimizer: torch.optim.Optimizer) -> LRScheduler | None:
    match way:
        case "StepLR":
            return StepLR(optimizer, step_size=EVERY, gamma=FACTOR)
        case "lrgen":
            return StepDecayLR(optimizer, decay_steps=EVERY, gamma=FACTOR)
        case "lrgen, at_zero":
            return StepDecayLR(optimizer, decay_steps=EVERY, gamma=FACTOR, at_zero=True)
    return None


def main(arguments: Sequence[str] | None = None) -> dict[str, History]:
    chosen = options(__doc__, arguments, updates=1_000)
    torch.set_num_threads(1)  # the network is small: threads only wait for each other
    histories = {way: train(way, chosen.updates) for way in WAYS}

    table(
        ["way", "first rate", f"rate {EVERY}", "last rate", "first loss", "last loss"],
        [
            [way, h["rate"][0], h["rate"][EVERY], h["rate"][-1], h["loss"][0], h["loss"][-1]]
            for way, h in histories.items()
        ],
    )
    draw(histories, chosen.out)
    return histories


def draw(histories: dict[str, History], folder: Path) -> None:
    def panel(values: dict[str, list[float]], **look: Any) -> Panel:
        styles: tuple[Style, ...] = ("stairs", "stairs", "dashed", "dashed")
        return Panel(
            [
                Curve(way, range(len(values[way])), values[way], style=style)
                for way, style in zip(WAYS, styles, strict=True)
            ],
            **look,
        )

    losses = {way: history["loss"] for way, history in histories.items()}
    beside = {
        way: [a / b for a, b in zip(losses[way], losses["StepLR"], strict=True)] for way in WAYS
    }
    made = figure(
        [
            panel({way: history["rate"] for way, history in histories.items()}),
            panel(losses, quantity="loss", log=True),
            panel(beside, quantity="loss / loss with StepLR"),
        ],
        title="0.99 every 50 updates, in ways that look the same",
        note="By hand, the first factor is multiplied in at update 0: 50 updates too early.",
    )
    keep(made, folder, "decay_three_ways")


if __name__ == "__main__":
    main()
