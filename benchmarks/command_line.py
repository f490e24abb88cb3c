"""The command line of every benchmark: positive numbers, and `--quick`."""

import argparse
from typing import Any


def parser(about: str) -> argparse.ArgumentParser:
    """A parser that accepts no abbreviated flags.

    Args:
        about: the docstring of the benchmark; its first line is shown.
    """
    return argparse.ArgumentParser(description=about.splitlines()[0], allow_abbrev=False)


def positive(text: str) -> int:
    """An argparse type: an integer of at least 1."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected a positive integer, received {text!r}")
    return number


def parse(
    options: argparse.ArgumentParser, argv: list[str] | None = None, **quick: Any
) -> argparse.Namespace:
    """Add `--quick` and parse.

    Args:
        options: the parser.
        argv: the command line, that of the process if None.
        **quick: the defaults that `--quick` sets; a flag that is given still wins.
    """
    told = ", ".join(f"{name}={value}" for name, value in quick.items())
    options.add_argument("--quick", action="store_true", help=f"other defaults: {told}")
    if options.parse_intermixed_args(argv).quick:
        options.set_defaults(**quick)
    return options.parse_intermixed_args(argv)
