"""The rows of a stream that are held."""

import numpy as np

from keras_ccl.data.array_split import ArraySplit
from keras_ccl.data.segment import Segment
from keras_ccl.data.validation import DataSpec


def test_of_rows_before_the_latest_each_is_held_as_likely():
    """What fades out is not gone before it is handed over."""
    spec = DataSpec((6,), 3, unit_range=True)
    counts = np.zeros(10)
    for number in range(100):
        segment = Segment(number, 0, 200)
        for part in range(10):
            x = np.full((100, 6), part / 10, np.float32)
            segment.add(ArraySplit(x, np.zeros(100, int), spec, "rows"), None)
        held = segment.task(continues=True, complete=True).train.x[:, 0]
        assert segment.rows == len(held) == 200 and (held[-100:] > 0.85).all()
        counts += np.bincount(np.round(held[:-100] * 10).astype(int), minlength=10)
    assert counts[9] == 0
    np.testing.assert_allclose(counts[:9] / counts.sum(), 1 / 9, atol=0.015)
