"""Starts aimsd run with a configuration of its own, for trials; needs only the standard library."""

from __future__ import annotations

import json
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

START_S = 60.0  # longest that aimsd may take to get ready
STOP_S = 60.0  # and to stop


def loopback() -> str:
    """HOST:PORT of this computer's loopback that nobody uses now."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{s.getsockname()[1]}"


class Daemon:
    """A running aimsd (a context manager); grpc is its address, log what it says."""

    def __init__(self, program: Path, folder: Path, **config: Any) -> None:
        """config: what stands in the configuration, besides what every trial has; folder takes aimsd's files."""
        self.grpc, self.log = loopback(), folder / "aimsd.log"
        self._program, self._folder, self._http = program, folder, loopback()
        self._config = {
            "site": "lab",
            "instrument": "fib-01",
            "data_dir": "data",
            "grpc": {"listen": self.grpc},
            "http": {"listen": self._http},
            **config,
        }

    def __enter__(self) -> Daemon:
        (self._folder / "aimsd.yaml").write_text(json.dumps(self._config, indent=1))  # JSON is YAML
        with self.log.open("wb") as out:
            self._process = subprocess.Popen(
                [self._program, "run", "-c", "aimsd.yaml"], cwd=self._folder, stdout=out, stderr=subprocess.STDOUT
            )
        try:
            self._await_ready()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(timeout=STOP_S)

    def _await_ready(self) -> None:
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                with urllib.request.urlopen(f"http://{self._http}/readyz", timeout=2):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
        raise RuntimeError(f"aimsd does not get ready:\n{self.log.read_text()}")
