"""Axes and signs: four known displacements, OpenFIBSEM's three methods, and what a correction does to the beam."""

from __future__ import annotations

from typing import Any

import pytest
from fibsem import alignment
from fibsem.alignment import AlignmentMethod
from fibsem.structures import BeamType, FibsemImage, Point

import aimsd_feedback as af
from conftest import PIXEL_NM, SHIFTS, scene
from controller import shift_beam

PIXEL_M = PIXEL_NM * 1e-9


def message_for(dx_px: float, dy_px: float) -> dict:
    """The part of aimsd's message that tells of this displacement."""
    return {
        "beam": "ION",
        "drift": {
            "shift_m": {"x": dx_px * PIXEL_M, "y": dy_px * PIXEL_M},
            "shift_px": {"x": dx_px, "y": dy_px},
            "score": 0.9,
            "success": True,
            "method": "phase-correlation",
            "max_disagreement_px": 0.1,
        },
    }


class Drifting:
    """Gives a Demo microscope a sample: its images show scene, displaced by a drift and by the ion beam's shift.

    Beam shift +x moves the content right, +y moves it up: the convention for which _apply_shift undoes a displacement.
    """

    def __init__(self, microscope: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self.drift_px = (0, 0)
        self._microscope = microscope
        monkeypatch.setattr(microscope, "acquire_image", self.acquire)

    def acquire(self, image_settings: Any = None, beam_type: Any = None) -> FibsemImage:
        shift = self._microscope.get_beam_shift(BeamType.ION)
        return scene(self.drift_px[0] + round(shift.x / PIXEL_M), self.drift_px[1] - round(shift.y / PIXEL_M))


@pytest.mark.parametrize("method", list(AlignmentMethod))
@pytest.mark.parametrize("direction", SHIFTS)
def test_every_method_of_openfibsem_has_our_signs(direction: str, method: AlignmentMethod) -> None:
    dx, dy = SHIFTS[direction]
    found = alignment._calculate_shift(scene(0, 0), scene(dx, dy), method)
    ours = message_for(dx, dy)["drift"]
    assert found.shift_px.x == pytest.approx(ours["shift_px"]["x"], abs=0.6)
    assert found.shift_px.y == pytest.approx(ours["shift_px"]["y"], abs=0.6)
    assert found.shift.x == pytest.approx(ours["shift_m"]["x"], abs=0.6 * PIXEL_M)
    assert found.shift.y == pytest.approx(ours["shift_m"]["y"], abs=0.6 * PIXEL_M)


@pytest.mark.parametrize("direction", SHIFTS)
def test_our_correction_moves_the_beam_as_align_does(
    microscope: Any, monkeypatch: pytest.MonkeyPatch, direction: str
) -> None:
    sample = Drifting(microscope, monkeypatch)
    reference = sample.acquire()
    sample.drift_px = SHIFTS[direction]

    alignment.align_with_reference_image(microscope, reference, method=AlignmentMethod.PHASE_CORRELATION)
    theirs = microscope.get_beam_shift(BeamType.ION)
    microscope.set_beam_shift(Point(0, 0), BeamType.ION)

    dx, dy = af.beam_shift(message_for(*SHIFTS[direction]))
    shift_beam(microscope, dx, dy, BeamType.ION)
    ours = microscope.get_beam_shift(BeamType.ION)
    assert (ours.x, ours.y) == pytest.approx((theirs.x, theirs.y), abs=0.6 * PIXEL_M)
    assert abs(ours.x) + abs(ours.y) > 8 * PIXEL_M

    # The correction undoes the drift: OpenFIBSEM finds nothing left.
    left = alignment._calculate_shift(reference, sample.acquire(), AlignmentMethod.PHASE_CORRELATION)
    assert (left.shift_px.x, left.shift_px.y) == pytest.approx((0, 0), abs=0.6)


@pytest.mark.parametrize("dx, dy", [(3e-7, -2e-7), (-1e-9, 5e-8)])
def test_our_arguments_are_those_of_apply_shift(dx: float, dy: float) -> None:
    asked: list[tuple[float, float, BeamType]] = []

    class Microscope:
        def beam_shift(self, x: float, y: float, beam: BeamType) -> None:
            asked.append((x, y, beam))

    alignment._apply_shift(Microscope(), dx, dy, BeamType.ION)
    message = message_for(0, 0)
    message["drift"]["shift_m"] = {"x": dx, "y": dy}
    shift_beam(Microscope(), *af.beam_shift(message), BeamType[message["beam"]])
    assert asked[0] == asked[1]
