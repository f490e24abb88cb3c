"""forget: a hand-over to a new student that is taught nothing of some classes."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from keras_ccl.data.labels import Name
from keras_ccl.data.ready_tasks import ReadyTask
from keras_ccl.data.splits import MEASURING_BATCH, Split, as_split
from keras_ccl.data.validation import check_choice, check_positive
from keras_ccl.training import optimizer, replicas
from keras_ccl.training.budgets import budget_for
from keras_ccl.training.loss_guard import LossGuard
from keras_ccl.training.progress import VERBOSITIES
from keras_ccl.training.protocol import ContinualModel

GENERATED_ROWS = 20_000
"""Which stand for the classes that stay where p(z) is fitted to them."""


def forget(
    model: ContinualModel,
    classes: Name | Iterable[Name],
    *,
    rows: Any = None,
    generated: int = GENERATED_ROWS,
    epochs: int | None = None,
    batch_size: int | None = None,
    verbose: Any = "auto",
) -> None:
    """Forget classes: a new student learns what the teacher generates of all others.

    The teacher draws no row of these classes, and gives none of their labels. Networks, p(x|z) and
    the optimizer begin anew, learn these rows alone, and then are the teacher: nothing that had
    learnt the classes stays. p(z) is fitted anew, the Gaussians of a memory go, a calibration ends.

    The sums of a ridge, of a memory or a head, hold products over all classes. Only the rows
    themselves tell which part is theirs: given as `rows` they are taken out, which is exact up to
    rounding. Without them the memory is given up, and the networks answer alone from now on.

    The places of the classes stay. Their probability is 0, in `predict` and every artefact, until a
    task brings them again. Where they were met under a name that nobody told beforehand,
    `class_names` calls the place "forgotten 1", and the name is one that is not known.

    After an error, or Ctrl-C, the model is what it was before. Files and checkpoints that were
    written earlier hold the classes still.

    Args:
        model: the student, such as a `CCLGM`, between two tasks.
        classes: what labels call them, one or several.
        rows: all rows of these classes that were learnt, with labels, as they were given to
            `fit_tasks`; None: they are gone.
        generated: how many rows stand for the other classes where p(z) is fitted to them.
        epochs: over as many rows, drawn anew each time; None: as `fit_tasks` chooses them.
        batch_size: rows per step; None: likewise.
        verbose: as in `keras.Model.fit`.

    Raises:
        TypeError: for classes that are no names, and for a method that generates nothing, whose
            other classes nothing could teach; heads in closed form need `rows`.
        ValueError: for classes that were not learnt, all that were, other rows than were learnt, or
            a model within a task. All of this is refused before anything changes.
        FloatingPointError: for a loss that is NaN or infinite.
    """
    gone = _indices(model, classes)
    for name, value in {"generated": generated, "epochs": epochs, "batch_size": batch_size}.items():
        if value is not None:
            check_positive(name, value, integer=True)
    check_choice("verbose", verbose, VERBOSITIES)
    replicas.check(model)
    if replicas.has_workers(model.distribute_strategy):
        raise ValueError("forget: expected one worker; each would generate other rows")
    given = None if rows is None else _rows_of(model, rows, gone)
    model.check_forgets(given)
    optimizer.compile_with_adam(model)
    optimizer.build_optimizer(model)
    with model.forgetting(gone, given, generated=generated) as task:
        if task is not None:
            _fit(model, task, epochs, batch_size, verbose)


def _indices(model: ContinualModel, classes: Any) -> frozenset[int]:
    """The indices of classes to forget, of which at least one other was learnt."""
    if isinstance(classes, str | int | np.integer) or not isinstance(classes, Iterable):
        classes = [classes]
    given = [name.item() if isinstance(name, np.generic) else name for name in classes]
    for name in given:
        if isinstance(name, bool) or not isinstance(name, int | str):
            raise TypeError(
                "classes: expected what labels call them, integers or strings, received "
                f"{type(name).__name__} {name!r}"
            )
    names, learnt = model.class_names, sorted(model.learnt_classes)
    found = {names[k]: k for k in learnt}
    for name in given:
        if name not in found:
            raise ValueError(
                f"classes: expected some of those learnt, {list(found)}, received {name!r}"
            )
    if not given or len({*given}) == len(learnt):
        received = "all" if given else "none"
        raise ValueError(
            f"classes: expected some of those learnt, {list(found)}, but not all; received "
            f"{received}"
        )
    return frozenset(found[name] for name in given)


def _rows_of(model: ContinualModel, rows: Any, gone: frozenset[int]) -> Split:
    """The rows of classes to forget, checked, which other classes have no part in."""
    split = as_split(rows, model.data_spec, "rows", batch_size=MEASURING_BATCH)
    if split.classes != gone:
        expected, received = (model.data_spec.names_of(k) for k in (gone, split.classes))
        raise ValueError(f"rows: expected rows of {expected} alone, received rows of {received}")
    return split


def _fit(
    model: ContinualModel,
    task: ReadyTask,
    epochs: int | None,
    batch_size: int | None,
    verbose: Any,
) -> None:
    """Keras's `fit` on generated rows, with a new optimizer under a falling learning rate."""
    optimizer.reset_optimizer(model)
    of_features = model.backbone is not None
    epochs, size = budget_for(
        task.train, epochs=epochs, batch_size=batch_size, of_features=of_features
    )
    steps = task.train.steps(size)
    guard, batches = LossGuard(task), task.train.training(size, seed=model.next_seed())[0]
    with guard.watching(model), optimizer.learning_rate_kept(model.optimizer):
        model.keras_fit(
            batches,
            epochs=epochs,
            steps_per_epoch=steps,
            callbacks=[optimizer.CosineDecay(epochs * steps), guard],
            shuffle=False,  # the rows are drawn anew
            verbose=verbose,
        )
