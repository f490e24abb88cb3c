"""FolderLock: one run at a time in a folder, also if the run before it was killed."""

import contextlib
import errno
import fcntl
import os
import socket
import warnings
from pathlib import Path

NAME = ".lock"


class FolderLock:
    """The lock of a folder, held from here on until `release` or the death of the process.

    Args:
        folder: A folder that can be written to.

    Raises:
        RuntimeError: If another run holds it, naming its process and machine.
    """

    def __init__(self, folder: Path) -> None:
        self._file = (folder / NAME).open("a+")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with self._file:
                self._file.seek(0)
                holder = self._file.read(200).strip() or "a process"
            raise RuntimeError(
                f"checkpoint_dir: expected a folder that no other run uses, but {holder} uses "
                f"{folder}: wait for it, or give another folder"
            ) from None
        except OSError as error:
            if error.errno not in (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS):
                self._file.close()
                raise
            warnings.warn(
                f"checkpoint_dir: the file system of {folder} has no locks ({error.strerror}), so "
                "a second run in it will not be noticed",
                stacklevel=2,
            )
        self._file.truncate(0)
        self._file.write(f"process {os.getpid()} on {socket.gethostname()}")
        self._file.flush()

    def release(self) -> None:
        """Give the lock back."""
        with contextlib.closing(self._file):
            pass
