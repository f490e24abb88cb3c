"""Reading files from untrusted sources: within size limits, and without executing their content.

Whatever is wrong with a file, a single `ValueError` names it, what was expected and what was
received.
"""

import contextlib
import io
import os
import zipfile
from collections.abc import Iterator
from typing import IO

import numpy as np

MOST_BYTES = 2**32
"""The default limit on the unpacked size of a file: 4 GiB."""


@contextlib.contextmanager
def as_value_error(path: object, expected: str) -> Iterator[None]:
    """Turn every exception that reading a damaged or hostile file can raise into a `ValueError`.

    Args:
        path: The path of the file.
        expected: What the file should be, such as `"a model saved by keras_ccl"`.

    Yields:
        Nothing; the file is read inside the context.

    Raises:
        ValueError: If anything is raised inside the context.
    """
    try:
        yield
    except Exception as error:  # parsers raise many types, and a hostile file can pick any of them
        came = next(iter(str(error).strip().splitlines()), "") or type(error).__name__
        raise ValueError(f"{path}: expected {expected}, received: {came}") from error


def check_archive(content: str | os.PathLike | IO[bytes], most_bytes: int = MOST_BYTES) -> None:
    """Refuse a ZIP archive that is too large when unpacked, or whose checksums do not match.

    Args:
        content: The path of the archive, or the open archive.
        most_bytes: The largest unpacked size allowed.

    Raises:
        ValueError: If the archive is too large or damaged.
        zipfile.BadZipFile: If it is not a ZIP archive, or damaged.
    """
    with zipfile.ZipFile(content) as archive:
        unpacked = sum(member.file_size for member in archive.infolist())
        if unpacked > most_bytes:
            raise ValueError(f"{unpacked} bytes unpacked, more than {most_bytes}")
        damaged = archive.testzip()
        if damaged is not None:
            raise ValueError(f"{damaged} in it is not what was written")


def read_npz(content: bytes, most_bytes: int = MOST_BYTES) -> dict[str, np.ndarray]:
    """Read the arrays of an .npz file, without unpickling anything.

    Args:
        content: The content of the file.
        most_bytes: The largest unpacked size allowed.

    Returns:
        The arrays by name.

    Raises:
        ValueError: If the file is too large, damaged, or holds pickled objects.
        zipfile.BadZipFile: If it is not an .npz file, or damaged.
    """
    check_archive(io.BytesIO(content), most_bytes)
    with np.load(io.BytesIO(content), allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}
