"""The folder of checkpoints: full, closed to us, in use by another run, or of fit_jointly."""

import subprocess
import sys

import pytest
from checks import same_weights, tiny, weights_of
from interrupted import TASKS, Stop
from test_checkpoints import finish, names

import keras_ccl as ccl
from keras_ccl.checkpointing import folder


def test_a_full_disk_leaves_the_last_whole_checkpoint(tmp_path, monkeypatch):
    with pytest.raises(KeyboardInterrupt):
        finish(tiny(), tmp_path, [Stop(2)])
    kept = names(tmp_path)

    def full(path, content):
        path.write_bytes(content[:10])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(folder, "_write_flushed", full)
        with pytest.raises(OSError, match="No space left"):
            finish(tiny(), tmp_path)
    assert names(tmp_path) == kept
    assert len(finish(tiny(), tmp_path)) == 2


def test_a_run_killed_while_it_removes_a_checkpoint_leaves_no_part_of_one(tmp_path, monkeypatch):
    class Killed(BaseException):
        pass

    def killed_at_the_first_file(path, **options):
        if path.exists() and any(path.iterdir()):
            next(path.iterdir()).unlink()
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(folder.shutil, "rmtree", killed_at_the_first_file)
        with pytest.raises(Killed):
            finish(tiny(), tmp_path)
    assert [name for name in names(tmp_path) if name.isdigit()] == ["00000002", "00000003"]
    finish(tiny(), tmp_path)
    assert names(tmp_path) == ["00000007", "00000008"]


def test_a_folder_that_cannot_be_written_is_refused_at_the_start(tmp_path):
    (tmp_path / "file").write_text("")
    model = tiny()
    before = weights_of(model)
    with pytest.raises(OSError, match="checkpoint_dir: cannot write to"):
        finish(model, tmp_path / "file" / "inside")
    assert same_weights(before, weights_of(model))


@pytest.mark.slow
def test_two_runs_in_one_folder_are_told_of_each_other(tmp_path):
    hold = "import fcntl, sys, time; f = open(sys.argv[1], 'a'); fcntl.flock(f, 2); f.write('it')"
    wait = "; f.flush(); print('held', flush=True); time.sleep(99)"
    command = [sys.executable, "-c", hold + wait, str(tmp_path / ".lock")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as other:
        other.stdout.readline()
        with pytest.raises(RuntimeError, match=f"checkpoint_dir: .*it uses {tmp_path}: wait"):
            finish(tiny(), tmp_path)
        other.kill()
    assert len(finish(tiny(), tmp_path)) == 2


@pytest.mark.slow
def test_joint_training_saves_each_of_its_runs_and_goes_on(tmp_path):
    tasks = [(x[:24], y[:24]) for x, y in (task.train for task in TASKS[:2])]
    options = {"epochs": 2, "batch_size": 24, "verbose": 0}

    def run(folder, *callbacks):
        def made():
            return tiny(ccl.JointVAE, prior="normal")

        return ccl.fit_jointly(made, tasks, checkpoint_dir=folder, callbacks=callbacks, **options)

    model, expected = run(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "parts", Stop(3))
    resumed, history = run(tmp_path / "parts")
    assert history.to_json() == expected.to_json()
    assert same_weights(weights_of(model), weights_of(resumed))
    assert names(tmp_path / "parts") == ["tasks-1-to-1", "tasks-1-to-2"]


@pytest.mark.slow
def test_a_run_that_measures_earlier_tasks_goes_on_with_them(tmp_path):
    def run(**options):
        model = tiny(ccl.JointVAE, prior="normal")
        model.fit_tasks(TASKS[:1], epochs=1, verbose=0)
        return finish(model, tmp_path, tasks=TASKS[1:2], epochs=1, **options)

    assert run(earlier=TASKS[:1]).accuracy.shape == (2, 2)
    with pytest.raises(ValueError, match="data.task 1: the checkpoint has .*, this run None"):
        run()
