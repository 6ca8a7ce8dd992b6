"""A closed loop without an instrument: aimsd simulate mills, aimsd run watches, is armed, and pauses the milling.

    python closed_loop.py --aimsd bin/aimsd
    python closed_loop.py --aimsd bin/aimsd --server 127.0.0.1:8001

With --server it is OpenFIBSEM's server, with its Demo microscope, that is started and paused; the frames are still the
simulated ones. It ends with 0 when milling was paused within two frames of the true end-point.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import queue
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Optional

from aimsd_daemon import Daemon, loopback
from aimsd_feedback import Message
from aimsd_link import Arming, GrpcFeedback

SOURCE = "fib"
SIZE = "512x512"  # px
SEED, RATE_HZ = 19, 0.6  # a short run, so slow that two busy processor cores keep up
LEASE_S = 600.0
WITHIN = 2  # frames from the end-point
FRAMES_BEYOND = 12  # that are taken beyond the end-point, if nobody pauses
MESSAGES_AFTER = 2  # that are waited for after the pause


@dataclass
class Outcome:
    """What became of a run. Frames count from 1."""

    endpoint: int  # first frame with everything milled, when milling goes on
    last_milled: Optional[int] = None  # last frame before which the beam was on; None: it was never paused
    messages: list[Message] = field(default_factory=list)

    @property
    def good(self) -> bool:
        return self.last_milled is not None and abs(self.last_milled - self.endpoint) <= WITHIN


def ask(address: str, path: str, method: str = "GET") -> Any:
    """One request of a milling control: OpenFIBSEM's server, or aimsd simulate --control."""
    request = urllib.request.Request(f"http://{address}{path}", method=method)
    with urllib.request.urlopen(request, timeout=5) as answer:
        return json.load(answer)


def simulate(aimsd: Path, folder: Path, seed: int) -> list[str]:
    """The command that mills a seed's run."""
    return [str(aimsd), "simulate", "-o", str(folder), "--scene", "milling", "--size", SIZE, "--seed", str(seed)]


def plan(aimsd: Path, folder: Path, seed: int) -> Any:
    """Where the simulated run of a seed mills, and its end-point: the truth of its first frame."""
    subprocess.run([*simulate(aimsd, folder, seed), "--frames", "1"], check=True, capture_output=True)
    (truth,) = (folder / "truth").glob("*.json")
    return json.loads(truth.read_text())["milling"]


@contextlib.contextmanager
def simulated(
    aimsd: Path, folder: Path, seed: int, frames: int, rate_hz: float, control: Optional[str]
) -> Iterator[subprocess.Popen]:
    """A running aimsd simulate; its frames come into folder/frames."""
    command = [*simulate(aimsd, folder, seed), "--frames", str(frames), "--rate", str(rate_hz)]
    if control:
        command += ["--control", control]
    with (folder / "simulate.log").open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(timeout=20)


def configuration(frames: Path, milling: Any, controller: str) -> dict[str, Any]:
    """What aimsd run is told: the folder, what is milled there, and who can pause it."""
    return {
        # latest: advice on a frame that is not the newest comes too late. The frames are renamed when they are whole.
        "sources": [
            {"name": SOURCE, "type": "folder", "path": str(frames), "policy": "latest", "settle": "50ms"},
        ],
        "milling": [
            {
                "source": SOURCE,
                "roi": milling["pattern"],
                "scan_direction": milling["scan_direction"],
                "act": {"controller": "openfibsem", "url": f"http://{controller}"},
            }
        ],
    }


def run(
    aimsd: Path,
    folder: Path,
    say: Callable[[str], None],
    server: Optional[str] = None,
    seed: int = SEED,
    rate_hz: float = RATE_HZ,
) -> Outcome:
    """One run, with its files in folder, which is empty; the server is left as it is then.

    say gets a line for each thing that happens.
    """
    milling = plan(aimsd, folder / "plan", seed)
    outcome = Outcome(milling["endpoint_index"])
    sim, control = folder / "sim", server or loopback()
    (sim / "frames").mkdir(parents=True)
    inbox: queue.Queue[Message] = queue.Queue()
    with contextlib.ExitStack() as stack:
        daemon = stack.enter_context(Daemon(aimsd, folder, **configuration(sim / "frames", milling, control)))
        arming = Arming(daemon.grpc)
        stack.callback(arming.close)
        feedback = GrpcFeedback(daemon.grpc, lambda message, _: inbox.put(message), say, SOURCE)
        stack.callback(feedback.close)
        if server:
            start_demo(server)
        frames = outcome.endpoint + FRAMES_BEYOND
        process = stack.enter_context(simulated(aimsd, sim, seed, frames, rate_hz, None if server else control))
        after = 0
        while process.poll() is None and after < MESSAGES_AFTER:
            try:
                message = inbox.get(timeout=0.1)
            except queue.Empty:
                message = None
            if message:
                say(f"frame {message['seq']}: {message['advice']} {' '.join(message['reasons'])}: {message['text']}")
                outcome.messages.append(message)
                after += outcome.last_milled is not None
                if len(outcome.messages) == 1:
                    state = arming.arm(SOURCE, message["run_id"], LEASE_S, by="closed_loop.py")
                    say(f"armed: {state['armed']}, run {state['run_id']}, {state['lease_left_ms'] / 1000:.0f} s")
            if outcome.messages and outcome.last_milled is None and ask(control, "/milling_state")["state"] == "PAUSED":
                outcome.last_milled = last_milled(sim, server is None)
                say(f"paused after frame {outcome.last_milled}, the end-point is frame {outcome.endpoint}")
        if arming.disarm(SOURCE, by="closed_loop.py")["armed"]:
            raise RuntimeError("aimsd is still armed")
    return outcome


def last_milled(sim: Path, controlled: bool) -> int:
    """The last frame before which the beam was on: as the simulator noted, or the newest one now."""
    if not controlled:
        return len(list((sim / "frames").glob("*.tif")))
    verbs = [json.loads(line) for line in (sim / "truth" / "control.jsonl").read_text().splitlines()]
    return next(v["index"] for v in verbs if v["state"] == "PAUSED") - 1


def start_demo(server: str) -> None:
    """Starts the milling of a Demo microscope that is idle; refuses any other."""
    maker, state = ask(server, "/health")["manufacturer"], ask(server, "/milling_state")["state"]
    if maker != "DemoMicroscope" or state != "IDLE":
        raise RuntimeError(f"{server} is {maker}, {state}: this trial is for a DemoMicroscope that is IDLE")
    ask(server, "/start_milling", "POST")


def main(argv: Optional[list[str]] = None) -> int:
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--aimsd", type=Path, required=True, help="the program")
    p.add_argument("--server", metavar="HOST:PORT", help="OpenFIBSEM's server with a Demo microscope, to be paused")
    p.add_argument("--seed", type=int, default=SEED, help=f"of the simulated run ({SEED})")
    p.add_argument("--rate", type=float, default=RATE_HZ, metavar="HZ", help=f"frames per second ({RATE_HZ})")
    args = p.parse_args(argv)
    started = time.monotonic()

    def say(line: str) -> None:
        print(f"{time.monotonic() - started:7.2f} s  {line}", flush=True)

    with tempfile.TemporaryDirectory(prefix="aimsd-loop-") as folder:
        outcome = run(args.aimsd.resolve(), Path(folder), say, args.server, args.seed, args.rate)
        if args.server:
            ask(args.server, "/stop_milling", "POST")
    say("within two frames of the end-point" if outcome.good else "NOT within two frames of the end-point")
    return 0 if outcome.good else 1


if __name__ == "__main__":
    sys.exit(main())
