"""Where a stream of rows has moved: the bound of new rows against that of rows before."""

import numpy as np

FEWEST_ROWS = 64
"""On either side of a change."""

LEAST_FALL = 0.5
"""Of the mean bound, in standard deviations of a row; and in nats."""

LEAST_Z = 6.0
"""The same, in standard errors of the difference of two means."""


def find_change(before: np.ndarray, block: np.ndarray) -> int | None:
    """Find the row of a block from which on a bound is lower than before.

    The rows before and the block are cut into two where the means differ most, in standard errors,
    of any term; a change is a fall that chance does not explain and that is not small.

    Args:
        before: the terms of the bound, in nats, of the latest rows before, `[M, C]`, each taken
            before the row was learnt; NaN where a row has no such term.
        block: those of the block, `[N, C]`.

    Returns:
        The first row of the block, from 0, after the change; None if there is none.
    """
    found = [_of_term(b, n) for b, n in zip(before.T, block.T, strict=True)]
    z, row = max(found)
    return row if z > 0 else None


def _of_term(before: np.ndarray, block: np.ndarray) -> tuple[float, int]:
    """How many standard errors a term falls, 0 where that is no change, and from which row on."""
    known = np.flatnonzero(~np.isnan(block))
    before, block = before[~np.isnan(before)], block[known]
    if len(before) < FEWEST_ROWS or len(block) < FEWEST_ROWS:
        return 0.0, 0
    deviation = max(float(before.std()), 1.0)
    last = len(block) - FEWEST_ROWS
    sums = np.concatenate([[0.0], np.cumsum(block, dtype=np.float64)])
    rows = np.arange(last + 1)
    earlier, later = len(before) + rows, len(block) - rows
    fall = (before.sum(dtype=np.float64) + sums[rows]) / earlier - (sums[-1] - sums[rows]) / later
    z = fall / (deviation * np.sqrt(1 / earlier + 1 / later))
    row = int(z.argmax())
    is_change = fall[row] > LEAST_FALL * deviation and z[row] > LEAST_Z
    return (float(z[row]), int(known[row])) if is_change else (0.0, 0)
