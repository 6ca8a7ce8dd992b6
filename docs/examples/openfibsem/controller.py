"""What a controller does on aimsd's advice, with an OpenFIBSEM microscope or a FibsemClient of one."""

from __future__ import annotations

import time
from typing import Any, Callable, Optional

from fibsem.structures import BeamType, MillingState, Point

from aimsd_feedback import Decision, Message, beam_shift, unix_time


def shift_beam(microscope: Any, dx: float, dy: float, beam: BeamType) -> None:
    """Adds dx, dy in metres to the beam shift; FibsemClient has no beam_shift, only its value."""
    if hasattr(microscope, "beam_shift"):
        microscope.beam_shift(dx, dy, beam)
        return
    now = microscope.get_beam_shift(beam)
    microscope.set_beam_shift(Point(now.x + dx, now.y + dy), beam)


class Controller:
    """Carries out decisions, each message at most once. It never resumes milling: that is the operator's.

    act: without it nothing is done, only told. allow_stop: without it STOP pauses. max_shift_m: a larger correction is
    refused. say gets one line for each thing done or refused.
    """

    def __init__(
        self,
        microscope: Any,
        say: Callable[[str], None],
        act: bool = False,
        allow_stop: bool = False,
        max_shift_m: float = 1e-6,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._microscope, self._say, self._clock = microscope, say, clock
        self._act, self._allow_stop, self._max_shift_m = act, allow_stop, max_shift_m
        # time.time() of the last beam shift. A frame from before this program may show what another has corrected.
        self._corrected_at = clock()
        self._told: Optional[tuple[str, str]] = None

    def handle(self, decision: Decision) -> None:
        """Tells a decision when it changes, and carries it out when it asks for something not done yet."""
        key = (decision.advice, decision.message["id"] if decision.message else "")
        if key == self._told:
            return
        self._say(f"{decision.advice}: {decision.why}")
        try:
            if decision.advice == "PAUSE":
                self._pause()
            elif decision.advice == "STOP":
                self._stop()
            elif decision.advice == "REALIGN" and decision.message is not None:
                self._realign(decision.message)
        except Exception as err:  # the microscope did not answer: said, and tried again at the next look
            self._say(f"  failed: {err}")
            return
        self._told = key

    def _do(self, what: str) -> bool:
        self._say(f"  {what}" if self._act else f"  would {what} (without --act nothing is done)")
        return self._act

    def _pause(self) -> None:
        # Asked first: the Demo microscope and the HTTP server pause what does not mill, too.
        if self._microscope.get_milling_state() is MillingState.RUNNING and self._do("pause milling"):
            self._microscope.pause_milling()

    def _stop(self) -> None:
        if not self._allow_stop:
            self._say("  stopping is not allowed (--allow-stop): pausing instead")
            self._pause()
        elif self._microscope.get_milling_state() is not MillingState.IDLE and self._do("stop milling"):
            self._microscope.stop_milling()

    def _realign(self, message: Message) -> None:
        shift = beam_shift(message)
        if shift is None:
            self._say("  no trustworthy shift in metres: nothing to do")
            return
        dx, dy = shift
        if max(abs(dx), abs(dy)) > self._max_shift_m:
            self._say(f"  {dx * 1e9:.1f}, {dy * 1e9:.1f} nm is beyond --max-shift-um: refused")
            return
        # A frame taken before the last correction shows the drift that was corrected.
        if unix_time(message["frame_time"]) <= self._corrected_at:
            self._say("  the frame is older than the last correction: nothing to do")
            return
        if self._do(f"shift the {message['beam']} beam by {dx * 1e9:+.1f}, {dy * 1e9:+.1f} nm"):
            self._corrected_at = self._clock()  # first: a shift whose answer got lost is not made twice
            shift_beam(self._microscope, dx, dy, BeamType[message["beam"]])
