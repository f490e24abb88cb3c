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


def trained(folder, checkpoints, *options, workers=2):
    """The weights that each process of a run ends with; all of them end well."""
    for output, code in run(folder, checkpoints, *options, workers=workers):
        assert code == 0, output
    return [dict(np.load(folder / f"{index}.npz")) for index in range(workers)]


@pytest.fixture(scope="module")
def together(tmp_path_factory):
    folder = tmp_path_factory.mktemp("together")
    return trained(folder, folder / "checkpoints")


def assert_same(first, second, tolerance):
    for name in first:
        np.testing.assert_allclose(first[name], second[name], rtol=tolerance, atol=tolerance)


@pytest.mark.slow
def test_both_workers_hold_the_weights_of_one_process_with_two_replicas(together, tmp_path):
    (alone,) = trained(tmp_path, tmp_path / "checkpoints", workers=1)
    assert_same(together[0], together[1], 0)
    assert_same(together[0], alone, 1e-5)


@pytest.mark.release
def test_ewc_finds_the_same_fisher_information_on_both_workers_as_in_one_process(tmp_path):
    options = ["--epochs", "2", "--method", "EWC"]
    (alone,) = trained(tmp_path, tmp_path / "alone", *options, workers=1)
    first, second = trained(tmp_path, tmp_path / "together", *options)
    assert_same(first, second, 0)
    assert_same(first, alone, 1e-5)  # Fisher information and anchors are among the weights


@pytest.mark.release
def test_a_lost_worker_is_named_and_the_run_goes_on(together, tmp_path):
    checkpoints = tmp_path / "checkpoints"
    (chief, code), (_, lost) = run(tmp_path, checkpoints, "--stop", "1")  # gone in task 2, epoch 2
    assert lost == 9 and code != 0
    assert "RuntimeError: task 2: a worker of the cluster is gone" in chief
    saved = sorted(path.name for path in checkpoints.glob("0*"))
    assert saved == ["00000004", "00000005"]  # by the chief alone: one number an epoch or task
    resumed, _ = trained(tmp_path, checkpoints)
    assert_same(together[0], resumed, 1e-5)


@pytest.mark.release
def test_the_example_runs_two_workers(tmp_path):
    options = ["--tasks", 1, "--epochs", 1, "--out", tmp_path]
    done = run_script("examples/multi_worker.py", *options)
    assert done.returncode == 0, done.stderr
    assert "On several machines" in done.stdout
    assert {path.name for path in tmp_path.iterdir()} == {"history.json", "model.keras"}
