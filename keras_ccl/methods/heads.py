"""Heads in closed form: nearest class mean, streaming LDA, ridge regression on random features.

What they reach without networks is what a method with networks has to beat.
"""

from typing import Any

import keras

from keras_ccl.bounds import closed_form
from keras_ccl.data.validation import check_positive, check_share
from keras_ccl.models.closed_form_head import ClosedFormHead


@keras.saving.register_keras_serializable(package="keras_ccl")
class NearestClassMean(ClosedFormHead):
    """The class whose mean is nearest: one vector and one number per class are kept.

    Args:
        input_shape: as in `ClosedFormHead`, like all others.
        num_classes: K; None where it follows from names.
        **kwargs: the other arguments of `ClosedFormHead`.
    """

    products_of_pairs = False

    def solve(self, moments: closed_form.Moments) -> closed_form.Linear:
        return closed_form.nearest_mean(moments)


@keras.saving.register_keras_serializable(package="keras_ccl")
class StreamingLDA(ClosedFormHead):
    """Deep streaming linear discriminant analysis (Hayes and Kanan 2020).

    Args:
        input_shape: as in `ClosedFormHead`, like the others.
        num_classes: K; None where it follows from names.
        shrinkage: the share of the covariance that is replaced by a multiple of the identity.
        **kwargs: the other arguments of `ClosedFormHead`.
    """

    option_names = (*ClosedFormHead.option_names, "shrinkage")

    def __init__(
        self,
        input_shape: tuple[int, ...],
        num_classes: int | None = None,
        *,
        shrinkage: float = 1e-4,
        **kwargs: Any,
    ) -> None:
        check_share("shrinkage", shrinkage)
        super().__init__(input_shape, num_classes, **kwargs)
        self.shrinkage = shrinkage

    def solve(self, moments: closed_form.Moments) -> closed_form.Linear:
        return closed_form.linear_discriminant(moments, self.shrinkage)


@keras.saving.register_keras_serializable(package="keras_ccl")
class RandomFeatureRidge(ClosedFormHead):
    """Ridge regression of labels on random features: the head of RanPAC (McDonnell et al. 2023).

    Args:
        input_shape: as in `ClosedFormHead`, like the others.
        num_classes: K; None where it follows from names.
        features: `"fourier"`, `"relu"` (RanPAC), `"patches"` or `"raw"`.
        penalty: of the squared coefficients, in units of the mean variance of a feature; None:
            chosen at the end of each task by generalised cross-validation, from the sums alone.
        **kwargs: the other arguments of `ClosedFormHead`.
    """

    option_names = (*ClosedFormHead.option_names, "penalty")

    def __init__(
        self,
        input_shape: tuple[int, ...],
        num_classes: int | None = None,
        *,
        features: str = "fourier",
        penalty: float | None = None,
        **kwargs: Any,
    ) -> None:
        if penalty is not None:
            check_positive("penalty", penalty)
        super().__init__(input_shape, num_classes, features=features, **kwargs)
        self.penalty = penalty

    def solve(self, moments: closed_form.Moments) -> closed_form.Linear:
        return closed_form.ridge(moments, self.penalty)
