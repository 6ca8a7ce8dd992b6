"""aimsd pauses milling by itself: simulated frames in, the simulator or OpenFIBSEM's HTTP server as the controller."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Optional

import pytest
from fibsem.server.client import FibsemClient
from fibsem.structures import MillingState

import closed_loop
from checks import assert_lossless, assert_valid
from conftest import AIMSD, needs_aimsd

pytestmark = needs_aimsd


def tried(folder: Path, capsys: pytest.CaptureFixture, server: Optional[str] = None) -> closed_loop.Outcome:
    """A run whose messages are as the contract says, paused for the end-point and no sooner."""
    outcome = closed_loop.run(AIMSD, folder, print, server)
    told = capsys.readouterr().out + (folder / "aimsd.log").read_text()
    assert outcome.good, told
    words = [message["advice"] for message in outcome.messages]
    first = words.index("PAUSE")
    assert "ENDPOINT" in outcome.messages[first]["reasons"] and "STOP" not in words, told
    assert set(words[first:]) <= {"PAUSE", "ABSTAIN"}, "an end-point that was reached stays so"
    for message in outcome.messages:
        assert_valid({**message, "site": "lab", "instrument": "fib-01"})
        assert_lossless(message)
    return outcome


def test_the_simulated_milling_is_paused_at_its_end_point(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    outcome = tried(tmp_path, capsys)
    verbs = [json.loads(line) for line in (tmp_path / "sim/truth/control.jsonl").read_text().splitlines()]
    assert [verb["verb"] for verb in verbs] == ["pause_milling"], "once, and nothing else"
    truths = [json.loads(p.read_text()) for p in sorted((tmp_path / "sim/truth").glob("*.json"))]
    assert truths[-1]["milling"]["state"] == "PAUSED"
    assert truths[-1]["milling"]["dose"] == outcome.last_milled - 1, "frame 1 is taken before the beam is on"


def test_openfibsem_is_paused_at_the_end_point(tmp_path: Path, capsys: pytest.CaptureFixture, server: int) -> None:
    demo: Any = FibsemClient("127.0.0.1", server)
    demo.stop_milling()
    tried(tmp_path, capsys, f"127.0.0.1:{server}")
    assert demo.get_milling_state() is MillingState.PAUSED


def test_another_microscope_is_not_started(server: int) -> None:
    demo: Any = FibsemClient("127.0.0.1", server)
    demo.stop_milling()
    demo.start_milling()
    with pytest.raises(RuntimeError, match="RUNNING"):
        closed_loop.start_demo(f"127.0.0.1:{server}")
    demo.stop_milling()
