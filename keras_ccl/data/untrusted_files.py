"""Files that somebody else may have written: read within limits, nothing in them executed.

Whatever is wrong with a file, one `ValueError` names it, what was expected and what came.
"""

import contextlib
import io
import zipfile

import numpy as np

MOST_BYTES = 2**32
"""Larger files are refused unless a limit is given: 4 GiB unpacked."""


@contextlib.contextmanager
def as_value_error(path, expected):
    """Turn all that a damaged or hostile file can raise into one `ValueError`.

    Args:
        path: of the file; expected: such as `"a model saved by keras_ccl"`.
    """
    try:
        yield
    except Exception as error:  # parsers have many kinds, and a hostile file chooses among them
        came = next(iter(str(error).strip().splitlines()), "") or type(error).__name__
        raise ValueError(f"{path}: expected {expected}, received: {came}") from error


def check_archive(content, most_bytes=MOST_BYTES):
    """Refuse a ZIP archive that would unpack to too much, or whose checksums do not fit.

    Args:
        content: a path or a file; most_bytes: what it may unpack to.

    Raises:
        ValueError, zipfile.BadZipFile: for such an archive.
    """
    with zipfile.ZipFile(content) as archive:
        unpacked = sum(member.file_size for member in archive.infolist())
        if unpacked > most_bytes:
            raise ValueError(f"{unpacked} bytes unpacked, more than {most_bytes}")
        damaged = archive.testzip()
        if damaged is not None:
            raise ValueError(f"{damaged} in it is not what was written")


def read_npz(content, most_bytes=MOST_BYTES):
    """The arrays of the bytes of an .npz file, by name; no pickles."""
    check_archive(io.BytesIO(content), most_bytes)
    with np.load(io.BytesIO(content), allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}
