"""NamedClasses: the classes that a model knows, by name or number, and how it meets more."""

from collections.abc import Iterable
from typing import Any

import keras

from keras_ccl.bounds.likelihoods import Likelihood
from keras_ccl.data.labels import LabelBook, Name
from keras_ccl.data.ready_tasks import ReadyTask
from keras_ccl.data.validation import DataSpec


class NamedClasses(keras.Model):
    """A Keras model of K classes that may become more.

    Attributes:
        num_classes: K, how many classes it has room for: one before it met any.
        labels: the names of the classes; None where they are numbers from 0 to K - 1.
        traced_with_classes: cached properties that hold functions traced with the shapes of K.
    """

    traced_with_classes: tuple[str, ...] = ()
    input_shape: tuple[int, ...]
    num_classes: int
    labels: LabelBook | None
    observation: Likelihood

    @property
    def data_spec(self) -> DataSpec:
        """What the model expects of a row."""
        unit_range = self.observation.unit_range
        return DataSpec(self.input_shape, self.num_classes, unit_range, self.labels)

    @property
    def class_names(self) -> tuple[Name, ...]:
        """The names of the classes, in the order of p(y|x): numbers where none were given."""
        return tuple(range(self.num_classes)) if self.labels is None else self.labels.names

    @property
    def is_open(self) -> bool:
        """Whether tasks may bring classes that the model does not know."""
        return self.labels is not None and self.labels.is_open

    def lacks_classes(self, task: ReadyTask) -> bool:
        """Whether there are classes that a task has no rows of; without any label, none."""
        return 0 < len(task.train.classes) < self.num_classes

    def meet(self, labels: LabelBook | None) -> None:
        """Have room for the classes of a task that begins.

        Args:
            labels: the names of all classes once it is learnt, those that are known first; None
                where they are numbers.
        """
        if labels is not None and labels != self.labels:
            self.grow_classes(labels.names[len(self.class_names) :])

    def grow_classes(self, names: Iterable[Name]) -> None:
        """Have room for further classes, which `fit` and `fit_tasks` do by themselves.

        Args:
            names: of the classes, in the order of their indices.

        Raises:
            ValueError: for a model whose classes were told when it was made; for names that are
                not new, or not of one kind.
        """
        if self.labels is None or not self.is_open:
            raise ValueError(
                "grow_classes: expected a model made without num_classes and class_names, received "
                f"one of {self.num_classes} classes"
            )
        book, anew = LabelBook.open_with([*self.labels.names, *names]), not self.labels.names
        self.grow_to(book.num_classes, anew=anew)
        self.labels = book

    def grow_to(self, num_classes: int, *, anew: bool, **options: Any) -> None:
        """Make every part that has an axis of classes longer.

        Args:
            num_classes: K.
            anew: whether no class was known before.
            **options: of the class below.
        """
        self.num_classes = num_classes
        self.train_function = self.test_function = self.predict_function = None
        for name in self.traced_with_classes:
            self.__dict__.pop(name, None)
