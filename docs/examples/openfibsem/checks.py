"""What holds of every feedback message: aimsd's own schema, and OpenFIBSEM's shapes there and back."""

from __future__ import annotations

import copy
import json
from typing import Any

import jsonschema
import pytest
from fibsem.alignment import AlignmentDifferential, AlignmentIteration
from fibsem.structures import FibsemImage, FibsemRectangle, Point

import aimsd_feedback as af
from aimsd_link import proto_file

Message = dict[str, Any]


def assert_valid(message: Message) -> None:
    """The message is as proto/schema/feedback.schema.json has it."""
    schema = json.loads((proto_file().parents[2] / "schema" / "feedback.schema.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(message)


def image_of(message: Message) -> FibsemImage:
    """An image whose pixels have the message's size; without one, an image without metadata."""
    if message["nm_per_px"] is None:
        return FibsemImage(FibsemImage.generate_blank_image(resolution=(8, 8)).data)
    size = message["nm_per_px"] * 1e-9
    return FibsemImage.generate_blank_image(resolution=(8, 8), pixel_size=Point(size, size))


def assert_lossless(message: Message) -> None:
    """The message goes into OpenFIBSEM's shapes and comes back unchanged, through its classes where it has any."""
    before = copy.deepcopy(message)
    assert af.parse(json.dumps(message)) == message
    rectangle = FibsemRectangle.from_dict(af.rectangle(message)).to_dict()
    assert af.roi_of(rectangle) == message["roi"]
    assert af.endpoint_of(message["endpoint"]["metric"], af.intensity_stats(message)) == message["endpoint"]
    update = af.progress(message, 100.0, 130.0)
    if update is None:
        assert (message["geometry"] or {}).get("eta_s") is None
    else:
        assert af.eta_s_of(update) == message["geometry"]["eta_s"]
    _assert_drift_is_lossless(message)
    assert message == before, "a conversion changed the message"


def _assert_drift_is_lossless(message: Message) -> None:
    iteration, differential = af.alignment_iteration(message), af.alignment_differential(message)
    if message["drift"] is None:
        assert iteration is None and differential is None
        return
    assert af.drift_of(iteration, differential) == message["drift"]
    assert AlignmentDifferential.from_dict(differential).to_dict() == differential
    if "shift_m" not in message["drift"]:
        return
    back = AlignmentIteration.from_dict(iteration, image_of(message)).to_dict()
    # OpenFIBSEM does not keep shift_px: it divides the shift by the image's pixel size.
    assert back.pop("shift_px") == pytest.approx(message["drift"]["shift_px"], rel=1e-12)
    assert back == {name: value for name, value in iteration.items() if name != "shift_px"}
    assert af.drift_of({**back, "shift_px": iteration["shift_px"]}, differential) == message["drift"]
