"""A second call of fit_tasks: true numbers, and NaN where nothing was measured."""

import numpy as np
import pytest
from checks import rows, tiny

import keras_ccl as ccl


@pytest.fixture(scope="module")
def in_two_calls():
    """Histories of three tasks in one call, of the first two, and of the third with them again."""
    tasks = [ccl.Task(rows(20, seed=k), test=rows(10, seed=k)) for k in range(3)]
    whole, parts = (tiny(ccl.JointVAE, prior="normal") for _ in range(2))
    options = {"epochs": 1, "verbose": 0}
    first = parts.fit_tasks(tasks[:2], **options)
    more = parts.fit_tasks(tasks[2:], earlier=tasks[:2], **options)
    return whole.fit_tasks(tasks, **options), first, more


def test_earlier_tasks_that_are_given_again_have_their_columns_of_r(in_two_calls):
    whole, _, more = in_two_calls
    np.testing.assert_array_equal(more.accuracy[2], whole.accuracy[2])
    assert more.average_accuracy[2] == whole.average_accuracy[2]
    assert np.isnan(more.forgetting[2])  # the accuracies before are not in this history
    assert more.task_names == ["task 3"]


def test_two_histories_are_that_of_one_call(in_two_calls):
    whole, first, more = in_two_calls
    both = first + more
    for name in ("accuracy", "negative_elbo", "forgetting", "backward_transfer"):
        np.testing.assert_array_equal(getattr(both, name), getattr(whole, name))
    assert both.epochs == whole.epochs and both.task_names == whole.task_names
    with pytest.raises(ValueError, match="begins after task 3, received one that begins after t"):
        first + more + more


def test_another_number_of_earlier_tasks_is_refused():
    message = r"earlier: expected one task \(or None\) for each of the 0 that .* received 1"
    with pytest.raises(ValueError, match=message):
        tiny().fit_tasks([rows()], earlier=[None])


def test_earlier_rows_that_are_not_said_to_be_test_rows_are_refused():
    model = tiny()
    model.tasks_seen.assign(1)
    with pytest.raises(TypeError, match=r"earlier, task 1: expected Task\(train, test"):
        model.fit_tasks([rows()], earlier=[rows()])


def test_the_display_counts_over_the_life_of_the_model(capsys):
    model = tiny(ccl.JointVAE, prior="normal")
    model.tasks_seen.assign(3)
    history = model.fit_tasks([rows()], epochs=1, batch_size=32, verbose=2)
    assert capsys.readouterr().out.startswith("task 4/4  epoch 1/1  accuracy")
    assert history.table().splitlines()[1].split()[:2] == ["task", "4"]
