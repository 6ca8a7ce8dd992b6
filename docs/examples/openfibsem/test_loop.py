"""milling_loop.py as it is started by hand, with messages that a test publishes in aimsd's place."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fibsem.structures import FibsemImage

from conftest import needs_broker, scene

HERE = Path(__file__).parent
pytestmark = needs_broker


class Loop:
    """A running milling_loop.py, and the broker it listens to."""

    def __init__(self, folder: Path, broker: int, *options: str) -> None:
        import paho.mqtt.client as mqtt

        images = folder / "images"
        images.mkdir()
        for n, dx in enumerate((0, 3, 6)):
            scene(dx, 0).save(str(images / f"{n}.tif"))
        self.acq = folder / "acq"
        self.log = folder / "log"
        with self.log.open("wb") as out:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    str(HERE / "milling_loop.py"),
                    "--folder",
                    str(self.acq),
                    "--mqtt",
                    f"127.0.0.1:{broker}",
                    "--instrument",
                    "fib-01",
                    "--images",
                    str(images),
                    "--frames",
                    "1000",
                    "--every",
                    "0.2",
                    *options,
                ],
                stdout=out,
                stderr=subprocess.STDOUT,
                cwd=folder,
            )
        self._client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
        self._client.connect("127.0.0.1", broker)
        self._client.loop_start()
        self._sample = json.loads((HERE / "sample_message.json").read_text())
        self._seq = 0

    def publish(self, advice: str, **change: Any) -> None:
        self._seq += 1
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 1))
        message = {
            **self._sample,
            "id": f"id-{self._seq}",
            "seq": self._seq,
            "advice": advice,
            "frame_time": now,
            **change,
        }
        self._client.publish("aims/v1/lab/fib-01/feedback", json.dumps(message), qos=1).wait_for_publish(10)

    def await_line(self, pattern: str) -> None:
        deadline = time.monotonic() + 30
        while not re.search(pattern, self.log.read_text()):
            assert self.process.poll() is None and time.monotonic() < deadline, f"{pattern}:\n{self.log.read_text()}"
            time.sleep(0.05)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(timeout=20)


@pytest.fixture()
def loop(request: pytest.FixtureRequest, tmp_path: Path, broker: int) -> Iterator[Loop]:
    running = Loop(tmp_path, broker, *request.param)
    yield running
    running.close()


@pytest.mark.parametrize("loop", [["--act", "--allow-stop"]], indirect=True)
def test_advice_is_carried_out_and_silence_pauses(loop: Loop) -> None:
    loop.await_line(r"listening on aims/v1/lab/fib-01/feedback")
    loop.await_line(r"frame 2: ion-\w+-000002\.tif")
    loop.publish("REALIGN")
    loop.await_line(r"REALIGN: DRIFT\n.*shift the ION beam by -410\.2, -205\.1 nm")
    loop.await_line(r"44 s remain")
    loop.await_line(r"PAUSE: no message for 2\.\d s, the last one was valid for 2\.0 s\n.*pause milling")
    loop.publish("ABSTAIN", reasons=["FROZEN"])
    loop.await_line(r"ABSTAIN: FROZEN")
    loop.publish("STOP", reasons=["ENDPOINT"])
    loop.await_line(r"STOP: ENDPOINT\n.*  stop milling\n.*milling has ended")
    assert loop.process.wait(timeout=20) == 0
    frames = sorted(loop.acq.glob("*.tif"))
    first = FibsemImage.load(str(frames[0]))
    assert first.metadata.image_settings.beam_type.name == "ION"
    assert first.metadata.pixel_size.x == pytest.approx(97.65625e-9)


@pytest.mark.parametrize("loop", [[]], indirect=True)
def test_without_act_it_only_tells(loop: Loop) -> None:
    loop.await_line(r"listening on")
    loop.publish("STOP", reasons=["ENDPOINT"])
    loop.await_line(r"STOP: ENDPOINT\n.*stopping is not allowed.*\n.*would pause milling")
    loop.publish("NONSENSE")
    loop.await_line(r"unknown advice 'NONSENSE'")
    assert loop.process.poll() is None
