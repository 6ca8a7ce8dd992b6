"""aimsd and OpenFIBSEM together: files that OpenFIBSEM saves, frames it pushes, feedback that comes back.

Needs bin/aimsd (make build), or another one named by AIMSD; what goes over MQTT also needs mosquitto.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fibsem.structures import BeamType

import aimsd_feedback as af
from aimsd_link import GrpcFeedback, MqttFeedback, Pusher, proto_file, save
from conftest import (
    MOSQUITTO,
    PIXEL_NM,
    REPOSITORY,
    SHIFTS,
    free_port,
    needs_broker,
    scene,
)
from controller import shift_beam

AIMSD = Path(os.environ.get("AIMSD") or REPOSITORY / "bin" / "aimsd")
FRAME_S = 60  # longest that one small frame may take on a busy machine

pytestmark = pytest.mark.skipif(not AIMSD.exists(), reason=f"{AIMSD} is missing: make build")
needs_feedback = pytest.mark.skipif(
    "service FeedbackService" not in proto_file().read_text(), reason="this aimsd sends no feedback yet"
)


@dataclass
class Daemon:
    """A running aimsd: the folder it watches, its gRPC address."""

    folder: Path
    grpc: str


@pytest.fixture()
def daemon(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Daemon]:
    """aimsd run, with one watched folder and, where there is one, the broker."""
    folder, grpc, http = tmp_path / "acq", f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    folder.mkdir()
    config: dict[str, Any] = {
        "site": "lab",
        "instrument": "fib-01",
        "data_dir": "data",
        "sources": [{"name": "acq", "type": "folder", "path": str(folder)}, {"name": "fib", "type": "grpc"}],
        "grpc": {"listen": grpc},
        "http": {"listen": http},
    }
    if MOSQUITTO:
        config["mqtt"] = {"url": f"tcp://127.0.0.1:{request.getfixturevalue('broker')}"}
    (tmp_path / "aimsd.yaml").write_text(json.dumps(config))  # JSON is YAML
    log = (tmp_path / "log").open("wb")
    process = subprocess.Popen([AIMSD, "run", "-c", "aimsd.yaml"], cwd=tmp_path, stdout=log, stderr=subprocess.STDOUT)
    try:
        _await_ready(http, process, tmp_path / "log")
        yield Daemon(folder, grpc)
    finally:
        process.terminate()
        process.wait(timeout=60)
        log.close()


def _await_ready(http: str, process: subprocess.Popen, log: Path) -> None:
    import requests

    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if requests.get(f"http://{http}/readyz", timeout=2).status_code == 200:
                return
        except requests.ConnectionError:
            pass
        time.sleep(0.1)
    pytest.fail(f"aimsd does not get ready:\n{log.read_text()}")


def test_scale_reads_what_openfibsem_saves(microscope: Any, tmp_path: Path) -> None:
    for width_m, nm in ((150e-6, 97.65625), (33e-6, 21.484375)):
        microscope.set_field_of_view(width_m, BeamType.ION)
        path = save(microscope.acquire_image(beam_type=BeamType.ION), tmp_path, f"ion-{nm}")
        out = subprocess.run([AIMSD, "scale", path], check=True, capture_output=True, text=True, timeout=120)
        scale = json.loads(out.stdout)
        assert scale["source"] == "metadata"
        assert scale["nm_per_px"] == pytest.approx(nm, rel=1e-9)
    assert not list((tmp_path / ".writing").iterdir()), "something is left behind"


def test_a_pushed_image_is_analysed_with_its_pixel_size(daemon: Daemon) -> None:
    pusher = Pusher(daemon.grpc, source="fib")
    try:
        first = pusher.push(scene(0, 0), uid="one", seq=1, run_id="run-1")
        assert pusher.state(first) == "DONE", first.reason
        assert first.result.nm_per_px == pytest.approx(PIXEL_NM, rel=1e-9)
        assert pusher.state(pusher.push(scene(0, 0), uid="one", seq=1, run_id="run-1")) == "DUPLICATE"
    finally:
        pusher.close()


@needs_broker
def test_a_saved_image_is_analysed_with_its_pixel_size(daemon: Daemon, broker: int) -> None:
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

    def next_frame(self, seen: set[str]) -> dict:
        """The first message about a frame that is not in seen, which it joins."""
        deadline = time.monotonic() + FRAME_S
        while True:
            message = self.messages.get(timeout=max(0.0, deadline - time.monotonic()))
            assert not self.faults
            if message["frame_id"] not in seen:
                seen.add(message["frame_id"])
                return message


@pytest.fixture(params=[pytest.param("mqtt", marks=needs_broker), "grpc"])
def inbox(request: pytest.FixtureRequest, daemon: Daemon) -> Iterator[Inbox]:
    box = Inbox()
    if request.param == "mqtt":
        listener: Any = MqttFeedback(
            "127.0.0.1", request.getfixturevalue("broker"), "lab", "fib-01", box.take, box.report
        )
        assert listener.ready.wait(10)
    else:
        listener = GrpcFeedback(daemon.grpc, box.take, box.report)
    yield box
    listener.close()


@needs_feedback
def test_four_shifts_saved_by_openfibsem_come_back_with_their_signs(
    daemon: Daemon, inbox: Inbox, microscope: Any
) -> None:
    seen: set[str] = set()
    save(scene(0, 0), daemon.folder, "ion-0")
    inbox.next_frame(seen)
    for n, (direction, (dx, dy)) in enumerate(SHIFTS.items(), 1):
        save(scene(dx, dy), daemon.folder, f"ion-{n}")
        message = inbox.next_frame(seen)
        drift = message["drift"]
        assert message["beam"] == "ION" and message["nm_per_px"] == pytest.approx(PIXEL_NM, rel=1e-9)
        assert (drift["shift_px"]["x"], drift["shift_px"]["y"]) == pytest.approx((dx, dy), abs=0.6), direction
        assert (drift["shift_m"]["x"], drift["shift_m"]["y"]) == pytest.approx(
            (dx * PIXEL_NM * 1e-9, dy * PIXEL_NM * 1e-9), abs=0.6 * PIXEL_NM * 1e-9
        ), direction

        before = microscope.get_beam_shift(BeamType.ION)
        shift_beam(microscope, *af.beam_shift(message), BeamType.ION)
        after = microscope.get_beam_shift(BeamType.ION)
        assert (after.x - before.x, after.y - before.y) == (-drift["shift_m"]["x"], drift["shift_m"]["y"])
