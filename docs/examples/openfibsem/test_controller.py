"""What is done on each advice, on the Demo microscope and through OpenFIBSEM's HTTP client."""

from __future__ import annotations

import random
from typing import Any

import pytest
from fibsem.server.client import FibsemClient
from fibsem.structures import BeamType, MillingState

import aimsd_feedback as af
from conftest import random_message
from controller import Controller


def decision(advice: str, seq: int = 1, shift_m: tuple[float, float] = (2e-7, -1e-7), **change: Any) -> af.Decision:
    message = {**random_message(random.Random(seq)), "advice": advice, "beam": "ION", "id": f"id-{seq}", **change}
    message["drift"].update(success=True, shift_m={"x": shift_m[0], "y": shift_m[1]})
    return af.Decision(advice, "TEST", message)


def started() -> float:
    """The clock of a program that started before every frame here but those that say so."""
    return af.unix_time("2026-11-28T10:00:00Z")


@pytest.fixture(params=["microscope", "client"])
def target(request: pytest.FixtureRequest) -> Any:
    """A milling Demo microscope, in this process or behind HTTP."""
    if request.param == "microscope":
        target = request.getfixturevalue("microscope")
    else:
        target = FibsemClient("127.0.0.1", request.getfixturevalue("server"))
    target.stop_milling()
    target.start_milling()
    return target


def test_without_act_nothing_is_done(target: Any) -> None:
    lines: list[str] = []
    controller = Controller(target, lines.append)
    before = target.get_beam_shift(BeamType.ION)
    for seq, advice in enumerate(af.ADVICE, 1):
        controller.handle(decision(advice, seq))
    assert target.get_milling_state() is MillingState.RUNNING
    assert target.get_beam_shift(BeamType.ION) == before
    assert any("would pause milling" in line for line in lines)


def test_advice_is_carried_out_with_act(target: Any) -> None:
    lines: list[str] = []
    controller = Controller(target, lines.append, act=True, allow_stop=True, clock=started)
    before = target.get_beam_shift(BeamType.ION)
    for advice in ("CONTINUE", "ABSTAIN"):
        controller.handle(decision(advice))
        assert target.get_milling_state() is MillingState.RUNNING
    controller.handle(decision("REALIGN", seq=3))
    controller.handle(decision("REALIGN", seq=3))
    after = target.get_beam_shift(BeamType.ION)
    assert (after.x - before.x, after.y - before.y) == pytest.approx((-2e-7, -1e-7)), "once, against the drift"
    controller.handle(decision("PAUSE", seq=4))
    assert target.get_milling_state() is MillingState.PAUSED
    controller.handle(decision("CONTINUE", seq=5))
    assert target.get_milling_state() is MillingState.PAUSED, "resuming is the operator's"
    controller.handle(decision("STOP", seq=6))
    assert target.get_milling_state() is MillingState.IDLE
    controller.handle(decision("PAUSE", seq=7))
    assert target.get_milling_state() is MillingState.IDLE, "what does not mill is not paused"


def test_stop_pauses_where_stopping_is_not_allowed(target: Any) -> None:
    Controller(target, lambda line: None, act=True).handle(decision("STOP"))
    assert target.get_milling_state() is MillingState.PAUSED


def test_silence_pauses(target: Any) -> None:
    controller = Controller(target, lambda line: None, act=True)
    controller.handle(af.Decision("PAUSE", "no message for 2.1 s"))
    assert target.get_milling_state() is MillingState.PAUSED


@pytest.mark.parametrize(
    "change",
    [
        {"shift_m": (2e-6, 0.0)},  # beyond max_shift_m
        {"frame_time": "1970-01-01T00:00:00Z"},  # seen before the program, which may be before a correction
        {"drift": {"success": False}},
        {"drift": None},
    ],
)
def test_a_doubtful_realign_moves_nothing(microscope: Any, change: dict) -> None:
    doubtful = decision("REALIGN", shift_m=change.pop("shift_m", (2e-7, -1e-7)))
    if change.get("drift"):
        doubtful.message["drift"].update(change.pop("drift"))
    doubtful.message.update(change)
    Controller(microscope, lambda line: None, act=True, clock=started).handle(doubtful)
    assert microscope.get_beam_shift(BeamType.ION).to_list() == [0, 0]


def test_a_frame_from_before_the_correction_corrects_nothing(microscope: Any) -> None:
    now = [started()]
    controller = Controller(microscope, lambda line: None, act=True, clock=lambda: now[0])
    controller.handle(decision("REALIGN", seq=9, frame_time="2026-11-28T09:59:59Z"))
    assert microscope.get_beam_shift(BeamType.ION).to_list() == [0, 0], "from before the program"
    now[0] = af.unix_time("2026-11-28T10:00:08Z")
    controller.handle(decision("REALIGN", seq=1, frame_time="2026-11-28T10:00:07Z"))
    controller.handle(decision("REALIGN", seq=2, frame_time="2026-11-28T10:00:07.9Z"))
    assert microscope.get_beam_shift(BeamType.ION).to_list() == pytest.approx([-2e-7, -1e-7])
    controller.handle(decision("REALIGN", seq=3, frame_time="2026-11-28T10:00:08.1Z"))
    assert microscope.get_beam_shift(BeamType.ION).to_list() == pytest.approx([-4e-7, -2e-7])


def test_what_fails_is_tried_again() -> None:
    class Flaky:
        tries = 0

        def get_milling_state(self) -> MillingState:
            return MillingState.RUNNING

        def pause_milling(self) -> None:
            self.tries += 1
            if self.tries == 1:
                raise ConnectionError("no answer")

    flaky, lines = Flaky(), []
    controller = Controller(flaky, lines.append, act=True)
    for _ in range(3):
        controller.handle(decision("PAUSE"))
    assert flaky.tries == 2
    assert any("no answer" in line for line in lines)
