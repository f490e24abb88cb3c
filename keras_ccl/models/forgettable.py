"""Forgettable: a joint model that can forget classes on request."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator
from typing import Any

import numpy as np

from keras_ccl.bounds.likelihoods import make_likelihood
from keras_ccl.checkpointing.layer_state import copy_state
from keras_ccl.checkpointing.state import capture_state, restore_state
from keras_ccl.data.array_split import ArraySplit
from keras_ccl.data.ready_tasks import ReadyTask
from keras_ccl.data.splits import Split
from keras_ccl.models import networks
from keras_ccl.models.current_and_old import MEASURED_ROWS, posterior_samples
from keras_ccl.models.familiar_model import FamiliarModel
from keras_ccl.models.joint_model import SLOTS


class Forgettable(FamiliarModel):
    """A `FamiliarModel` that can be begun anew without some of its classes."""

    task_classes: Any
    _within_task = False

    @property
    def learnt_classes(self) -> frozenset[int]:
        """The indices of the classes that tasks had, but for those forgotten since."""
        if self._learnt is not None:
            return self._learnt - self.forgotten
        if not self.tasks_seen.numpy():
            return frozenset()
        counts = np.ones(self.num_classes)  # of a file that does not tell
        if self.feature_memory is not None and self.memory_size:
            counts = self.feature_memory.counts.numpy()
        return frozenset(np.flatnonzero(counts).tolist()) - self.forgotten

    def begin_task(self, task: ReadyTask) -> None:
        super().begin_task(task)
        self._within_task = True

    def end_task(self, task: ReadyTask) -> None:
        """Called when all else of a task has ended: its classes are learnt, and it is counted."""
        met = np.flatnonzero(self.task_classes.numpy())
        self._learnt = self.learnt_classes.union(met.tolist())
        self.returning, self._within_task = frozenset(), False
        self.tasks_seen.assign_add(1)

    def check_forgets(self, rows: Split | None) -> None:
        """Refuse to forget classes where that cannot be done.

        Args:
            rows: all rows of them that were learnt, or None.

        Raises:
            TypeError: for a method that generates no rows.
            ValueError: for a model within a task.
        """
        if not self.method.can_forget:
            raise TypeError(
                "forget: expected a method that generates rows of the classes that stay, such as "
                f"GenerativeReplay, received {self.method_name}"
            )
        if self._within_task:
            raise ValueError(
                "forget: expected a model between two tasks, received one within task "
                f"{int(self.tasks_seen.numpy()) + 1}, which has not ended"
            )

    @contextlib.contextmanager
    def forgetting(
        self, classes: Collection[int], rows: Split | None, *, generated: int
    ) -> Iterator[ReadyTask]:
        """A context in which the model is new, and learns what its teacher knows of other classes.

        After an error it is what it was before. At the end the teacher is the new model too.

        Args:
            classes: the indices of those to forget.
            rows: all rows of them that were learnt, or None.
            generated: how many rows stand for the other classes where all are needed at once.

        Yields:
            The task to fit: rows that the method generates of the other classes.
        """
        before, record = capture_state(self), self.class_record()
        memory = self.feature_memory
        try:
            self.method.begin_forgetting(self, classes)
            if memory is not None:
                memory.forget(classes, rows, self.observe)
            task = self._generated_task(generated)
            self._begin_anew(task)
            self.take_forgotten(self.forgotten.union(classes))
            yield task
            self.fit_prior(task)
            self.method.end_task(self, task)
        except BaseException:
            restore_state(self, before)
            self.restore_classes(record)
            raise
        finally:
            self.method.end_forgetting(self)
        self.forgot(classes)

    def fit_prior(self, task: ReadyTask) -> None:
        """Fit p(z) to the rows of a task and to old ones, unless it is N(0, I)."""
        if self.prior == "mixture":
            self.p_z.fit(*posterior_samples(self, task), seed=int(self.next_seed()[1]))

    def _generated_task(self, rows: int) -> ReadyTask:
        """So many rows that the method generates, as a task of their own."""
        found = self.method.old_rows(self, rows)
        assert found is not None  # `check_forgets`
        if not np.isfinite(found[0]).all():
            raise ValueError(
                "forget: expected a teacher that generates rows of the classes that stay, it "
                "generates none"
            )
        spec = self.data_spec.of_indices._replace(input_shape=self.observed_shape)
        train = ArraySplit(*found, spec, "forget: generated rows")
        number = int(self.tasks_seen.numpy())
        return ReadyTask(number, "generated rows", train.held(), None, self.labels)

    def _begin_anew(self, task: ReadyTask) -> None:
        """Let all that is trained be as it was before the first task."""
        for slot in SLOTS:
            network = getattr(self, slot)
            networks.renew(network, networks.copy(network))
        fresh = make_likelihood(self.likelihood, self.observation_scale, self.observed_shape)
        copy_state(fresh, self.observation)
        if self.observation.asks_for_rows:
            self.observation.fit(task.train.some_rows(MEASURED_ROWS, seed=0)[0])
        self.task_classes.assign(np.zeros(self.num_classes))
