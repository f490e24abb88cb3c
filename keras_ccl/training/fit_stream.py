"""fit_stream: learn rows as they come, where nobody tells when a task ends."""

from collections.abc import Sequence
from typing import Any

from keras_ccl.data.incoming_rows import IncomingRows
from keras_ccl.data.splits import MEASURING_BATCH, Split, as_split
from keras_ccl.data.streams import Task
from keras_ccl.data.validation import DataSpec, check_choice, check_positive
from keras_ccl.results.stream_history import StreamHistory
from keras_ccl.training import replicas
from keras_ccl.training.progress import VERBOSITIES
from keras_ccl.training.protocol import ContinualModel
from keras_ccl.training.stream_run import BLOCK_ROWS, MOST_ROWS, REPEATS, StreamRun


def fit_stream(
    model: ContinualModel,
    rows: Any,
    *,
    hand_over: str | int = "auto",
    most_rows: int = MOST_ROWS,
    repeats: int = REPEATS,
    epochs: int | None = None,
    test: Sequence[Task] = (),
    measure_every: int | None = None,
    callbacks: Any = (),
    verbose: Any = "auto",
) -> StreamHistory:
    """Learn a stream of rows in which no task is told. Calling it again goes on.

    Rows are read once, in their order, in blocks of 512. Before a block is learnt a frozen copy of
    the student, made when half as many rows of the segment had come, is asked for its bound on
    log p(x, y). Where the bound on log p(x) or log p(y|z) is lower than on earlier rows that the
    copy had not learnt, by more than half a standard deviation of a row, half a nat and 6 standard
    errors, the data have moved: the rows before are a task that is over, and the teacher takes
    over. Then, and at the end, the rows held of it are learnt once more under a falling learning
    rate as a task of `fit_tasks`, and p(z) and the memory are fitted to them. So the memory that is
    needed does not grow with the stream, and no row from before a hand-over is read again. Within
    the first thousand rows of a segment no change is looked for.

    Args:
        model: the student, such as a `CCLGM`.
        rows: a tuple (x, y) or (x, y, sample_weight) of arrays, lists or data frames; a
            `tf.data.Dataset`, batched or not, `keras.utils.PyDataset`, iterator or function that
            returns one of these. It is read to its end: for several passes let it repeat.
        hand_over: `"auto"`: where the data have moved; or a number of rows after which the teacher
            takes over, whatever the data.
        most_rows: how many rows of the current task are held at most, the latest and as many drawn
            of those before: 4 bytes for each number of x.
        repeats: how often a row is learnt as rows come, on average.
        epochs: of the rows held, at a hand-over; None: as `fit_tasks` chooses them.
        test: tasks whose test rows measure the model; only these are read.
        measure_every: rows between two measurements, in whole blocks; None: after each hand-over.
        callbacks: Keras callbacks, which see the stream as one `fit` in which a block is an epoch.
            They may have `on_task_begin(task)` and `on_task_end(task)`, as in `fit_tasks`: the
            latter is called after each hand-over. One that sets `model.stop_training` ends the
            stream after the block.
        verbose: 0: silent; else a line for each hand-over.

    Returns:
        The boundaries, and what was measured; `model.stream_history`, which an error leaves there
        as well.

    Raises:
        TypeError, ValueError: for data or options that do not fit, with what was expected and what
            came. Arrays are checked before any weight changes; other rows when they come: the model
            is then that of the rows before, and the next call begins a task with what it is given.
        FloatingPointError: for a loss that is NaN or infinite; the model is that of the blocks
            before.
        RuntimeError: for data that fail when they are read.
    """
    if model.one_pass:
        raise TypeError(
            f"fit_stream: expected a model with a bound on log p(x, y), received {model.name!r}, a "
            "closed-form head"
        )
    if hand_over != "auto":
        check_positive("hand_over", hand_over, integer=True)
    for name, value in {"most_rows": most_rows, "repeats": repeats, "epochs": epochs}.items():
        if value is not None:
            check_positive(name, value, integer=True)
    check_choice("verbose", verbose, VERBOSITIES)
    if measure_every is not None:
        check_positive("measure_every", measure_every, integer=True)
    replicas.check(model)
    if replicas.has_workers(model.distribute_strategy):
        raise ValueError("fit_stream: expected one worker; each would read all rows")
    incoming = IncomingRows(rows, model.data_spec)
    run = StreamRun(
        model,
        hand_over=hand_over,
        most_rows=most_rows,
        repeats=repeats,
        epochs=epochs,
        tests=_tests(test, model.data_spec),
        measure_every=measure_every,
        callbacks=callbacks,
        silent=verbose == 0,
    )
    with run:
        for block in incoming.blocks(BLOCK_ROWS):
            run.take(block)
            if model.stop_training:
                break
        run.end()
    return run.history


def _tests(tasks: Sequence[Any], spec: DataSpec) -> list[Split]:
    """The test rows of tasks, checked."""
    found = []
    for number, task in enumerate(tasks, start=1):
        if not isinstance(task, Task) or task.test is None:
            raise TypeError(
                f"test, task {number}: expected Task(train, test=...); only its test rows are "
                f"read; received {type(task).__name__}"
            )
        where = f"test, task {number}"
        found.append(as_split(task.test, spec, where, batch_size=MEASURING_BATCH, learns=True))
    return found
