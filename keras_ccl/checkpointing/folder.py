"""Checkpoints of a stream on disk: written completely or not at all, and verified when loaded.

DIR/00000007/arrays.npz      weights, optimizer, state of callbacks
             state.json      task, epoch, history
             run.json        the run it belongs to
             manifest.json   SHA-256 of the other three
"""

import hashlib
import io
import json
import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from keras_ccl.data.untrusted_files import as_value_error, read_npz

FILES = ("arrays.npz", "state.json", "run.json")
FORMAT = 2
ASIDE = ".partial-"


class CheckpointFolder:
    """The checkpoints of one run. No other run may use the folder at the same time.

    Args:
        directory: The folder; it is created if it does not exist.
        identity: What a run must have in common with a checkpoint to continue from it.
        keep_last: The number of checkpoints to keep.
        writes: Whether to write checkpoints. Only one of several workers does; the others read.

    Raises:
        OSError: If the directory cannot be written to.
    """

    def __init__(
        self,
        directory: str | os.PathLike,
        identity: Mapping[str, Any],
        *,
        keep_last: int = 2,
        writes: bool = True,
    ) -> None:
        self.directory = Path(directory)
        self.identity = json.loads(json.dumps(identity))  # as it will be when loaded
        self.keep_last, self.writes = keep_last, writes
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            if not writes:
                return
            with tempfile.TemporaryFile(dir=self.directory):
                pass
        except OSError as error:
            raise OSError(f"checkpoint_dir: cannot write to {directory}: {error}") from error
        for left in self.directory.glob(f"{ASIDE}*"):  # by a run killed while saving
            shutil.rmtree(left, ignore_errors=True)

    def save(self, state: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
        """Write a checkpoint, and delete the oldest ones.

        It is written to a temporary folder, flushed to disk, and renamed when it is complete.

        Args:
            state: What JSON can hold of the state of the run.
            arrays: The arrays of the state by name.
        """
        if not self.writes:
            return
        number = max((int(path.name) for path in self._checkpoints()), default=0) + 1
        aside = Path(tempfile.mkdtemp(dir=self.directory, prefix=ASIDE))
        try:
            packed = io.BytesIO()
            named: dict[str, Any] = dict(arrays)
            np.savez(packed, **named)
            parts = (packed.getvalue(), _json_bytes(state), _json_bytes(self.identity))
            contents = dict(zip(FILES, parts, strict=True))
            hashes = {name: _sha256(content) for name, content in contents.items()}
            manifest = {"format": FORMAT, "sha256": hashes}
            for name, content in {**contents, "manifest.json": _json_bytes(manifest)}.items():
                _write_flushed(aside / name, content)
            os.rename(aside, self.directory / f"{number:08d}")
            _flush_folder(self.directory)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
        for path in self._checkpoints()[: -self.keep_last]:
            shutil.rmtree(path)

    def load(
        self, check: Callable[[Any, dict[str, np.ndarray]], None] = lambda state, arrays: None
    ) -> tuple[Any, dict[str, np.ndarray]] | None:
        """Load the newest checkpoint that is not damaged.

        A damaged one is skipped with a warning that names it.

        Args:
            check: A function of state and arrays that raises an error if they cannot be restored;
                the checkpoint then counts as damaged.

        Returns:
            The state and the arrays, or None if there is no such checkpoint.

        Raises:
            ValueError: If the checkpoint belongs to another run; the error lists the differences.
        """
        for path in reversed(self._checkpoints()):
            try:
                with as_value_error(path, "a whole checkpoint"):
                    identity, state, arrays = _read_checkpoint(path)
                    differences = list(_lines_of_differences(identity, self.identity))
                    if not differences:
                        check(state, arrays)
            except ValueError as error:
                warnings.warn(f"damaged, and not used: {error}", stacklevel=3)
                continue
            if differences:
                listed = "\n  ".join(differences)
                raise ValueError(f"checkpoint {path} belongs to another run:\n  {listed}")
            return state, arrays
        return None

    def _checkpoints(self) -> list[Path]:
        """List the folders of complete checkpoints, the oldest first."""
        return sorted(p for p in self.directory.iterdir() if p.name.isdigit() and p.is_dir())


def _read_checkpoint(path: Path) -> tuple[Any, Any, dict[str, np.ndarray]]:
    """Read identity, state and arrays of a checkpoint, and verify them against its manifest."""
    manifest = json.loads((path / "manifest.json").read_bytes())
    if manifest["format"] != FORMAT:
        raise ValueError(f"expected format {FORMAT}, received {manifest['format']}")
    contents = {name: (path / name).read_bytes() for name in FILES}
    for name, content in contents.items():
        if _sha256(content) != manifest["sha256"][name]:
            raise ValueError(f"{name} is not what was written")
    arrays = read_npz(contents["arrays.npz"])
    return json.loads(contents["run.json"]), json.loads(contents["state.json"]), arrays


def _lines_of_differences(found: Any, expected: Any, name: str = "") -> Iterator[str]:
    """Yield one line for each difference between two nested dicts."""
    if isinstance(found, dict) and isinstance(expected, dict):
        for key in sorted({*found, *expected}):
            inner = f"{name}.{key}" if name else key
            yield from _lines_of_differences(found.get(key), expected.get(key), inner)
    elif found != expected:
        yield f"{name}: the checkpoint has {found!r}, this run {expected!r}"


def _json_bytes(content: Any) -> bytes:
    return json.dumps(content, indent=1).encode()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _write_flushed(path: Path, content: bytes) -> None:
    """Write a file and flush it to disk."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _flush_folder(path: Path) -> None:
    """Flush the entries of a folder to disk, so that a rename survives a power failure."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
