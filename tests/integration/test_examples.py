"""The examples in a tiny setting: what they write, what they print, and what they refuse."""

import ast
import functools
import json
import sys

import keras
import numpy as np
import pytest
from checks import ROOT, few_of, run_script, slow_but

import keras_ccl as ccl

sys.path.insert(0, str(ROOT / "examples"))
import compare
import few_labels
import mnist_fashion
import multi_worker
import new_classes
import permuted_mnist
import rotated_fashion
import running
import split_cifar100
import split_mnist
import sweep

EXAMPLES = {
    permuted_mnist: ["original", "permutation 1"],
    split_mnist: ["classes 0, 1", "classes 2, 3"],
    mnist_fashion: ["mnist", "fashion_mnist"],
    few_labels: ["classes 0, 1", "classes 2, 3", "without a label, by task: ["],
    new_classes: ["classes T-shirt/top, Trouser", "classes Pullover, Dress"],
    rotated_fashion: ["0 degrees", "90 degrees"],
}
by_name = functools.partial(
    pytest.mark.parametrize, "example", ids=lambda example: example.__name__
)

pytestmark = pytest.mark.graph


@pytest.fixture
def few(monkeypatch):
    """A few images in place of all that the examples would load."""
    monkeypatch.setattr(running, "load", few_of(1000, 200))


@by_name(slow_but(EXAMPLES, [], [permuted_mnist, few_labels, new_classes]))
def test_an_example_ends_in_table_figure_history_model_and_export(few, example, tmp_path, capsys):
    example.main(["--tasks", "2", "--epochs", "1", "--seed", "3", "--out", str(tmp_path)])
    printed = capsys.readouterr().out
    assert all(name in printed for name in EXAMPLES[example]) and "average accuracy" in printed
    history = json.loads((tmp_path / "history.json").read_text())
    accuracy = np.array(history["accuracy"], float)
    assert accuracy.shape == (2, 2) and np.isnan(accuracy[0, 1])
    assert history["accuracy"][0][1] is None and history["negative_elbo"][0][1] is None
    assert history["average_accuracy"] == pytest.approx([accuracy[0, 0], accuracy[1].mean()])
    assert history["seed"] == 3 and history["options"]["epochs"] == [1, 1]
    assert (tmp_path / "figure.png").stat().st_size > 10_000
    model = keras.saving.load_model(tmp_path / "model.keras")
    assert isinstance(model, ccl.CCLGM) and int(model.tasks_seen) == 2
    exported = json.loads((tmp_path / "export" / "model.json").read_text())
    assert exported["artefacts"]["classifier.onnx"]["accuracy"] == pytest.approx(accuracy[1, 1])
    assert f"ONNX Runtime: accuracy {accuracy[1, 1]:.4f}" in printed


@by_name(EXAMPLES)
def test_an_example_is_short_and_shows_what_one_would_copy(example):
    text = (ROOT / "examples" / f"{example.__name__}.py").read_text()
    shown = text.replace(ast.get_docstring(ast.parse(text), clean=False), "")
    assert "ccl.CCLGM(" in shown and "model.fit_tasks(" in shown
    assert len([line for line in shown.splitlines() if line.strip()]) <= 38


@pytest.mark.parametrize("folder", ["examples", "benchmarks"])
def test_no_file_is_longer_than_250_lines(folder):
    lengths = {p.name: len(p.read_text().splitlines()) for p in (ROOT / folder).glob("*.py")}
    assert len(lengths) > 5 and max(lengths.values()) <= 250, lengths


@pytest.mark.release
def test_the_same_command_resumes_from_its_checkpoints(few, tmp_path, monkeypatch, capsys):
    """A run that is done is not learnt again, and its figure has the samples drawn then."""
    command = ["--tasks", "2", "--epochs", "1", "--checkpoint-dir", str(tmp_path / "run"), "--out"]
    rotated_fashion.main([*command, str(tmp_path / "first")])
    monkeypatch.setattr(ccl.CCLGM, "keras_fit", None)  # a step from here on would fail
    rotated_fashion.main([*command, str(tmp_path / "second")])
    first, second = ((tmp_path / k / "history.json").read_bytes() for k in ("first", "second"))
    assert first == second
    figures = [tmp_path / each / "figure.png" for each in ("first", "second")]
    assert figures[0].read_bytes() == figures[1].read_bytes()


@pytest.mark.parametrize(
    ("flags", "told"),
    [([], "nothing was kept"), (["--checkpoint-dir"], "the same command goes on")],
)
def test_ctrl_c_ends_in_one_line(flags, told, tmp_path, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(ccl.JointVAE, "fit_tasks", interrupted)
    flags = [*flags, *[str(tmp_path / "run") for _ in flags]]
    with pytest.raises(SystemExit) as stopped:
        permuted_mnist.main(["--out", str(tmp_path / "out"), *flags])
    assert stopped.value.code == f"\nstopped; {told}"


@pytest.mark.slow
def test_compare_writes_a_history_and_a_model_per_method_and_seed(few, tmp_path, capsys):
    flags = "--methods vae-cl joint --seeds 1 2 --tasks 1 --epochs 1 --classification-weight 200"
    compare.main(["permuted", *flags.split(), "--out", str(tmp_path)])
    printed = capsys.readouterr().out
    for method in ("vae-cl", "joint"):
        reached = []
        for seed in (1, 2):
            history = json.loads((tmp_path / f"history-{method}-{seed}.json").read_text())
            assert history["seed"] == seed and history["options"]["classification_weight"] == 200
            reached.append(history["average_accuracy"][-1])
            model = keras.saving.load_model(tmp_path / f"model-{method}-{seed}.keras")
            assert int(model.tasks_seen) == 1
        (line,) = (line for line in printed.splitlines() if line.startswith(f"{method:<14} "))
        figures = [f"{value:.4f}" for value in (np.mean(reached), min(reached), max(reached))]
        assert line.split()[1:4] == figures
    assert (tmp_path / "figure.png").stat().st_size > 10_000


@pytest.mark.slow
def test_joint_training_goes_on_from_its_checkpoints(few, tmp_path, monkeypatch):
    command = ["permuted", "--method", "joint", "--tasks", "1", "--epochs", "1"]
    command += ["--checkpoint-dir", str(tmp_path / "run"), "--out"]
    compare.main([*command, str(tmp_path / "first")])
    monkeypatch.setattr(ccl.JointVAE, "keras_fit", None)  # a step from here on would fail
    compare.main([*command, str(tmp_path / "second")])
    first, second = (tmp_path / each / "history-joint-0.json" for each in ("first", "second"))
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.slow
def test_heads_stand_beside_the_other_methods(tmp_path, capsys):
    flags = "split --tasks 2 --methods lda nearest-mean vae-cl --epochs 1"
    compare.main([*flags.split(), "--out", str(tmp_path)])
    printed = capsys.readouterr().out
    assert "kept beside the networks: 1.4 MB" in printed and "chosen for" in printed
    found = {
        name: json.loads((tmp_path / f"history-{name}-0.json").read_text())["average_accuracy"][-1]
        for name in ("lda", "nearest-mean", "vae-cl")
    }
    assert found["vae-cl"] < 0.6 < found["nearest-mean"] < found["lda"]
    assert (tmp_path / "figure.png").stat().st_size > 10_000


@pytest.mark.release
def test_methods_side_by_side_keep_the_order_of_the_paper(tmp_path, capsys):
    """vae-cl forgets, EWC less, CCL-GM far less, joint training not at all."""
    methods = "vae-cl", "ewc", "ccl-gm", "joint"
    command = ["permuted", "--tasks", "3", "--epochs", "3", "--seed", "5", "--methods"]
    compare.main([*command, *methods, "--out", str(tmp_path)])
    printed, found = capsys.readouterr().out, {}
    for method in methods:
        history = json.loads((tmp_path / f"history-{method}-5.json").read_text())
        found[method] = history["average_accuracy"][-1], history["average_negative_elbo"][-1]
        assert f"{found[method][0]:.4f}" in printed
    accuracy, nats = ({k: v[i] for k, v in found.items()} for i in (0, 1))
    assert accuracy["vae-cl"] < accuracy["ewc"] < accuracy["ccl-gm"] < accuracy["joint"]
    assert nats["vae-cl"] > nats["ewc"] > nats["ccl-gm"] > nats["joint"]
    assert all((tmp_path / f"{k}.png").stat().st_size > 10_000 for k in ("figure", "images"))


@pytest.mark.release
def test_the_sweep_prints_code_that_builds_its_best_trial(few, tmp_path, capsys):
    flags = "--trials 1 --tasks 1 --epochs 1 --dense-only"
    sweep.main([*flags.split(), "--out", str(tmp_path)])
    code = "ccl.CCLGM(" + capsys.readouterr().out.partition("ccl.CCLGM(")[2]
    assert isinstance(eval(code, {"ccl": ccl}), ccl.CCLGM)


WRONG = [
    (permuted_mnist, ["--tasks", "0"], "--tasks: expected an integer of at least 1, received '0'"),
    (permuted_mnist, ["--epochs", "0"], "--epochs: expected an integer of at least 1"),
    (permuted_mnist, ["--epochs", "two"], "--epochs: expected an integer of at least 1"),
    (permuted_mnist, ["--seed", "-1"], "--seed: expected an integer from 0 to 2147483647"),
    (permuted_mnist, ["--data-dir", "."], "--data-dir needs --full"),
    (permuted_mnist, ["--download"], "--download needs --full"),
    (permuted_mnist, ["--full", "--data-dir", "nowhere"], "there is no folder 'nowhere'"),
    (permuted_mnist, ["--method", "ewc"], "unrecognized arguments: --method ewc"),
    (permuted_mnist, ["--epoch", "1"], "unrecognized arguments: --epoch 1"),
    (permuted_mnist, ["--checkpoint-dir", __file__], "expected a folder"),
    (split_mnist, ["--tasks", "-3"], "--tasks: expected an integer from 1 to 5, received '-3'"),
    (split_mnist, ["--tasks", "9"], "--tasks: expected an integer from 1 to 5, received '9'"),
    (split_mnist, ["--dataset", "cifar"], "--dataset: invalid choice: 'cifar'"),
    (mnist_fashion, ["--tasks", "4"], "--tasks: expected an integer from 1 to 3, received '4'"),
    (new_classes, ["--tasks", "6"], "--tasks: expected an integer from 1 to 5, received '6'"),
    (rotated_fashion, ["--dataset", "mnist"], "unrecognized arguments: --dataset mnist"),
    (sweep, ["--method", "ewc"], "unrecognized arguments: --method ewc"),
    (sweep, ["--trials", "0"], "--trials: expected an integer of at least 1"),
    (sweep, ["--stream", "split", "--tasks", "6"], "--tasks: split has 5 tasks, received 6"),
    (sweep, ["--checkpoint-dir", "."], "unrecognized arguments: --checkpoint-dir"),
    (compare, ["--tasks", "2"], "invalid choice: '2'"),
    (compare, ["split", "--tasks", "9"], "--tasks: expected an integer from 1 to 5, received '9'"),
    (compare, ["permuted", "--dataset", "mnist"], "unrecognized arguments: --dataset mnist"),
    (compare, ["permuted", "--methods", "gem"], "invalid choice: 'gem'"),
    (compare, ["permuted", "--classification-weight", "-1"], "expected a finite number >= 0"),
    (split_cifar100, ["--tasks", "3"], "--tasks: expected a divisor of 10, received 3"),
    (split_cifar100, ["--methods", "ridge-patches"], "invalid choice: 'ridge-patches'"),
    (split_cifar100, ["--image-size", "31"], "--image-size: expected an integer of at least 32"),
    (split_cifar100, ["--backbone", "c3", "--weights", "w.npz"], "--backbone c3 needs --full"),
    (split_cifar100, ["--backbone", "c3", "--full"], "--backbone c3 needs --weights"),
    (split_cifar100, ["--weights", "w.npz"], "--backbone squeezenet: [Errno 2] No such file"),
    (split_cifar100, ["--backbone", "mobilenet", "--image-size", "99"], "expected one of (96, 128"),
    (multi_worker, ["--workers", "0"], "--workers: expected an integer of at least 1"),
]


@pytest.mark.parametrize(
    ("script", "flags", "told"),
    WRONG,
    ids=[f"{s.__name__} {' '.join(f)}"[:60] for s, f, _ in WRONG],
)
def test_a_wrong_flag_is_one_line_and_writes_nothing(
    script, flags, told, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        script.main(flags)
    captured = capsys.readouterr()
    assert ended.value.code == 2 and captured.out == ""
    assert captured.err.count("\n") == 1 and told in captured.err
    assert captured.err.startswith(f"{script.__name__}.py")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_missing_dataset_is_one_line_and_writes_nothing(tmp_path):
    """As a process, for what it exits with and for what TensorFlow Datasets would print."""
    out, empty = tmp_path / "out", tmp_path / "empty"
    empty.mkdir()
    done = run_script("examples/permuted_mnist.py", "--full", "--data-dir", empty, "--out", out)
    last = done.stderr.splitlines()[-1]
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert last.startswith("permuted_mnist.py: error: --full: mnist") and "embedded" in last
    assert not out.exists() and not list(empty.iterdir())
