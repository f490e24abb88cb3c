"""Two real processes on loopback train one model; one of them is lost, and the run goes on."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
WORKER = ROOT / "tests" / "worker.py"


def free_ports(count):
    sockets = [socket.create_server(("localhost", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def run(folder, checkpoints, *options, workers=2):
    """Finished processes; weights are in folder/0.npz, 1.npz. One worker has two replicas."""
    addresses = [f"localhost:{port}" for port in free_ports(workers)]
    processes = []
    for index in range(workers):
        task = {"type": "worker", "index": index}
        cluster = {"TF_CONFIG": json.dumps({"cluster": {"worker": addresses}, "task": task})}
        command = [sys.executable, str(WORKER), str(folder / f"{index}.npz"), str(checkpoints)]
        processes.append(
            subprocess.Popen(
                [*command, *options],
                env={**os.environ, **(cluster if workers > 1 else {})},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
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
    command = [sys.executable, "examples/multi_worker.py", "--tasks", "1", "--epochs", "1"]
    environment = {name: value for name, value in os.environ.items() if name != "TF_CONFIG"}
    done = subprocess.run(
        [*command, "--out", str(tmp_path)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "On several machines" in done.stdout
    assert {path.name for path in tmp_path.iterdir()} == {"history.json", "model.keras"}
