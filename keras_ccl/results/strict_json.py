"""Numbers as strict JSON can hold them: null for NaN."""

import json
import math
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np


def null_to_nan(values: Iterable[float | None]) -> list[float]:
    """Numbers as they were, where strict JSON had to hold null."""
    return [math.nan if value is None else value for value in values]


def as_json_values(value: Any) -> Any:
    """Convert to nested lists and dicts of what JSON can hold, with None for NaN and infinity."""
    if isinstance(value, dict):
        return {str(key): as_json_values(part) for key, part in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [as_json_values(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def strict_json(content: Any, path: str | os.PathLike | None = None) -> str:
    """Return content as strict JSON.

    Args:
        content: What `as_json_values` converts.
        path: A file to write it to as well. An interrupted write leaves the earlier file.

    Returns:
        The JSON text.
    """
    text = json.dumps(as_json_values(content), indent=1, allow_nan=False)
    if path is not None:
        aside = Path(f"{path}.partial")
        aside.write_text(text)
        os.replace(aside, path)
    return text
