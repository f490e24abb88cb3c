"""Mutated files: every reader refuses them with its own error, and none crashes or hangs."""

import json
import sys

import pytest
from checks import ROOT, slow_but

sys.path.insert(0, str(ROOT / "benchmarks"))
import fuzz
from fuzz_readers import READERS

LONGEST = "keras"


@pytest.mark.parametrize("reader", slow_but(READERS, [], READERS.keys() - {LONGEST}))
def test_mutated_files_are_read_or_refused(reader, tmp_path, capsys):
    command = ["--files", "100", "--seed", "7", "--readers", reader, "--keep", str(tmp_path)]
    with pytest.raises(SystemExit) as ended:
        fuzz.main(command)
    found = json.loads(capsys.readouterr().out.splitlines()[-1])[reader]
    assert found["defects"] == [] and not ended.value.code
    assert found["refused"] > 20 and found["refused"] + found["read"] == 100
