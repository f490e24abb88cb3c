"""Streams of rows made of tasks: every row comes once, and so many leave their place."""

import numpy as np
import pytest

import keras_ccl as ccl

SIZES = (3000, 1000, 2000)


def tasks():
    parts = [(np.full((n, 1), k, np.float32), np.arange(n) % 2) for k, n in enumerate(SIZES)]
    return [ccl.Task(part, test=part, name=f"{k}") for k, part in enumerate(parts)]


def places(stream):
    return np.searchsorted(stream.ends, np.arange(sum(SIZES)), side="right")


def share_away(stream):
    return (stream.rows[0][:, 0] != places(stream)).mean()


def test_without_mixing_tasks_come_one_after_another_shuffled():
    stream = ccl.streams.blurred(tasks())
    assert stream.begins == (0, 3000, 4000) and stream.ends == (3000, 4000, 6000)
    assert share_away(stream) == 0
    assert not np.array_equal(stream.rows[1][:100], np.arange(100) % 2)
    assert [task.name for task in stream.tasks] == ["0", "1", "2"]


@pytest.mark.parametrize("schedule", ["gaussian", "blurry"])
@pytest.mark.parametrize("mixing", [0.1, 0.3])
def test_about_so_many_rows_leave_the_place_of_their_task(schedule, mixing):
    stream = ccl.streams.blurred(tasks(), mixing=mixing, schedule=schedule)
    counts = np.bincount(stream.rows[0][:, 0].astype(int))
    assert counts.tolist() == list(SIZES)
    assert share_away(stream) == pytest.approx(mixing, rel=0.5)


def test_a_gaussian_schedule_mixes_at_the_boundaries_and_a_blurry_one_everywhere():
    middle = slice(1000, 2000)  # of the first task
    gaussian, blurry = (
        ccl.streams.blurred(tasks(), mixing=0.1, schedule=schedule).rows[0][middle, 0]
        for schedule in ("gaussian", "blurry")
    )
    assert (gaussian == 0).mean() > 0.99 > (blurry == 0).mean()


def test_the_order_follows_from_the_seed():
    one, same, other = (
        ccl.streams.blurred(tasks(), mixing=0.1, seed=seed).rows[1] for seed in (1, 1, 2)
    )
    assert np.array_equal(one, same) and not np.array_equal(one, other)


def test_streams_of_the_builders_and_of_tuples_are_taken():
    x, y = np.arange(80, dtype=np.float32).reshape(20, 2, 2, 1), np.arange(20) % 4
    split = ccl.streams.blurred(ccl.streams.split(ccl.Task((x, y))))
    assert sorted(split.rows[1][:10]) == [0] * 5 + [1] * 5
    assert ccl.streams.blurred([(x, y)]).ends == (20,)


def test_other_arguments_are_refused():
    with pytest.raises(ValueError, match="mixing: expected a share"):
        ccl.streams.blurred(tasks(), mixing=1.0)
    with pytest.raises(ValueError, match="schedule: expected one of 'gaussian', 'blurry'"):
        ccl.streams.blurred(tasks(), schedule="linear")
    with pytest.raises(TypeError, match="task 1: expected train rows"):
        ccl.streams.blurred([ccl.Task(None)])
