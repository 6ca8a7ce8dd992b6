"""OpenFIBSEM's HTTP server, the verbs a controller uses: the table in docs/openfibsem.md, line by line."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

OK: dict[str, Any] = {"status": "ok"}


def call(port: int, method: str, path: str, **kwargs: Any) -> tuple[int, Any]:
    answer = requests.request(method, f"http://127.0.0.1:{port}{path}", timeout=10, **kwargs)
    return answer.status_code, answer.json()


def state(port: int) -> str:
    status, body = call(port, "GET", "/milling_state")
    assert status == 200 and list(body) == ["state"]
    return body["state"]


# What the Demo microscope does in each state: verb, state before, state after. Every answer is 200 {"status":"ok"}.
TRANSITIONS = [
    ("start_milling", "IDLE", "RUNNING"),
    ("start_milling", "RUNNING", "RUNNING"),
    ("start_milling", "PAUSED", "PAUSED"),
    ("pause_milling", "IDLE", "PAUSED"),
    ("pause_milling", "RUNNING", "PAUSED"),
    ("pause_milling", "PAUSED", "PAUSED"),
    ("resume_milling", "IDLE", "RUNNING"),
    ("resume_milling", "RUNNING", "RUNNING"),
    ("resume_milling", "PAUSED", "RUNNING"),
    ("stop_milling", "IDLE", "IDLE"),
    ("stop_milling", "RUNNING", "IDLE"),
    ("stop_milling", "PAUSED", "IDLE"),
]
REACH = {
    "IDLE": ["stop_milling"],
    "RUNNING": ["stop_milling", "start_milling"],
    "PAUSED": ["stop_milling", "start_milling", "pause_milling"],
}


@pytest.mark.parametrize("verb, before, after", TRANSITIONS)
def test_milling_verbs(server: int, verb: str, before: str, after: str) -> None:
    for step in REACH[before]:
        assert call(server, "POST", f"/{step}") == (200, OK)
    assert state(server) == before
    assert call(server, "POST", f"/{verb}") == (200, OK)
    assert state(server) == after


def test_health(server: int) -> None:
    assert call(server, "GET", "/health") == (200, {"status": "ok", "manufacturer": "DemoMicroscope"})


def test_a_body_is_not_needed_and_not_looked_at(server: int) -> None:
    assert call(server, "POST", "/stop_milling", json={"id": "anything"}) == (200, OK)
    assert call(server, "POST", "/stop_milling", data=b"{") == (200, OK)


def test_mistakes(server: int) -> None:
    assert call(server, "GET", "/pause_milling") == (405, {"detail": "Method Not Allowed"})
    assert call(server, "POST", "/milling_state") == (405, {"detail": "Method Not Allowed"})
    assert call(server, "POST", "/pause") == (404, {"detail": "Not Found"})
    assert call(server, "POST", "/beam_shift/get", json={"beam_type": "LASER"}) == (
        422,
        {"detail": "Unknown beam_type: 'LASER'. Use 'ELECTRON' or 'ION'."},
    )


def test_a_fault_of_the_microscope_is_500_and_not_json(server: int) -> None:
    # The Demo microscope has no last electron image yet, and says so by an exception.
    answer = requests.post(f"http://127.0.0.1:{server}/last_image", json={"beam_type": "ELECTRON"}, timeout=10)
    assert (answer.status_code, answer.text) == (500, "Internal Server Error")


def test_a_running_pattern_is_paused_and_stopped_from_beside(server: int) -> None:
    rectangle = {"type": "Rectangle", "width": 1e-5, "height": 5e-6, "depth": 1e-6, "centre_x": 0, "centre_y": 0}
    assert call(server, "POST", "/draw_patterns", json={"patterns": [rectangle]}) == (200, OK)
    assert call(server, "GET", "/estimate_milling_time") == (200, {"seconds": 5})
    with ThreadPoolExecutor() as pool:
        # It answers when the pattern is done, 5 s later, or stopped.
        run = pool.submit(call, server, "POST", "/run_milling", json={"milling_current": 2e-11, "milling_voltage": 3e4})
        wait_for(server, "RUNNING")
        for verb, after in (("pause_milling", "PAUSED"), ("resume_milling", "RUNNING"), ("stop_milling", "IDLE")):
            assert call(server, "POST", f"/{verb}") == (200, OK)
            assert state(server) == after
        assert run.result(timeout=10) == (200, OK), "a stopped pattern looks like a finished one"


def wait_for(port: int, wanted: str) -> None:
    deadline = time.monotonic() + 10
    while state(port) != wanted:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_there_is_no_authentication(server: int) -> None:
    assert call(server, "POST", "/stop_milling", headers={"Authorization": "Bearer wrong"}) == (200, OK)


def test_the_default_address_is_every_interface() -> None:
    import inspect

    from fibsem.server.server import FibsemServer

    assert inspect.signature(FibsemServer.from_session).parameters["host"].default == "0.0.0.0"
