"""A milling loop with OpenFIBSEM that takes aimsd's advice: frames out, feedback in, actions only with --act.

    python milling_loop.py --folder /data/acq --mqtt 127.0.0.1:1883 --site lab --instrument fib-01
    python milling_loop.py --push 127.0.0.1:7443 --watch 127.0.0.1:7443 --images frames/ --act

docs/openfibsem.md has the rest: set-up, signs, safety.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable, Optional

from fibsem import utils
from fibsem.server.client import FibsemClient
from fibsem.structures import (
    BeamType,
    FibsemMillingSettings,
    FibsemRectangleSettings,
    MillingState,
)

from aimsd_feedback import Guard, progress
from aimsd_link import GrpcFeedback, MqttFeedback, Pusher, save
from controller import Controller

TICK_S = 0.1  # between two looks at what holds


def demo(images: Optional[Path]) -> Any:
    """OpenFIBSEM's Demo microscope; its ion images are those in the folder, in the order of their names."""
    microscope, _ = utils.setup_session(manufacturer="Demo", ip_address="localhost", setup_logging=False)
    if images is not None:
        microscope.system.sim.update(sem=str(images), fib=str(images))
        microscope._setup_image_iterators()  # what the constructor does with a configuration file that names them
    return microscope


@contextlib.contextmanager
def milling(microscope: Any) -> Iterator[None]:
    """Mills one rectangle, and leaves the microscope as it was: idle, beam shift, current and voltage restored."""
    beam = BeamType.ION
    shift, current, voltage = (
        microscope.get_beam_shift(beam),
        microscope.get_beam_current(beam),
        microscope.get_beam_voltage(beam),
    )
    try:
        microscope.setup_milling(FibsemMillingSettings())
        microscope.draw_patterns(
            [FibsemRectangleSettings(width=10e-6, height=5e-6, depth=1e-6, centre_x=0, centre_y=0)]
        )
        microscope.start_milling()
        yield
    finally:
        microscope.stop_milling()
        microscope.finish_milling(imaging_current=current, imaging_voltage=voltage)
        microscope.set_beam_shift(shift, beam)


class Feeder(threading.Thread):
    """Acquires ion beam images and hands them over, until it has made its number or is told to end."""

    def __init__(
        self,
        acquire: Callable[[], Any],
        hand_over: Callable[[Any, int], None],
        frames: int,
        every_s: float,
        say: Callable[[str], None],
    ) -> None:
        super().__init__(name="feeder", daemon=True)
        self._acquire, self._hand_over, self._frames, self._every_s = acquire, hand_over, frames, every_s
        self._say, self._end = say, threading.Event()

    def run(self) -> None:
        for n in range(1, self._frames + 1):
            try:
                self._hand_over(self._acquire(), n)
            except Exception as err:  # a frame that is not handed over is missed by the guard
                self._say(f"frame {n}: {err}")
            if self._end.wait(self._every_s):
                return

    def end(self) -> None:
        self._end.set()
        self.join(timeout=60)


def arguments(argv: Optional[list[str]] = None) -> argparse.Namespace:
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument(
        "--server", metavar="HOST:PORT", help="a FibsemServer; without it the Demo microscope is started here"
    )
    p.add_argument(
        "--images", type=Path, metavar="DIR", help="TIFFs that the Demo microscope shows, one after the other"
    )
    out = p.add_mutually_exclusive_group(required=True)
    out.add_argument("--folder", type=Path, help="the folder that aimsd watches")
    out.add_argument("--push", metavar="HOST:PORT", help="aimsd's gRPC address: push the frames")
    back = p.add_mutually_exclusive_group(required=True)
    back.add_argument("--mqtt", metavar="HOST:PORT", help="the broker: listen there")
    back.add_argument("--watch", metavar="HOST:PORT", help="aimsd's gRPC address: listen there")
    p.add_argument("--site", default="lab", help="as in aimsd's configuration")
    p.add_argument("--instrument", default="instrument", help="as in aimsd's configuration")
    p.add_argument("--source", default="", help="aimsd's source; with --push the name the frames are sent under")
    p.add_argument("--frames", type=int, default=100, help="images to acquire (100)")
    p.add_argument("--every", type=float, default=1.0, metavar="S", help="seconds between images (1)")
    p.add_argument(
        "--first-within", type=float, default=30.0, metavar="S", help="pause when no message came by then (30)"
    )
    p.add_argument("--act", action="store_true", help="carry the advice out; without it, it is only told")
    p.add_argument("--allow-stop", action="store_true", help="with --act: STOP stops; without it, STOP pauses")
    p.add_argument("--max-shift-um", type=float, default=1.0, help="refuse larger corrections (1)")
    return p.parse_args(argv)


def main(argv: Optional[list[str]] = None) -> int:
    args = arguments(argv)
    started = time.time()

    def say(line: str) -> None:
        print(f"{time.time() - started:7.2f} s  {line}", flush=True)

    guard = Guard(first_within_s=args.first_within)

    def take(message: dict[str, Any], arrived_at: float) -> None:
        if not args.source or message["source"] == args.source:
            guard.take(message, arrived_at)

    with contextlib.ExitStack() as stack:
        if args.mqtt:
            host, port = split(args.mqtt)
            feedback: Any = MqttFeedback(host, port, args.site, args.instrument, take, say)
        else:
            feedback = GrpcFeedback(args.watch, take, say, args.source)
        stack.callback(feedback.close)

        if args.server:
            microscope: Any = FibsemClient(*split(args.server))
        else:
            microscope = demo(args.images)
            stack.enter_context(milling(microscope))
        feeder = Feeder(
            lambda: microscope.acquire_image(beam_type=BeamType.ION),
            sender(args, stack, say),
            args.frames,
            args.every,
            say,
        )
        stack.callback(feeder.end)
        controller = Controller(
            microscope, say, act=args.act, allow_stop=args.allow_stop, max_shift_m=args.max_shift_um * 1e-6
        )
        feeder.start()
        loop(microscope, guard, controller, feeder, started, say)
    return 0


def split(address: str) -> tuple[str, int]:
    """host and port of HOST:PORT."""
    host, _, port = address.rpartition(":")
    return host, int(port)


def sender(
    args: argparse.Namespace, stack: contextlib.ExitStack, say: Callable[[str], None]
) -> Callable[[Any, int], None]:
    """How frames reach aimsd: a function of an image and its number."""
    session = uuid.uuid4().hex[:8]
    if args.folder is not None:
        return lambda image, n: say(f"frame {n}: {save(image, args.folder, f'ion-{session}-{n:06d}').name}")
    pusher = Pusher(args.push, source=args.source)
    stack.callback(pusher.close)

    def push(image: Any, n: int) -> None:
        answer = pusher.push(
            image, uid=f"{session}-{n:06d}", seq=n, run_id=f"openfibsem-{session}", end_of_run=n == args.frames
        )
        say(f"frame {n}: {pusher.state(answer)} {answer.reason}".rstrip())

    return push


def loop(
    microscope: Any, guard: Guard, controller: Controller, feeder: Feeder, started: float, say: Callable[[str], None]
) -> None:
    """Acts on what holds, until there are no more frames or the milling has ended."""
    shown = -1.0
    while feeder.is_alive():
        decision = guard.decide()
        controller.handle(decision)
        state = microscope.get_milling_state()
        if state is MillingState.IDLE:
            say("milling has ended")
            return
        if decision.message is not None:
            update = progress(decision.message, started, time.time(), state.name)
            if update is not None and update["progress"]["remaining_time"] != shown:
                shown = update["progress"]["remaining_time"]
                if hasattr(microscope, "milling_progress_signal"):
                    microscope.milling_progress_signal.emit(update)
                say(f"  {shown:.0f} s remain")
        time.sleep(TICK_S)


if __name__ == "__main__":
    sys.exit(main())
