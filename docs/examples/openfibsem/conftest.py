"""What the tests share: the Demo microscope, scenes with a known displacement, random messages."""

from __future__ import annotations

import math
import os
import random
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ["FIBSEM_SIM_NO_DELAY"] = "1"  # the simulator does not wait as an instrument would
os.environ.setdefault("MPLBACKEND", "Agg")

import numpy as np
import pytest
from fibsem import utils
from fibsem.structures import BeamType, FibsemImage
from scipy.ndimage import gaussian_filter, shift

from aimsd_daemon import loopback

REPOSITORY = Path(__file__).resolve().parents[3]
PIXEL_NM = 97.65625
# The four displacements of the sign tests, in pixels: right, left, down, up.
SHIFTS = {"+x": (14, 0), "-x": (-14, 0), "+y": (0, 9), "-y": (0, -9)}
MOSQUITTO = shutil.which("mosquitto", path=os.environ.get("PATH", "") + ":/usr/sbin")
AIMSD = Path(os.environ.get("AIMSD") or REPOSITORY / "bin" / "aimsd").absolute()
needs_aimsd = pytest.mark.skipif(not AIMSD.exists(), reason=f"{AIMSD} is missing: make build")
needs_broker = pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is missing")


@pytest.fixture()
def microscope() -> Any:
    """A Demo microscope, idle, without beam shift."""
    demo, _ = utils.setup_session(manufacturer="Demo", ip_address="localhost", setup_logging=False)
    return demo


def scene(dx: float, dy: float, seed: int = 1, size: tuple[int, int] = (512, 768)) -> FibsemImage:
    """A textured ion beam image whose content is dx px further right and dy px further down than in scene(0, 0)."""
    margin = 64
    height, width = size
    rng = np.random.default_rng(seed)
    field = gaussian_filter(rng.standard_normal((height + 2 * margin, width + 2 * margin)), 3)
    field = (field - field.min()) / (field.max() - field.min()) * 200 + 20
    whole_x, whole_y = math.floor(dx), math.floor(dy)
    if (whole_x, whole_y) != (dx, dy):
        field = shift(field, (dy - whole_y, dx - whole_x), order=5)  # of so smooth a field right to 0.001 px
    cut = field[margin - whole_y : margin - whole_y + height, margin - whole_x : margin - whole_x + width]
    noise = np.random.default_rng([seed, whole_x + 100, whole_y + 100]).normal(0, 4, size)
    image = FibsemImage.generate_blank_image(resolution=(width, height), hfw=width * PIXEL_NM * 1e-9)
    image.data = np.clip(cut + noise, 0, 255).astype(np.uint8)
    image.metadata.image_settings.beam_type = BeamType.ION
    return image


def random_message(rng: random.Random, metres: bool = True) -> dict[str, Any]:
    """A feedback message with random numbers; without a pixel size the metre fields are absent."""
    pixel_m = rng.uniform(0.5e-9, 500e-9)
    x, y, remaining_px = rng.uniform(-50, 50), rng.uniform(-50, 50), rng.uniform(0, 500)
    drift = {
        "shift_px": {"x": x, "y": y},
        "score": rng.random(),
        "success": rng.random() < 0.8,
        "method": "phase-correlation",
        "max_disagreement_px": rng.choice([0.0, rng.uniform(0, 5), 2.0]),
    }
    geometry: dict[str, Any] = {
        "milled_area_px": rng.uniform(0, 1e6),
        "front_px": rng.uniform(0, 1000),
        "progress": rng.random(),
        "eta_s": rng.uniform(0, 3600),
    }
    if metres:
        drift["shift_m"] = {"x": x * pixel_m, "y": y * pixel_m}
        geometry.update(
            milled_area_m2=geometry["milled_area_px"] * pixel_m**2,
            front_m=geometry["front_px"] * pixel_m,
            remaining_m=remaining_px * pixel_m,
            rate_m_per_s=rng.uniform(0, 1e-6),
        )
    peak = rng.uniform(1, 1e6)
    seq = rng.randrange(1, 1 << 53)
    return {
        "schema": "aims.feedback/1",
        "id": f"id-{rng.random()}",
        "time": "2026-11-28T10:00:07.412Z",
        "site": "lab",
        "instrument": "fib-01",
        "source": "acq",
        "run_id": "run",
        "task_id": "task",
        "stage_name": "rough",
        "beam": rng.choice(["ION", "ELECTRON"]),
        "frame_id": f"frame-{seq}",
        "frame_time": "2026-11-28T10:00:06.95Z",
        "decision_time": "2026-11-28T10:00:07.4Z",
        "valid_until": "2026-11-28T10:00:09.4Z",
        "valid_for_ms": 2000,
        "seq": seq,
        "endpoint": {
            "metric": rng.choice(["progress", "front_nm", "area_um2", "intensity"]),
            "value": rng.choice([None, rng.uniform(0, peak)]),
            "rolling_mean": rng.uniform(0, peak),
            "peak_rolling_mean": peak,
            "threshold_value": 0.6 * peak,
            "drop_fraction": rng.random(),
            "consecutive_count": rng.randrange(12),
            "warmup_complete": rng.random() < 0.5,
            "detected": rng.random() < 0.5,
        },
        "drift": drift,
        "roi": {
            "left": rng.uniform(0, 0.5),
            "top": rng.uniform(0, 0.5),
            "width": rng.uniform(0, 0.5),
            "height": rng.choice([0.5, 0]),
        },
        "geometry": geometry,
        "uncertainty": rng.choice([None, rng.random()]),
        "confidence": rng.choice([None, rng.random()]),
        "nm_per_px": pixel_m * 1e9 if metres else None,
        "image_quality": rng.choice([[], ["low_contrast"]]),
        "advice": rng.choice(["CONTINUE", "PAUSE", "STOP", "REALIGN"]) if metres else "ABSTAIN",
        "reasons": rng.choice([[], ["DRIFT"], ["DRIFT", "BLURRED"]]),
        "text": "",
    }


def free_port() -> int:
    """A TCP port of the loopback that nobody uses now."""
    return int(loopback().rpartition(":")[2])


def await_port(port: int, process: subprocess.Popen, log: Path) -> None:
    """Returns when somebody listens on the port; fails the test when the process ends first."""
    deadline = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"nothing listens on port {port}:\n{log.read_text()}")
            time.sleep(0.1)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """OpenFIBSEM's HTTP server with a Demo microscope, as one starts it by hand, on loopback: its port."""
    port, log = free_port(), tmp_path_factory.mktemp("server") / "log"
    env = {name: value for name, value in os.environ.items() if name != "FIBSEM_SIM_NO_DELAY"}  # milling takes time
    with log.open("wb") as out:
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "fibsem.server.server",
                "--manufacturer",
                "Demo",
                "--host",
                "127.0.0.1",
                "--port",
                str(port),
            ],
            stdout=out,
            stderr=subprocess.STDOUT,
            cwd=log.parent,
            env=env,
        )
    try:
        await_port(port, process, log)
        yield port
    finally:
        process.terminate()
        process.wait(timeout=20)


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A mosquitto of its own on loopback: its port."""
    port, folder = free_port(), tmp_path_factory.mktemp("broker")
    (folder / "conf").write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n")
    with (folder / "log").open("wb") as out:
        process = subprocess.Popen([MOSQUITTO, "-c", str(folder / "conf")], stdout=out, stderr=subprocess.STDOUT)
    try:
        await_port(port, process, folder / "log")
        yield port
    finally:
        process.terminate()
        process.wait(timeout=20)
