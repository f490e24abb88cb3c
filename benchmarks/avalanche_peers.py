"""Avalanche's strategies as `peers.py` runs them: our rows, layer sizes, optimizer and cores.

Each row has the task label 0. No strategy is told of tasks, as ours is not; but without labels
`GenerativeReplayPlugin` takes y for them, and lengthens y twice. Images are normalised as in
Avalanche's own MNIST, which the last layer of its VAE assumes. A generator computes no gradients
when it generates, which here saves a fifth of the time and changes no number.

Chosen on 1,000 held-out training rows and other permutations: batches of 128 (of 64, 128 and 256),
1e-3 (of 1e-3, 2e-3 and 4e-3) without decay (a cosine was worse), the strength of EWC (of 1e3 to
1e5), and Avalanche's own VAE (one with an encoder and a decoder of 2x400 was no better).
"""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from avalanche.benchmarks import benchmark_from_datasets, with_task_labels
from avalanche.benchmarks.utils import (
    AvalancheDataset,
    ConstantSequence,
    DataAttribute,
    TaskLabels,
)
from avalanche.models import MlpVAE, SimpleMLP
from avalanche.training import EWC, GenerativeReplay, Naive, VAETraining
from avalanche.training.plugins import GenerativeReplayPlugin
from torch.utils.data import TensorDataset

UNITS, LATENT, CLASSES = 400, 40, 10
BATCH, RATE, PENALTY = 128, 1e-3, 1e4
MEAN, DEVIATION = 0.1307, 0.3081
"""Of the pixels of MNIST, by which Avalanche normalises."""

Rows = tuple[np.ndarray, np.ndarray]
"""Images `[N, 28, 28, 1]` in [0, 1], and labels `[N]`."""


class Generator(MlpVAE):
    """Avalanche's VAE; generated rows carry no gradients."""

    @torch.no_grad()
    def generate(self, batch_size: int | None = None) -> torch.Tensor:
        return super().generate(batch_size)


def generative_replay(*, increasing_replay_size: bool, **settings: Any) -> GenerativeReplay:
    """The strategy, its generator trained as long as its classifier and in batches as large."""
    generator = Generator((1, 28, 28), nhid=LATENT)
    shared = ("train_mb_size", "train_epochs", "evaluator")
    training = VAETraining(
        model=generator,
        optimizer=torch.optim.Adam(generator.parameters(), RATE),
        plugins=[GenerativeReplayPlugin(increasing_replay_size=increasing_replay_size)],
        **{name: settings[name] for name in shared},
    )
    return GenerativeReplay(
        generator_strategy=training, increasing_replay_size=increasing_replay_size, **settings
    )


STRATEGIES: dict[str, Callable[..., Any]] = {
    "naive": Naive,
    "EWC": functools.partial(EWC, ewc_lambda=PENALTY),
    "generative replay": functools.partial(generative_replay, increasing_replay_size=False),
    "increasing replay": functools.partial(generative_replay, increasing_replay_size=True),
}


class Learner:
    """A strategy, a classifier of 2x400 and the rows of all tasks.

    Args:
        strategy: makes the strategy.
        rows: x and y of each task.
        epochs: per task, of classifier and generator.
        seed: of weights, noise and order.
    """

    def __init__(
        self, strategy: Callable[..., Any], rows: list[Rows], epochs: int, seed: int
    ) -> None:
        torch.manual_seed(seed)
        self.classifier = SimpleMLP(
            num_classes=CLASSES, hidden_size=UNITS, hidden_layers=2, drop_rate=0.0
        )
        self.strategy = strategy(
            model=self.classifier,
            optimizer=torch.optim.Adam(self.classifier.parameters(), RATE),
            criterion=torch.nn.CrossEntropyLoss(),
            train_mb_size=BATCH,
            train_epochs=epochs,
            evaluator=None,
        )
        self.experiences = experiences(rows)

    def train(self) -> None:
        for experience in self.experiences:
            self.strategy.train(experience)

    @torch.no_grad()
    def classes(self, x: np.ndarray) -> np.ndarray:
        return self.classifier.eval()(images(x)).argmax(-1).numpy()


def learners(threads: int) -> dict[str, Callable[[list[Rows], int, int], Learner]]:
    """What makes a learner, by name; PyTorch is told how many threads it may use."""
    torch.set_num_threads(threads)
    return {name: functools.partial(Learner, make) for name, make in STRATEGIES.items()}


def images(x: np.ndarray) -> torch.Tensor:
    """Normalised images, `[N, 1, 28, 28]`."""
    return (torch.tensor(x).reshape(-1, 1, 28, 28) - MEAN) / DEVIATION


def experiences(rows: list[Rows]) -> Any:
    """The tasks as a stream of Avalanche's."""
    sets = [dataset(x, y) for x, y in rows]
    return with_task_labels(benchmark_from_datasets(train=sets)).train_stream


def dataset(x: np.ndarray, y: np.ndarray) -> AvalancheDataset:
    """Rows of one task, with the task label 0."""
    labels = torch.tensor(y).long()
    same = TaskLabels(ConstantSequence(0, len(labels)))
    attributes = [DataAttribute(labels, "targets"), same]
    return AvalancheDataset([TensorDataset(images(x), labels)], data_attributes=attributes)
