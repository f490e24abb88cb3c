"""One step of generative replay in plain PyTorch: the same sizes, rows, terms and p(z) as ours."""

import contextlib
import itertools
from typing import Any

import numpy as np
import torch
from matrix_products import BATCH, CLASSES, LATENT, PIXELS, layer_sizes
from torch import nn
from torch.nn import functional


class PyTorchReplay:
    """A student that learns from current rows and from rows that its teacher generates.

    Args:
        units: of both hidden layers.
        p_z: the mixture prior that z is drawn from, a `MixturePrior` of ours.
        x: `[N, ...]` rows; y: `[N]` integer labels.
        threads: how many PyTorch may use.
        bfloat16: whether a step runs under PyTorch's autocast.
    """

    def __init__(
        self,
        units: int,
        p_z: Any,
        x: np.ndarray,
        y: np.ndarray,
        *,
        threads: int,
        bfloat16: bool = False,
    ) -> None:
        torch.set_num_threads(threads)
        self.student, self.teacher = _networks(units), _networks(units).requires_grad_(False)
        self.optimizer = torch.optim.Adam(self.student.parameters(), 1e-3)
        self.x = torch.tensor(x).reshape(-1, PIXELS)
        self.y = functional.one_hot(torch.tensor(y).long(), CLASSES).float()
        self.weight = torch.full((2 * BATCH,), 0.5 / BATCH)
        log_weights, self.means, self.trils = (torch.tensor(part) for part in p_z.gaussians())
        self.shares = log_weights.softmax(0)
        self.bfloat16 = bfloat16

    def __call__(self, steps: int) -> None:
        """Run so many steps, on rows in random order."""
        cast = torch.autocast("cpu", torch.bfloat16) if self.bfloat16 else contextlib.nullcontext()
        order = itertools.cycle(torch.randperm(len(self.x)).split(BATCH))
        for rows in itertools.islice(order, steps):
            with cast:
                self.step(self.x.index_select(0, rows), self.y.index_select(0, rows))

    def step(self, current: torch.Tensor, labels: torch.Tensor) -> None:
        """One step of Adam on current and generated rows."""
        generated, soft, mean_t, log_var_t = self.generate()
        x, y = torch.cat([current, generated]), torch.cat([labels, soft])
        mean, log_var = _posterior(self.student, x)
        z = mean + (0.5 * log_var).exp() * torch.randn_like(mean)
        logits = self.student["decoder"](z)
        rebuilt = functional.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(-1)
        zero = torch.zeros(())
        loss = rebuilt + _kl(mean, log_var, zero, zero)
        for at in (z, mean):
            loss = loss + 150 * _cross_entropy(self.student["classifier"](at), y)
        held = _kl(mean[BATCH:], log_var[BATCH:], mean_t, log_var_t)
        total = (self.weight * loss).sum() + (self.weight[BATCH:] * held).sum()
        self.optimizer.zero_grad()
        total.backward()
        self.optimizer.step()

    @torch.no_grad()
    def generate(self) -> tuple[torch.Tensor, ...]:
        """x~, y~, and mean and log-variance of the teacher's posterior at x~."""
        generated = torch.bernoulli(self.teacher["decoder"](self.draw()).sigmoid())
        mean, log_var = _posterior(self.teacher, generated)
        return generated, self.teacher["classifier"](mean).softmax(-1), mean, log_var

    def draw(self) -> torch.Tensor:
        """A batch of z from the mixture: [BATCH, LATENT]."""
        component = torch.multinomial(self.shares, BATCH, replacement=True)
        offset = self.trils.index_select(0, component) @ torch.randn(BATCH, LATENT, 1)
        return self.means[component] + offset.squeeze(-1)


def _networks(units: int) -> nn.ModuleDict:
    return nn.ModuleDict({name: _network(sizes) for name, sizes in layer_sizes(units).items()})


def _network(sizes: list[tuple[int, int]]) -> nn.Sequential:
    stack = []
    for k, n in sizes:
        stack += [nn.Linear(k, n), nn.ReLU()]
    return nn.Sequential(*stack[:-1])


def _posterior(networks: nn.ModuleDict, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    mean, raw = networks["encoder"](x).chunk(2, -1)
    return mean, 12 * torch.tanh(raw / 12)


def _kl(
    mean: torch.Tensor, log_var: torch.Tensor, mean_p: torch.Tensor, log_var_p: torch.Tensor
) -> torch.Tensor:
    ratio = (log_var - log_var_p).exp() + (mean - mean_p) ** 2 / log_var_p.exp()
    return 0.5 * (ratio - 1 - log_var + log_var_p).sum(-1)


def _cross_entropy(logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return -(y * functional.log_softmax(logits, -1)).sum(-1)
