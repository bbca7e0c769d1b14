"""Lines as people have them in their scripts: pasted whole, and the rates that they make."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest

import lrgen


@dataclass(frozen=True)
class Snippet:
    """Lines, and the rate at some steps."""

    text: str
    rates: dict[int, float]


def half_cosine(share: float) -> float:
    return (1 + math.cos(math.pi * share)) / 2


SNIPPETS = {
    "a loop around it": Snippet(
        """
optimizer = torch.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9)
scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.01, steps_per_epoch=100,
                                                epochs=10)
for epoch in range(10):
    for batch in data_loader:
        train_batch(batch)
        optimizer.step()
        scheduler.step()
""",
        {0: 0.01 / 25, 299: 0.01, 999: 0.01 / 25 / 1e4},
    ),
    "an example of the documentation": Snippet(
        """
>>> # Assuming optimizer uses lr = 0.05 for all groups
>>> scheduler1 = ConstantLR(optimizer, factor=0.1, total_iters=20)
>>> scheduler2 = ExponentialLR(optimizer, gamma=0.9)
>>> scheduler = SequentialLR(
...     optimizer,
...     schedulers=[scheduler1, scheduler2],
...     milestones=[20],
... )
>>> for epoch in range(100):
...     train(...)
""",
        {0: 0.01, 19: 0.01, 20: 0.1, 21: 0.09},
    ),
    "a reference of torchvision": Snippet(
        """
    main_lr_scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(
        optimizer, T_max=600 - 5, eta_min=0.0
    )
    warmup_lr_scheduler = torch.optim.lr_scheduler.LinearLR(
        optimizer, start_factor=0.01, total_iters=5
    )
    lr_scheduler = torch.optim.lr_scheduler.SequentialLR(
        optimizer, schedulers=[warmup_lr_scheduler, main_lr_scheduler], milestones=[5]
    )
""",
        {0: 0.001, 5: 0.1, 600: 0.0},
    ),
    "attributes of self": Snippet(
        """
self.optimizer = torch.optim.Adam(self.parameters(), lr=1e-3)
self.scheduler = torch.optim.lr_scheduler.StepLR(self.optimizer, step_size=30, gamma=0.1)
""",
        {29: 1e-3, 30: 1e-4},
    ),
    "a method of Lightning": Snippet(
        """
def configure_optimizers(self):
    optimizer = torch.optim.AdamW(self.parameters(), lr=1e-3)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=100)
    return [optimizer], [{"scheduler": scheduler, "interval": "step"}]
""",
        {50: 5e-4, 100: 0.0},
    ),
    "two names at once": Snippet(
        "opt, epochs = SGD(net.parameters(), 0.2), 30\nsched = StepLR(opt, epochs // 3)",
        {9: 0.2, 10: 0.02},
    ),
    "arguments of a parser": Snippet(
        "args.epochs = 90\nscheduler = StepLR(optimizer, step_size=args.epochs // 3, gamma=0.1)",
        {29: 0.1, 30: 0.01},
    ),
    "a dictionary of settings": Snippet(
        """
config = {"lr": 1e-3, "epochs": 50}
scheduler = CosineAnnealingLR(SGD(net.parameters(), lr=config["lr"]), T_max=config["epochs"])
""",
        {25: 5e-4},
    ),
    "modules under other names": Snippet(
        """
import torch.optim.lr_scheduler as lr_sched
from torch import optim
sched = lr_sched.MultiStepLR(optim.SGD(net.parameters(), 0.1), milestones=[60, 120, 160], gamma=0.2)
""",
        {59: 0.1, 60: 0.02, 120: 0.004},
    ),
    "the warm-up of BERT": Snippet(
        """
def lr_lambda(current_step: int):
    if current_step < num_warmup_steps:
        return float(current_step) / float(max(1, num_warmup_steps))
    return max(0.0, float(num_training_steps - current_step) /
               float(max(1, num_training_steps - num_warmup_steps)))
num_warmup_steps = 100
num_training_steps = 1100
scheduler = LambdaLR(optimizer, lr_lambda, last_epoch=-1)
""",
        {50: 0.05, 100: 0.1, 600: 0.05, 2000: 0.0},
    ),
    "the rate of nanoGPT": Snippet(
        """
learning_rate = 6e-4
warmup_iters = 2000
lr_decay_iters = 600000
min_lr = 6e-5
def get_lr(it):
    # 1) linear warmup for warmup_iters steps
    if it < warmup_iters:
        return learning_rate * (it + 1) / (warmup_iters + 1)
    # 2) if it > lr_decay_iters, return min learning rate
    if it > lr_decay_iters:
        return min_lr
    # 3) in between, use cosine decay down to min learning rate
    decay_ratio = (it - warmup_iters) / (lr_decay_iters - warmup_iters)
    assert 0 <= decay_ratio <= 1
    coeff = 0.5 * (1.0 + math.cos(math.pi * decay_ratio)) # coeff ranges 0..1
    return min_lr + coeff * (learning_rate - min_lr)
""",
        {0: 6e-4 / 2001, 2000: 6e-4, 301000: 3.3e-4, 700000: 6e-5},
    ),
    "the formula of Noam": Snippet(
        """
d_model, warmup = 512, 4000
lr_scheduler = LambdaLR(
    optimizer=Adam(p, lr=1.0), lr_lambda=lambda step: d_model ** (-0.5) *
    min((step + 1) ** (-0.5), (step + 1) * warmup ** (-1.5)))
""",
        {0: 512**-0.5 * 4000**-1.5, 15999: 512**-0.5 * 16000**-0.5},
    ),
    "the line of YOLOv5": Snippet(
        """
lf = lambda x: (1 - x / epochs) * (1.0 - lrf) + lrf
lrf = 0.01
epochs = 300
scheduler = lr_scheduler.LambdaLR(optimizer, lr_lambda=lf)
""",
        {0: 0.1, 300: 0.001},
    ),
    "transformers with a share of the steps": Snippet(
        """
from transformers import get_linear_schedule_with_warmup
num_training_steps = 3 * 1000
optimizer = AdamW(model.parameters(), lr=2e-5, correct_bias=False)
scheduler = get_linear_schedule_with_warmup(
    optimizer, num_warmup_steps=int(0.1 * num_training_steps),
    num_training_steps=num_training_steps)
""",
        {150: 1e-5, 300: 2e-5, 3000: 0.0},
    ),
    "arguments of a trainer": Snippet(
        """
training_args = TrainingArguments(
    output_dir="./results", num_train_epochs=3, per_device_train_batch_size=16,
    learning_rate=5e-5, warmup_steps=500, weight_decay=0.01, max_steps=10500,
    lr_scheduler_type="cosine",
)
trainer = Trainer(model=model, args=training_args)
trainer.train()
""",
        {250: 2.5e-5, 500: 5e-5, 5500: 2.5e-5},
    ),
    "a recipe of Swin": Snippet(
        """
lr_scheduler = CosineLRScheduler(
    optimizer,
    t_initial=300 * 1000,
    lr_min=5e-6,
    warmup_lr_init=5e-7,
    warmup_t=20 * 1000,
    cycle_limit=1,
    t_in_epochs=False,
)
""",
        {0: 5e-7, 150_000: (0.1 + 5e-6) / 2},
    ),
    "a schedule within an optimizer of Keras": Snippet(
        """
model.compile(
    optimizer=tf.keras.optimizers.Adam(
        learning_rate=tf.keras.optimizers.schedules.CosineDecay(1e-3, 1000)),
    loss="mse")
""",
        {0: 1e-3, 500: 5e-4},
    ),
    "a schedule of TensorFlow 1": Snippet(
        """
global_step = tf.train.get_or_create_global_step()
learning_rate = tf.train.exponential_decay(0.1, global_step, 100000, 0.96, staircase=True)
optimizer = tf.train.GradientDescentOptimizer(learning_rate)
""",
        {99_999: 0.1, 100_000: 0.096},
    ),
    "a fine-tuning of BERT in the Model Garden": Snippet(
        """
lr = tf.keras.optimizers.schedules.PolynomialDecay(
    initial_learning_rate=2e-5, decay_steps=1000, end_learning_rate=0.0)
lr = tfm.optimization.lr_schedule.LinearWarmup(
    warmup_learning_rate=0, after_warmup_lr_sched=lr, warmup_steps=100)
""",
        {50: 0.9e-5, 100: 1.8e-5, 1000: 0.0},
    ),
    "a function of Flax": Snippet(
        """
def create_learning_rate_fn(config, base_learning_rate: float, steps_per_epoch: int):
    \"\"\"Create learning rate schedule.\"\"\"
    warmup_fn = optax.linear_schedule(init_value=0.0, end_value=0.1, transition_steps=500)
    cosine_fn = optax.cosine_decay_schedule(init_value=0.1, decay_steps=9500)
    schedule_fn = optax.join_schedules(schedules=[warmup_fn, cosine_fn], boundaries=[500])
    return schedule_fn
""",
        {250: 0.05, 500: 0.1, 5250: 0.05},
    ),
    "a schedule within an optimizer of optax": Snippet(
        "tx = optax.chain(optax.clip(1.0), optax.adam(optax.linear_schedule(0.1, 0.0, 100)))",
        {0: 0.1, 50: 0.05},
    ),
    "a configuration of MMDetection": Snippet(
        """
param_scheduler = [
    dict(
        type='LinearLR', start_factor=0.001, by_epoch=False, begin=0, end=500),
    dict(
        type='MultiStepLR',
        begin=0,
        end=12,
        by_epoch=True,
        milestones=[8, 11],
        gamma=0.1)
]
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=0.02, momentum=0.9, weight_decay=0.0001))
""",
        {0: 2e-5, 499: 0.02, 7999: 0.02, 8000: 0.002, 11000: 0.0002},
    ),
    "a configuration of RTMDet": Snippet(
        """
max_epochs = 300
base_lr = 0.004
train_cfg = dict(max_epochs=max_epochs, val_interval=10, epoch_length=1000,
                 dynamic_intervals=[(max_epochs - 20, 1)])
param_scheduler = [
    dict(type='LinearLR', start_factor=1.0e-5, by_epoch=False, begin=0, end=1000),
    dict(
        # use cosine lr from 150 to 300 epoch
        type='CosineAnnealingLR',
        eta_min=base_lr * 0.05,
        begin=max_epochs // 2,
        end=max_epochs,
        T_max=max_epochs // 2,
        by_epoch=True,
        convert_to_iter_based=True),
]
optim_wrapper = dict(
    _delete_=True,
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=base_lr, weight_decay=0.05))
""",
        {0: 4e-8, 999: 0.004, 150_000: 0.004, 225_000: 0.0021},
    ),
    "a warm-up of Paddle": Snippet(
        """
scheduler = paddle.optimizer.lr.LinearWarmup(
    learning_rate=paddle.optimizer.lr.PolynomialDecay(0.5, 1000, end_lr=0.0), warmup_steps=20,
    start_lr=0, end_lr=0.5, verbose=True)
sgd = paddle.optimizer.SGD(learning_rate=scheduler, parameters=linear.parameters())
""",
        {10: 0.25, 20: 0.5, 520: 0.25},
    ),
    "a warm-up of ignite": Snippet(
        """
torch_lr_scheduler = ExponentialLR(optimizer=SGD(p, lr=0.1), gamma=0.98)
scheduler = create_lr_scheduler_with_warmup(
    torch_lr_scheduler, warmup_start_value=0.0, warmup_end_value=0.1, warmup_duration=3)
trainer.add_event_handler(Events.ITERATION_STARTED, scheduler)
""",
        {0: 0.0, 1: 0.05, 2: 0.1, 3: 0.098},
    ),
    "a run of fastai": Snippet(
        "learn = vision_learner(dls, resnet34)\nlearn.fit_one_cycle(5, 3e-3)",
        {0: 3e-3 / 25, 250: 3e-3},
    ),
    "a configuration of DeepSpeed": Snippet(
        """{
  "train_batch_size": 8,
  "optimizer": {"type": "Adam", "params": {"lr": 0.001, "betas": [0.8, 0.999]}},
  "scheduler": {"type": "WarmupDecayLR", "params": {"total_num_steps": 2000,
    "warmup_min_lr": 0, "warmup_max_lr": 0.001, "warmup_num_steps": 1000,
    "warmup_type": "linear"}}
}""",
        {0: 0.0, 501: 5e-4, 1501: 5e-4},  # DeepSpeed is one update late
    ),
    "a lazy configuration of detectron2": Snippet(
        """
lr_multiplier = L(LRMultiplier)(
    optimizer=L(SGD)(params=p, lr=0.02),
    multiplier=L(WarmupParamScheduler)(
        scheduler=L(CosineParamScheduler)(start_value=1, end_value=0),
        warmup_length=100 / 1000, warmup_factor=0.1),
    max_iter=1000)
""",
        {0: 0.002, 100: 0.02 * half_cosine(0.1), 500: 0.01},
    ),
    "a scheduler of Composer": Snippet(
        """
from composer.optim.scheduler import LinearWithWarmupScheduler
lr_scheduler = LinearWithWarmupScheduler(t_warmup="100ba", alpha_i=1.0, alpha_f=0.1, t_max="1100ba")
""",
        {50: 0.05, 100: 0.1, 600: 0.055},
    ),
}


@pytest.mark.parametrize("name", list(SNIPPETS))
def test_what_people_have_is_read_as_they_have_it(name: str) -> None:
    snippet = SNIPPETS[name]
    found = lrgen.port(snippet.text).bound

    assert snippet.rates == {
        step: pytest.approx(found(step), rel=1e-12, abs=1e-16) for step in snippet.rates
    }


UNREAD = {
    "a length of the data": (
        "get_linear_schedule_with_warmup(optimizer, 0, len(train_dataloader) * 4)",
        "Put the value in its place.",
    ),
    "what a loop has changed": (
        "n = 3\nfor e in range(3):\n    n = n + e\nStepLR(optimizer, n)",
        "'n', whose value is not known here",
    ),
    "nothing but a condition": (
        "if args.cosine:\n    scheduler = StepLR(optimizer, 3)",
        "line 1: only imports, assignments and calls are read",
    ),
    "a function for each group": (
        "LambdaLR(optimizer, lr_lambda=[lambda e: e, lambda e: 2 * e])",
        "Give one of them",
    ),
    "a factor from step to step": ("MultiplicativeLR(optimizer, lambda e: 0.9)", "LambdaLR with"),
    "an epoch of Composer": (
        "CosineAnnealingWithWarmupScheduler(t_warmup='1ep')",
        "Give it in batches",
    ),
}


@pytest.mark.parametrize("name", list(UNREAD))
def test_what_is_not_read_is_said_with_a_way_out(name: str) -> None:
    text, expected = UNREAD[name]
    with pytest.raises(ValueError) as caught:
        lrgen.port(text)

    assert expected in str(caught.value)
    assert 1 == len(str(caught.value).splitlines())
