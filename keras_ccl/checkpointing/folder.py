"""Checkpoints of a stream on disk: written completely or not at all, and verified when loaded.

DIR/00000007/arrays.npz      weights, optimizer, state of callbacks
             state.json      task, epoch, history
             run.json        the run it belongs to
             manifest.json   SHA-256 of the other three
DIR/.lock                    held by the run that uses the folder
"""

import hashlib
import io
import json
import os
import re
import shutil
import tempfile
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from keras_ccl.checkpointing.folder_lock import FolderLock
from keras_ccl.checkpointing.identity import differences
from keras_ccl.data.untrusted_files import as_value_error, read_npz

FILES = ("arrays.npz", "state.json", "run.json")
FORMAT = 4
ASIDE = ".partial-"
NUMBER = re.compile("[0-9]{8,}")


class CheckpointFolder:
    """The checkpoints of one run, which has the folder to itself until `release`.

    Only checkpoints of this run are ever deleted: not those that are damaged, that another version
    of the library wrote, or that belong to another run.

    Args:
        directory: The folder; it is created if it does not exist.
        identity: What a run must have in common with a checkpoint to continue from it.
        keep_last: The number of checkpoints to keep.
        writes: Whether to write checkpoints. Only one of several workers does; the others read.

    Raises:
        OSError: If the directory cannot be written to.
        RuntimeError: If another run uses the folder.
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
        self._own: list[Path] = []
        self._lock: FolderLock | None = None
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            if not writes:
                return
            with tempfile.TemporaryFile(dir=self.directory):
                pass
            self._lock = FolderLock(self.directory)
        except OSError as error:
            raise OSError(f"checkpoint_dir: cannot write to {directory}: {error}") from error
        for left in self.directory.glob(f"{ASIDE}*"):  # by a run killed while saving or removing
            shutil.rmtree(left, ignore_errors=True)

    def release(self) -> None:
        """Let another run use the folder."""
        if self._lock is not None:
            self._lock.release()

    def save(self, state: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
        """Write a checkpoint, and delete the oldest ones of this run.

        It is written to a temporary folder, flushed to disk, and renamed when it is complete.

        Args:
            state: What JSON can hold of the state of the run.
            arrays: The arrays of the state by name.
        """
        if not self.writes:
            return
        number = max((int(path.name) for path in self._numbered()), default=0) + 1
        aside = Path(tempfile.mkdtemp(dir=self.directory, prefix=ASIDE))
        final = self.directory / f"{number:08d}"
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
            os.rename(aside, final)
            _flush_folder(self.directory)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
        self._own.append(final)
        while len(self._own) > self.keep_last:
            oldest = self._own.pop(0)
            if oldest.exists():
                self._remove(oldest)

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
            ValueError: If the checkpoint belongs to another run, the error lists the differences;
                or if another version of the library wrote it in another format.
        """
        paths = sorted(p for p in self._numbered() if p.is_dir() and not p.is_symlink())
        while paths:
            try:
                with as_value_error(paths[-1], "a whole checkpoint"):
                    found = _read_format(paths[-1])
                    if found == FORMAT:
                        identity, state, arrays = _read_checkpoint(paths[-1])
                        differing = differences(identity, self.identity)
                        if not differing:
                            check(state, arrays)
            except ValueError as error:
                warnings.warn(f"damaged, and not used: {error}", stacklevel=3)
                paths.pop()
                continue
            if found != FORMAT:
                raise ValueError(
                    f"checkpoint {paths[-1]} was saved in format {found}, this version reads format"
                    f" {FORMAT}: go on with the version that saved it, or give another folder"
                )
            if differing:
                listed = "\n  ".join(differing)
                raise ValueError(f"checkpoint {paths[-1]} belongs to another run:\n  {listed}")
            self._own = [path for path in paths if self._is_own(path)]
            return state, arrays
        return None

    def _remove(self, path: Path) -> None:
        """Remove a checkpoint by one rename, so that a run killed here leaves no part of one."""
        aside = Path(tempfile.mkdtemp(dir=self.directory, prefix=ASIDE))
        os.rename(path, aside)  # which is empty
        shutil.rmtree(aside)

    def _is_own(self, path: Path) -> bool:
        """Whether a checkpoint is of this run, as far as can be told without reading its arrays."""
        try:
            with as_value_error(path, "a whole checkpoint"):
                identity = json.loads((path / "run.json").read_bytes())
                return _read_format(path) == FORMAT and not differences(identity, self.identity)
        except ValueError:
            return False

    def _numbered(self) -> list[Path]:
        """List whatever bears the name of a checkpoint."""
        return [path for path in self.directory.iterdir() if NUMBER.fullmatch(path.name)]


def _read_format(path: Path) -> int:
    """Read the format number of a checkpoint."""
    found = json.loads((path / "manifest.json").read_bytes())["format"]
    if type(found) is not int:
        raise TypeError(f"format {found!r}")
    return found


def _read_checkpoint(path: Path) -> tuple[Any, Any, dict[str, np.ndarray]]:
    """Read identity, state and arrays of a checkpoint, and verify them against its manifest."""
    manifest = json.loads((path / "manifest.json").read_bytes())
    contents = {name: (path / name).read_bytes() for name in FILES}
    for name, content in contents.items():
        if _sha256(content) != manifest["sha256"][name]:
            raise ValueError(f"{name} is not what was written")
    arrays = read_npz(contents["arrays.npz"])
    return json.loads(contents["run.json"]), json.loads(contents["state.json"]), arrays


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
