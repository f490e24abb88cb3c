"""Two real processes on loopback train one model; one of them is lost, and the run goes on."""

import os
import subprocess
import sys

import numpy as np
import pytest
from checks import ROOT, run_script

sys.path.insert(0, str(ROOT / "examples"))
from multi_worker import local_cluster

WORKER = ROOT / "tests" / "worker.py"


def run(folder, checkpoints, *options, workers=2):
    """Finished processes; weights are in folder/0.npz, 1.npz. One worker has two replicas."""
    processes = [
        subprocess.Popen(
            [sys.executable, WORKER, folder / f"{index}.npz", checkpoints, *options],
            env={**os.environ, **({"TF_CONFIG": config} if workers > 1 else {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for index, config in enumerate(local_cluster(workers))
    ]
    return [(process.communicate(timeout=300)[0], process.returncode) for process in processes]


@pytest.fixture(scope="module")
def together(tmp_path_factory):
    folder = tmp_path_factory.mktemp("together")
    for output, code in run(folder, folder / "checkpoints"):
        assert code == 0, output
    return [np.load(folder / f"{index}.npz") for index in (0, 1)]


def assert_same(first, second, tolerance):
    for name in first.files:
        np.testing.assert_allclose(first[name], second[name], rtol=tolerance, atol=tolerance)


def test_both_workers_hold_the_weights_of_one_process_with_two_replicas(together, tmp_path):
    ((output, code),) = run(tmp_path, tmp_path / "checkpoints", workers=1)
    assert code == 0, output
    assert_same(together[0], together[1], 0)
    assert_same(together[0], np.load(tmp_path / "0.npz"), 1e-5)


def test_ewc_finds_the_same_fisher_information_on_both_workers_as_in_one_process(tmp_path):
    options = ["2", "-1", "EWC"]
    for workers in (1, 2):
        folder = tmp_path / str(workers)
        folder.mkdir()
        for output, code in run(folder, folder / "checkpoints", *options, workers=workers):
            assert code == 0, output
    first, second = (np.load(tmp_path / "2" / f"{index}.npz") for index in (0, 1))
    assert_same(first, second, 0)
    assert_same(first, np.load(tmp_path / "1" / "0.npz"), 1e-5)  # Fisher and anchors are weights


def test_a_lost_worker_is_named_and_the_run_goes_on(together, tmp_path):
    checkpoints = tmp_path / "checkpoints"
    (chief, code), (_, lost) = run(tmp_path, checkpoints, "3", "1")  # gone in task 2, epoch 2
    assert lost == 9 and code != 0
    assert "RuntimeError: task 2: a worker of the cluster is gone" in chief
    saved = sorted(path.name for path in checkpoints.iterdir())
    assert saved == ["00000004", "00000005"]  # by the chief alone: one number an epoch or task
    for output, code in run(tmp_path, checkpoints):
        assert code == 0, output
    assert_same(together[0], np.load(tmp_path / "0.npz"), 1e-5)


def test_the_example_runs_two_workers(tmp_path):
    options = ["--tasks", 1, "--epochs", 1, "--out", tmp_path]
    done = run_script("examples/multi_worker.py", *options)
    assert done.returncode == 0, done.stderr
    assert "On several machines" in done.stdout
    assert {path.name for path in tmp_path.iterdir()} == {"history.json", "model.keras"}
