"""Changes of a stream are found in the bound of its rows, and nowhere else."""

import numpy as np
import pytest

from keras_ccl.training.change import FEWEST_ROWS, find_change


def terms(n, *, seed, of_x=-100.0, of_y=-0.1):
    """Bounds as a student has them: of images wide, of labels of few rows far off."""
    rng = np.random.default_rng(seed)
    labels = of_y - rng.exponential(3.0, n) * (rng.random(n) < 0.02)
    return np.stack([rng.normal(of_x, 25.0, n), labels], 1)


@pytest.mark.parametrize("where", [0, 100, 300, 448])
@pytest.mark.parametrize("moved", [{"of_x": -140.0}, {"of_y": -3.0}])
def test_a_fall_of_either_term_is_found_where_it_is(where, moved):
    before = terms(512, seed=1)
    block = np.concatenate([terms(where, seed=2), terms(512 - where, seed=3, **moved)])
    assert abs(find_change(before, block) - where) <= 10


def test_of_ten_thousand_blocks_without_a_change_none_is_found():
    blocks = [terms(512, seed=seed) for seed in range(200)]
    found = [find_change(blocks[k % 200], blocks[(k * 7 + 1) % 200]) for k in range(10_000)]
    assert not any(row is not None for row in found)


def test_rows_without_a_label_tell_by_their_images_and_the_others_by_labels_too():
    rng = np.random.default_rng(0)
    before, moved = terms(512, seed=1), terms(412, seed=3, of_y=-3.0)
    block = np.concatenate([terms(100, seed=2), moved])
    for rows in (before, block):
        rows[rng.random(len(rows)) < 0.5, 1] = np.nan
    assert abs(find_change(before, block) - 100) <= 10
    block[:, 1] = np.nan
    assert find_change(before, block) is None
    block[200:, 0] -= 40.0
    assert abs(find_change(before, block) - 200) <= 10


def test_rows_that_are_better_than_those_before_are_no_change():
    assert find_change(terms(512, seed=1), terms(512, seed=2, of_x=-60.0, of_y=0.0)) is None


def test_a_small_fall_is_no_change_however_sure():
    assert find_change(terms(50_000, seed=1), terms(50_000, seed=2, of_x=-104.0)) is None


@pytest.mark.parametrize("sizes", [(FEWEST_ROWS - 1, 512), (512, FEWEST_ROWS - 1), (0, 512)])
def test_too_few_rows_tell_nothing(sizes):
    assert find_change(terms(sizes[0], seed=1), terms(sizes[1], seed=2, of_x=-900.0)) is None
