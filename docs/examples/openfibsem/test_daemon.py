"""aimsd and OpenFIBSEM together: files that OpenFIBSEM saves, frames it pushes, feedback that comes back.

Needs bin/aimsd (make build), or another one named by AIMSD; what goes over MQTT also needs mosquitto.
"""

from __future__ import annotations

import json
import queue
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fibsem import alignment
from fibsem.alignment import AlignmentMethod
from fibsem.structures import BeamType

import aimsd_feedback as af
from aimsd_daemon import Daemon
from aimsd_link import Arming, GrpcFeedback, MqttFeedback, Pusher, save
from checks import assert_lossless, assert_valid
from conftest import AIMSD, MOSQUITTO, PIXEL_NM, SHIFTS, needs_aimsd, needs_broker, scene
from controller import shift_beam

FRAME_S = 60  # longest that one small frame may take on a busy machine
# Nothing is milled there; and on a busy machine a frame may wait.
MILLING = {
    "source": "acq",
    "task_id": "task-7",
    "stage_name": "rough-01",
    "roi": {"left": 0.4, "top": 0.35, "width": 0.2, "height": 0.3},
    "stale_after": "60s",
}

pytestmark = needs_aimsd


@dataclass
class Watched:
    """A running aimsd: the folder it watches, its gRPC address."""

    folder: Path
    grpc: str


@pytest.fixture()
def daemon(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Watched]:
    """aimsd run, with a watched folder where something is milled, a stream and, where there is one, the broker."""
    folder = tmp_path / "acq"
    folder.mkdir()
    config: dict[str, Any] = {
        "sources": [{"name": "acq", "type": "folder", "path": str(folder)}, {"name": "fib", "type": "grpc"}],
        "milling": [MILLING],
    }
    if MOSQUITTO:
        config["mqtt"] = {"url": f"tcp://127.0.0.1:{request.getfixturevalue('broker')}"}
    with Daemon(AIMSD, tmp_path, **config) as running:
        yield Watched(folder, running.grpc)


def test_scale_reads_what_openfibsem_saves(microscope: Any, tmp_path: Path) -> None:
    for width_m, nm in ((150e-6, 97.65625), (33e-6, 21.484375)):
        microscope.set_field_of_view(width_m, BeamType.ION)
        path = save(microscope.acquire_image(beam_type=BeamType.ION), tmp_path, f"ion-{nm}")
        out = subprocess.run([AIMSD, "scale", path], check=True, capture_output=True, text=True, timeout=120)
        scale = json.loads(out.stdout)
        assert scale["source"] == "metadata"
        assert scale["nm_per_px"] == pytest.approx(nm, rel=1e-9)
    assert not list((tmp_path / ".writing").iterdir()), "something is left behind"


def test_a_pushed_image_is_analysed_with_its_pixel_size(daemon: Watched) -> None:
    pusher = Pusher(daemon.grpc, source="fib")
    try:
        first = pusher.push(scene(0, 0), uid="one", seq=1, run_id="run-1")
        assert pusher.state(first) == "DONE", first.reason
        assert first.result.nm_per_px == pytest.approx(PIXEL_NM, rel=1e-9)
        assert pusher.state(pusher.push(scene(0, 0), uid="one", seq=1, run_id="run-1")) == "DUPLICATE"
    finally:
        pusher.close()


@needs_broker
def test_a_saved_image_is_analysed_with_its_pixel_size(daemon: Watched, broker: int) -> None:
    import paho.mqtt.client as mqtt

    frames: queue.Queue[dict] = queue.Queue()
    subscribed = threading.Event()
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
    client.on_subscribe = lambda *_: subscribed.set()
    client.on_message = lambda _c, _d, m: frames.put(json.loads(m.payload))
    client.connect("127.0.0.1", broker)
    client.loop_start()
    client.subscribe("aims/v1/lab/fib-01/frame", qos=1)
    try:
        assert subscribed.wait(10)
        path = save(scene(0, 0), daemon.folder, "ion-000001")
        frame = frames.get(timeout=FRAME_S)
        assert (frame["outcome"], Path(frame["path"]).name) == ("processed", path.name)
        assert frame["scale_source"] == "metadata"
        assert frame["nm_per_px"] == pytest.approx(PIXEL_NM, rel=1e-9)
    finally:
        client.disconnect()
        client.loop_stop()


class Inbox:
    """Feedback as it comes; anything that cannot be parsed fails the test."""

    def __init__(self) -> None:
        self.messages: queue.Queue[dict] = queue.Queue()
        self.faults: list[str] = []

    def report(self, line: str) -> None:
        if not line.startswith("listening"):
            self.faults.append(line)

    def take(self, message: dict, arrived_at: float) -> None:
        self.messages.put(message)

    def next(self) -> dict:
        message = self.messages.get(timeout=FRAME_S)
        assert not self.faults
        return message


@pytest.fixture()
def by_grpc(daemon: Watched) -> Iterator[Inbox]:
    box = Inbox()
    listener = GrpcFeedback(daemon.grpc, box.take, box.report, "acq")
    yield box
    listener.close()


@pytest.fixture()
def by_mqtt(daemon: Watched, broker: int) -> Iterator[Inbox]:
    box = Inbox()
    listener = MqttFeedback("127.0.0.1", broker, "lab", "fib-01", box.take, box.report)
    assert listener.ready.wait(10)
    yield box
    listener.close()


@pytest.mark.parametrize("way", [pytest.param("by_mqtt", marks=needs_broker), "by_grpc"])
def test_shifts_saved_by_openfibsem_come_back_with_their_signs(
    request: pytest.FixtureRequest, daemon: Watched, microscope: Any, way: str
) -> None:
    inbox: Inbox = request.getfixturevalue(way)
    reference = scene(0, 0)
    saved = save(reference, daemon.folder, "ion-0")
    first = inbox.next()
    assert first["reasons"] == ["REFERENCE", "WARMUP"]
    assert af.unix_time(first["frame_time"]) == pytest.approx(saved.stat().st_mtime, abs=1e-3)
    for n, (direction, (dx, dy)) in enumerate({**SHIFTS, "sub-pixel": (5.4, -3.3)}.items(), 1):
        image = scene(dx, dy)
        save(image, daemon.folder, f"ion-{n}")
        message = inbox.next()
        drift = message["drift"]
        assert drift["success"], (direction, message)
        assert (message["beam"], message["task_id"], message["stage_name"]) == ("ION", "task-7", "rough-01")
        assert message["nm_per_px"] == pytest.approx(PIXEL_NM, rel=1e-9)
        found = (drift["shift_px"]["x"], drift["shift_px"]["y"])
        assert found == pytest.approx((dx, dy), abs=0.3), direction
        assert (drift["shift_m"]["x"], drift["shift_m"]["y"]) == pytest.approx(
            [px * message["nm_per_px"] * 1e-9 for px in found], rel=1e-12
        ), direction
        for method in AlignmentMethod:  # OpenFIBSEM's are within 0.6 px of the truth: test_signs.py
            theirs = alignment._calculate_shift(reference, image, method)
            assert found == pytest.approx((theirs.shift_px.x, theirs.shift_px.y), abs=0.9), (direction, method)
        assert_lossless(message)

        before = microscope.get_beam_shift(BeamType.ION)
        shift_beam(microscope, *af.beam_shift(message), BeamType.ION)
        after = microscope.get_beam_shift(BeamType.ION)
        assert (after.x - before.x, after.y - before.y) == pytest.approx(
            (-drift["shift_m"]["x"], drift["shift_m"]["y"]), rel=1e-9, abs=1e-18
        )


@needs_broker
def test_a_message_is_the_same_over_mqtt_and_grpc(daemon: Watched, by_mqtt: Inbox, by_grpc: Inbox) -> None:
    unscaled = scene(9, 4)
    unscaled.metadata = None
    for n, image in enumerate((scene(0, 0), scene(14, 0), unscaled)):
        save(image, daemon.folder, f"ion-{n}")
        published, watched = by_mqtt.next(), by_grpc.next()
        assert_valid(published)
        assert_lossless(published)
        assert (watched["site"], watched["instrument"]) == ("lab", "fib-01")
        assert watched.pop("skipped") == 0
        published.pop("historical", None)
        assert watched == published
    assert (published["advice"], published["nm_per_px"]) == ("ABSTAIN", None)
    assert "NO_SCALE" in published["reasons"] and "shift_m" not in published["drift"]
    assert published["drift"]["success"] and af.beam_shift(published) is None


def test_a_source_without_a_controller_is_not_armed(daemon: Watched, by_grpc: Inbox) -> None:
    import grpc

    save(scene(0, 0), daemon.folder, "ion-0")
    run = by_grpc.next()["run_id"]
    arming = Arming(daemon.grpc)
    try:
        with pytest.raises(grpc.RpcError) as refused:
            arming.arm("acq", run, lease_s=60, by="test")
        assert refused.value.code() is grpc.StatusCode.FAILED_PRECONDITION
        assert "milling.act" in refused.value.details()
    finally:
        arming.close()
