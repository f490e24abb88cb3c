"""Mutated files against every reader: no crash, no hang, no error that is not one of ours.

    python benchmarks/fuzz.py [--files 10000] [--readers keras checkpoint subset onnx] [--quick]

Mutation k depends on --seed and k alone. Half of the archives are mutated as bytes,
half inside, with checksums that fit. Each reader runs in a process of its own; one that dies, or
takes longer than 5 s for a file, is a defect, as is an exception of another kind than the reader
promises, or one that does not name the file. Files that found a defect stay in --keep.
The last line is one JSON object: files read and refused, and the defects.
"""

import argparse
import contextlib
import io
import json
import os
import queue
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import warnings
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import command_line
from fuzz_readers import READERS

SECONDS = 5
"""The longest that a file may take."""
STARTING = 120
"""The longest that a process may take to start, or to write the next file."""


def child(arguments: argparse.Namespace) -> None:
    """Read file after file; print a line before each, and a line with what came of it."""
    warnings.simplefilter("ignore")
    reader = READERS[arguments.child](arguments.folder)
    reader.read()  # the file as it was written must be read
    for k in range(arguments.first, arguments.files):
        reader.write(random.Random(f"{arguments.seed}/{arguments.child}/{k}"))
        print(json.dumps({"file": k}), flush=True)
        found = {"file": k, "read": True}
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                reader.read()
        except Exception as error:
            found["read"] = False
            if not reader.is_ours(error):
                found["defect"] = f"{type(error).__name__}: {str(error)[:300]}"
                keep(arguments.folder, arguments.keep, arguments.child, arguments.seed, k)
        print(json.dumps(found), flush=True)


def keep(folder: Path, kept: Path, reader: str, seed: int, number: int) -> None:
    """Copy the files of a defect to where they stay."""
    shutil.copytree(folder, kept / f"{reader}-{seed}-{number}", dirs_exist_ok=True)


def lines_of(process: subprocess.Popen) -> queue.Queue:
    """A queue of the lines that a process prints, None at its end."""
    lines = queue.Queue()

    def pump() -> None:
        for line in process.stdout:
            lines.put(line)
        lines.put(None)

    threading.Thread(target=pump, daemon=True).start()
    return lines


class Parent:
    """Starts processes for one reader, watches them, and counts what they tell.

    Args:
        reader: its name.
        seed: of the mutations.
        files: how many.
        kept: the folder for the files of defects.
    """

    def __init__(self, reader: str, seed: int, files: int, kept: Path) -> None:
        self.reader, self.seed, self.files, self.kept = reader, seed, files, kept
        self.found = {"files": files, "read": 0, "refused": 0, "defects": []}
        self.first = 0

    def run(self) -> dict[str, Any]:
        """Let all files be read, by a new process after each that dies or hangs."""
        while self.first < self.files:
            with tempfile.TemporaryDirectory() as folder:
                self.watch(Path(folder))
        return self.found

    def watch(self, folder: Path) -> None:
        """Start a process and follow it to its end."""
        command = [sys.executable, __file__, "--child", self.reader, "--seed", str(self.seed)]
        command += ["--first", str(self.first), "--files", str(self.files)]
        command += ["--folder", str(folder), "--keep", str(self.kept)]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        lines, patience, underway = lines_of(process), STARTING, None
        while True:
            try:
                line = lines.get(timeout=patience)
            except queue.Empty:
                process.kill()
                if underway is not None:
                    self.defect(underway, f"took longer than {patience} s", folder)
                break
            if line is None:
                if underway is not None:
                    self.defect(underway, f"died with exit code {process.wait()}", folder)
                break
            underway, patience = self.count(json.loads(line))
        if underway is not None:
            self.first = underway + 1
        elif process.wait() and self.first < self.files:
            raise RuntimeError(f"{self.reader}: the process did not start: {' '.join(command)}")

    def count(self, told: dict[str, Any]) -> tuple[int | None, int]:
        """Note a line of the process: the file that it reads now, and how long that may take."""
        if "read" not in told:
            return told["file"], SECONDS
        self.first = told["file"] + 1
        self.found["read" if told["read"] else "refused"] += 1
        if "defect" in told:
            self.found["defects"].append({"file": told["file"], "what": told["defect"]})
        return None, STARTING

    def defect(self, number: int, what: str, folder: Path) -> None:
        """Note a file that a process died of or hung at, and keep it."""
        self.found["defects"].append({"file": number, "what": what})
        keep(folder, self.kept, self.reader, self.seed, number)


def main(argv: list[str] | None = None) -> None:
    parser = command_line.parser(__doc__)
    parser.add_argument("--files", type=command_line.positive, default=10_000, help="per reader")
    parser.add_argument("--readers", nargs="+", choices=READERS, default=list(READERS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, default=Path("out") / "fuzz")
    parser.add_argument("--child", choices=READERS, help=argparse.SUPPRESS)
    parser.add_argument("--first", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = command_line.parse(parser, argv, files=100)
    if arguments.child:
        child(arguments)
        return
    found = {}
    for name in arguments.readers:
        found[name] = Parent(name, arguments.seed, arguments.files, arguments.keep).run()
        print(f"{name}: {json.dumps(found[name])}", flush=True)
    print(json.dumps({"seed": arguments.seed, **found}))
    sys.exit(any(each["defects"] for each in found.values()))


if __name__ == "__main__":
    main()
