"""Checkpoints of a stream on disk: written whole or not at all, checked before they are believed.

DIR/00000007/arrays.npz      weights, optimizer, what callbacks remember
             state.json      task, epoch, history
             run.json        what run it belongs to
             manifest.json   SHA-256 of the three
"""

import hashlib
import io
import json
import os
import shutil
import tempfile
import warnings
from pathlib import Path

import numpy as np

from keras_ccl.data.untrusted_files import as_value_error, read_npz

FILES = ("arrays.npz", "state.json", "run.json")
FORMAT = 2
ASIDE = ".partial-"


class CheckpointFolder:
    """The checkpoints of one run, which no other run may use at the same time.

    Args:
        directory: made if it is not there.
        identity: a dict of what a run must have in common with a checkpoint to go on from it.
        keep_last: how many whole checkpoints stay.
        writes: False only reads: of several workers one writes.

    Raises:
        OSError: if the directory cannot be written to.
    """

    def __init__(self, directory, identity, *, keep_last=2, writes=True):
        self.directory = Path(directory)
        self.identity = json.loads(json.dumps(identity))  # as it will come back
        self.keep_last, self.writes = keep_last, writes
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            if not writes:
                return
            with tempfile.TemporaryFile(dir=self.directory):
                pass
        except OSError as error:
            raise OSError(f"checkpoint_dir: cannot write to {directory}: {error}") from error
        for left in self.directory.glob(f"{ASIDE}*"):  # by a save that was killed
            shutil.rmtree(left, ignore_errors=True)

    def save(self, state, arrays):
        """Write a checkpoint aside, flush it, and let it appear; then drop the oldest.

        Args:
            state: a dict that JSON can hold; arrays: dict of arrays.
        """
        if not self.writes:
            return
        number = max((int(path.name) for path in self._numbered()), default=0) + 1
        aside = Path(tempfile.mkdtemp(dir=self.directory, prefix=ASIDE))
        try:
            packed = io.BytesIO()
            np.savez(packed, **arrays)
            parts = (packed.getvalue(), _json(state), _json(self.identity))
            contents = dict(zip(FILES, parts, strict=True))
            hashes = {name: _hash(content) for name, content in contents.items()}
            manifest = {"format": FORMAT, "sha256": hashes}
            for name, content in {**contents, "manifest.json": _json(manifest)}.items():
                _write_flushed(aside / name, content)
            os.rename(aside, self.directory / f"{number:08d}")
            _flush_folder(self.directory)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
        for path in self._numbered()[: -self.keep_last]:
            shutil.rmtree(path)

    def load(self, check=lambda state, arrays: None):
        """State and arrays of the newest whole checkpoint; None if there is none.

        A damaged one is passed over with a warning that names it; so is what a killed save left.

        Args:
            check: a function of state and arrays that raises if they cannot be put back.

        Raises:
            ValueError: for a checkpoint of another run, listing the differences.
        """
        for path in reversed(self._numbered()):
            try:
                with as_value_error(path, "a whole checkpoint"):
                    identity, state, arrays = _read(path)
                    differences = list(_differences(identity, self.identity))
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

    def _numbered(self):
        """The checkpoints that were written whole, oldest first."""
        return sorted(p for p in self.directory.iterdir() if p.name.isdigit() and p.is_dir())


def _read(path):
    manifest = json.loads((path / "manifest.json").read_bytes())
    if manifest["format"] != FORMAT:
        raise ValueError(f"expected format {FORMAT}, received {manifest['format']}")
    contents = {name: (path / name).read_bytes() for name in FILES}
    for name, content in contents.items():
        if _hash(content) != manifest["sha256"][name]:
            raise ValueError(f"{name} is not what was written")
    arrays = read_npz(contents["arrays.npz"])
    return json.loads(contents["run.json"]), json.loads(contents["state.json"]), arrays


def _differences(found, expected, name=""):
    """Lines that tell where two nested dicts differ."""
    if isinstance(found, dict) and isinstance(expected, dict):
        for key in sorted({*found, *expected}):
            inner = f"{name}.{key}" if name else key
            yield from _differences(found.get(key), expected.get(key), inner)
    elif found != expected:
        yield f"{name}: the checkpoint has {found!r}, this run {expected!r}"


def _json(content):
    return json.dumps(content, indent=1).encode()


def _hash(content):
    return hashlib.sha256(content).hexdigest()


def _write_flushed(path, content):
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _flush_folder(path):
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
