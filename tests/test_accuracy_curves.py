"""The comparison of `benchmarks/peers.py`, worked out by hand."""

import sys

from checks import ROOT

sys.path.insert(0, str(ROOT / "benchmarks"))
from accuracy_curves import compared


def runs(*measured):
    return [{"seconds": s, "cpu_seconds": c, "accuracy": a} for s, c, a in measured]


def test_an_accuracy_is_reached_by_the_fastest_run_that_has_it():
    ours = runs((10.0, 8.0, 0.90), (40.0, 20.0, 0.95))
    peer = runs((5.0, 4.0, 0.60), (100.0, 50.0, 0.93), (80.0, 60.0, 0.94), (300.0, 90.0, 0.96))
    found = compared(ours, peer)
    assert found["points_above_its_best"] == -1.0
    table = [(at["accuracy"], at["peer_seconds"], at["our_seconds"]) for at in found["to_reach"]]
    assert table == [(0.6, 5, 10), (0.93, 80, 40), (0.94, 80, 40), (0.96, 300, None)]
    assert [at["seconds_ratio"] for at in found["to_reach"]] == [0.5, 2.0, 2.0, None]
    assert [at["cpu_seconds_ratio"] for at in found["to_reach"]] == [0.5, 2.5, 3.0, None]
