"""aimsd's milling feedback, read and turned into the shapes OpenFIBSEM uses, and back.

Needs only the standard library, Python 3.9 or later. No number is changed on the way: what has a counterpart in
OpenFIBSEM (0.5.3) is copied under its name there. Lengths are metres, displacements are of the new frame relative to
the run's reference frame, +x right and +y down, as in fibsem.alignment.methods.
"""

from __future__ import annotations

import json
import math
import time
from collections import deque
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Callable, Optional, Union

SCHEMA = "aims.feedback/1"
ADVICE = ("CONTINUE", "PAUSE", "STOP", "REALIGN", "ABSTAIN")
BEAMS = ("ELECTRON", "ION")  # the names of fibsem.structures.BeamType

# fibsem.alignment.compare_alignment_methods calls methods less than this apart, in pixels, an agreement.
AGREEMENT_PX = 2.0

Message = dict[str, Any]  # one feedback message, exactly as it came
Shape = dict[str, Any]  # what a to_dict() of OpenFIBSEM returns

# Fields that make a message unusable when they are missing or of another type.
_REQUIRED: dict[str, tuple[type, ...]] = {
    "id": (str,),
    "run_id": (str,),
    "frame_id": (str,),
    "seq": (int,),
    "valid_for_ms": (int, float),
    "beam": (str,),
    "advice": (str,),
    "reasons": (list,),
    "text": (str,),
    "roi": (dict,),
    "endpoint": (dict,),
}
# endpoint's names: ours, and those of CoincidenceMillingStrategy.intensity_stats_signal.
_STATS = {
    "value": "value",
    "rolling_mean": "rolling_mean",
    "peak_rolling_mean": "peak_rolling_mean",
    "threshold_value": "threshold_value",
    "drop_fraction": "drop_fraction",
    "consecutive_count": "consecutive_count",
    "warmup_complete": "warmup_complete",
    "detected": "drop_detected",
}
_ROI = ("left", "top", "width", "height")


def parse(raw: Union[str, bytes, Message]) -> Message:
    """Returns the message that raw (JSON, or already a dict) holds, unchanged.

    Raises ValueError, which a controller treats as no message at all: unknown schema, advice or beam, a missing
    field, a number that is not finite.
    """
    message = raw if isinstance(raw, dict) else json.loads(raw)
    if not isinstance(message, dict):
        raise ValueError("feedback: not a JSON object")
    if message.get("schema") != SCHEMA:
        raise ValueError(f"feedback: schema {message.get('schema')!r}, this program knows {SCHEMA}")
    for name, types in _REQUIRED.items():
        value = message.get(name)
        if not isinstance(value, types) or isinstance(value, bool):
            raise ValueError(f"feedback: {name} is {value!r}")
    for name in ("drift", "geometry"):
        if not isinstance(message.get(name), (dict, type(None))):
            raise ValueError(f"feedback: {name} is {message[name]!r}")
    if message["advice"] not in ADVICE:
        raise ValueError(f"feedback: unknown advice {message['advice']!r}")
    if message["beam"] not in BEAMS:
        raise ValueError(f"feedback: unknown beam {message['beam']!r}")
    if message["valid_for_ms"] <= 0:
        raise ValueError("feedback: valid_for_ms is not above 0")
    _finite("feedback", message)
    return message


def _finite(path: str, value: Any) -> None:
    """Raises ValueError when a number somewhere in value is infinite or not a number."""
    if isinstance(value, dict):
        for name, inner in value.items():
            _finite(f"{path}.{name}", inner)
    elif isinstance(value, list):
        for inner in value:
            _finite(path, inner)
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{path} is {value}")


# Drift: fibsem.alignment.AlignmentIteration and AlignmentDifferential.


def alignment_iteration(message: Message) -> Optional[Shape]:
    """AlignmentIteration.to_dict() of the drift; None when the message has none.

    Without a pixel size there is no "shift": AlignmentIteration.from_dict refuses such a dict, rather than taking an
    unknown shift for none.
    """
    drift = message.get("drift")
    if drift is None:
        return None
    shape: Shape = {"shift": dict(drift["shift_m"])} if "shift_m" in drift else {}
    shape.update(
        score=drift["score"], shift_px=dict(drift["shift_px"]), success=drift["success"], method=drift["method"]
    )
    return shape


def alignment_differential(message: Message, agreement_px: float = AGREEMENT_PX) -> Optional[Shape]:
    """AlignmentDifferential.to_dict() of the drift; None when the message has none.

    aimsd sends one consensus displacement and how far apart, in pixels, the estimates behind it were.
    """
    drift = message.get("drift")
    if drift is None:
        return None
    return {
        "shifts_px": {drift["method"]: dict(drift["shift_px"])},
        "max_disagreement_px": drift["max_disagreement_px"],
        "agreement": drift["max_disagreement_px"] < agreement_px,
        "consensus_shift": dict(drift["shift_m"]) if "shift_m" in drift else None,
    }


def drift_of(iteration: Shape, differential: Shape) -> dict[str, Any]:
    """The message's drift again, from the two dicts above."""
    drift: dict[str, Any] = {"shift_m": dict(iteration["shift"])} if "shift" in iteration else {}
    drift.update(
        shift_px=dict(iteration["shift_px"]),
        score=iteration["score"],
        success=iteration["success"],
        method=iteration["method"],
        max_disagreement_px=differential["max_disagreement_px"],
    )
    return drift


def beam_shift(message: Message) -> Optional[tuple[float, float]]:
    """Arguments dx, dy in metres of microscope.beam_shift(dx, dy, beam) that undo the drift.

    As fibsem.alignment._apply_shift does: x is negated, y is not, for images count y down and the beam counts it up.
    None when there is no trustworthy shift in metres.
    """
    drift = message.get("drift")
    if drift is None or not drift["success"] or "shift_m" not in drift:
        return None
    return -drift["shift_m"]["x"], drift["shift_m"]["y"]


# Region, end point, progress.


def rectangle(message: Message) -> Shape:
    """FibsemRectangle.to_dict() of the region that was looked at, fractions of the frame, 0..1."""
    return {name: message["roi"][name] for name in _ROI}


def roi_of(shape: Shape) -> dict[str, float]:
    """The message's roi, from FibsemRectangle.to_dict()."""
    return {name: shape[name] for name in _ROI}


def intensity_stats(message: Message) -> Shape:
    """What CoincidenceMillingStrategy.intensity_stats_signal emits, from the end point; None: not known yet."""
    return {theirs: message["endpoint"][ours] for ours, theirs in _STATS.items()}


def endpoint_of(metric: str, stats: Shape) -> dict[str, Any]:
    """The message's endpoint, from the signal's dict and the metric's name, which the signal lacks."""
    return {"metric": metric, **{ours: stats[theirs] for ours, theirs in _STATS.items()}}


def progress(message: Message, start_time: float, now: float, milling_state: str = "UNKNOWN") -> Optional[Shape]:
    """What microscope.milling_progress_signal emits; None when no remaining time is known.

    start_time and now are in seconds of time.time() on the controller's clock; the milling state is the controller's
    to know. remaining_time is the message's eta_s, and estimated_time what has gone plus that.
    """
    eta_s = (message.get("geometry") or {}).get("eta_s")
    if eta_s is None:
        return None
    return {
        "progress": {
            "state": "update",
            "start_time": start_time,
            "milling_state": milling_state,
            "estimated_time": now - start_time + eta_s,
            "remaining_time": eta_s,
        }
    }


def eta_s_of(shape: Shape) -> float:
    """The message's geometry.eta_s, from the progress dict."""
    return float(shape["progress"]["remaining_time"])


# Time and validity.


def unix_time(rfc3339: str) -> float:
    """Seconds since 1970 of a time such as 2026-11-28T10:00:07.412Z, with any number of decimals."""
    whole, _, fraction = rfc3339.rstrip("Z").partition(".")
    seconds = datetime.fromisoformat(whole).replace(tzinfo=timezone.utc).timestamp()
    return seconds + (float("0." + fraction) if fraction else 0.0)


def rfc3339(unix_ns: int) -> str:
    """The time of nanoseconds since 1970 as aimsd writes it: UTC, no more decimals than there are."""
    seconds, ns = divmod(unix_ns, 1_000_000_000)
    fraction = f".{ns:09}".rstrip("0") if ns else ""
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S") + fraction + "Z"


def is_valid(message: Message, arrived_at: float, now: Optional[float] = None) -> bool:
    """Whether the message still holds: valid_for_ms counted from its arrival.

    Both times are seconds of time.monotonic(). valid_until is for people and logs: the clocks of two computers differ.
    """
    now = time.monotonic() if now is None else now
    return bool(0 <= now - arrived_at <= message["valid_for_ms"] / 1000)


@dataclass(frozen=True)
class Decision:
    """What holds now, why, and the message it comes from (None when the guard decided)."""

    advice: str
    why: str
    message: Optional[Message] = None


class Guard:
    """Keeps the newest valid message of one instrument and source; silence is PAUSE.

    take and decide may be called from different threads: what they share is one tuple, replaced as a whole.
    """

    def __init__(self, first_within_s: float = 30.0, clock: Callable[[], float] = time.monotonic) -> None:
        """first_within_s: how long the first message may take; until then the decision is ABSTAIN."""
        self._clock = clock
        self._first_within_s = first_within_s
        self._started = clock()
        self._latest: Optional[tuple[Message, float]] = None
        self._seq: dict[str, int] = {}  # highest seq taken, per run
        self._ids: deque[str] = deque(maxlen=256)  # the latest ids taken

    def take(self, message: Message, arrived_at: Optional[float] = None) -> bool:
        """Takes a parsed message; False, and nothing is renewed, when it is no news.

        No news: one delivered again, one that a newer one of its run has overtaken, one marked historical because it
        waited for the broker.
        """
        run, seq = message["run_id"], message["seq"]
        if message.get("historical") or message["id"] in self._ids or seq < self._seq.get(run, 0):
            return False
        self._ids.append(message["id"])
        self._seq[run] = seq
        self._latest = (message, self._clock() if arrived_at is None else arrived_at)
        return True

    def decide(self) -> Decision:
        """What holds now."""
        now = self._clock()
        latest = self._latest
        if latest is None:
            waited = now - self._started
            if waited <= self._first_within_s:
                return Decision("ABSTAIN", "no message yet")
            return Decision("PAUSE", f"no message in the first {waited:.1f} s")
        message, arrived_at = latest
        if not is_valid(message, arrived_at, now):
            return Decision(
                "PAUSE",
                f"no message for {now - arrived_at:.1f} s, "
                f"the last one was valid for {message['valid_for_ms'] / 1000:.1f} s",
            )
        why = ", ".join(message["reasons"]) or message["text"]
        return Decision(message["advice"], why, message)
