"""The wheel, in an environment where the repository is not: what a user of pip gets."""

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from checks import ROOT
from pages import DOCS, python_blocks

QUICK_START = "\n".join(python_blocks(DOCS / "index.md"))
SHORTENED = {
    'load("mnist")': """load("mnist")
import dataclasses
data = dataclasses.replace(data, train=tuple(part[:400] for part in data.train))""",
    "fit_tasks(stream)": "fit_tasks(stream, epochs=1)",
}


@pytest.fixture(scope="module")
def distributions(tmp_path_factory):
    """Source distribution and wheel, as `python -m build` writes them."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--outdir", folder, ROOT)
    return sorted(folder.iterdir())


def run(*command, **options):
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}  # not the repository
    environment |= {"TF_CPP_MIN_LOG_LEVEL": "3"}
    words = [*map(str, command)]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def with_dependencies_here(environment, wheel):
    """The wheel alone; all else is imported from the environment of the tests."""
    run(environment / "bin" / "pip", "install", "--quiet", "--no-deps", wheel)
    (site,) = environment.glob("lib/python*/site-packages")
    found = [path for path in sys.path if path.endswith("site-packages")]
    (site / "dependencies.pth").write_text("\n".join(found))  # whose own .pth files are not read


def with_its_own(environment, wheel):
    """The wheel and all that it asks for, as `pip install keras-ccl` would."""
    run(environment / "bin" / "pip", "install", "--quiet", wheel)


@pytest.mark.network
def test_the_distributions_are_well_formed(distributions):
    source, wheel = sorted(distributions, key=lambda path: path.suffix)
    assert (source.suffixes[-2:], wheel.suffix) == ([".tar", ".gz"], ".whl")
    assert "FAILED" not in run(sys.executable, "-m", "twine", "check", "--strict", *distributions)


@pytest.mark.parametrize(
    "install",
    [
        pytest.param(with_dependencies_here, marks=pytest.mark.network),
        pytest.param(with_its_own, marks=pytest.mark.release),
    ],
)
def test_the_quick_start_runs_from_the_wheel(install, distributions, tmp_path):
    environment, work = tmp_path / "environment", tmp_path / "work"
    venv.create(environment, with_pip=True)
    (wheel,) = (path for path in distributions if path.suffix == ".whl")
    install(environment, wheel)
    work.mkdir()
    code = QUICK_START
    for long, short in SHORTENED.items():
        assert code.count(long) == 1
        code = code.replace(long, short)
    told = "\nprint('from', ccl.__file__, probabilities.shape, images.shape)"
    (work / "quick_start.py").write_text(code + told)
    python = environment / "bin" / "python"
    out = run(python, "quick_start.py", cwd=work)
    assert "forgetting" in out and "(2000, 10) (8, 28, 28, 1)" in out
    (found,) = (line.split()[1] for line in out.splitlines() if line.startswith("from "))
    assert Path(found).is_relative_to(environment)
    assert (work / "digits.keras").is_file()
