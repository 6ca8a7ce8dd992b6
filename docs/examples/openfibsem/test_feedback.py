"""Messages to OpenFIBSEM's shapes and back, through OpenFIBSEM's own classes; validity; the guard."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from fibsem.alignment import AlignmentIteration
from fibsem.structures import BeamType

import aimsd_feedback as af
from checks import assert_lossless, assert_valid, image_of
from conftest import random_message

SEEDS = range(200)
SAMPLE = json.loads((Path(__file__).parent / "sample_message.json").read_text())


@pytest.mark.parametrize("metres", [True, False])
def test_a_message_comes_back_unchanged(metres: bool) -> None:
    for seed in SEEDS:
        assert_lossless(random_message(random.Random(seed), metres))


def test_a_message_of_an_unknown_front_comes_back_unchanged() -> None:
    message = random_message(random.Random(1))
    assert_lossless({**message, "drift": None, "geometry": None})
    assert_lossless({**message, "geometry": {**message["geometry"], "eta_s": None}})


def test_the_sample_is_as_the_schema_says() -> None:
    assert_valid(SAMPLE)
    assert_lossless(SAMPLE)


def test_an_unknown_shift_is_refused_and_not_taken_for_none() -> None:
    message = random_message(random.Random(3), metres=False)
    shape = af.alignment_iteration(message)
    assert "shift" not in shape
    with pytest.raises(KeyError):
        AlignmentIteration.from_dict(shape, image_of(message))
    assert af.beam_shift(message) is None


@pytest.mark.parametrize("metres", [True, False])
def test_agreement_is_as_openfibsem_counts_it(metres: bool) -> None:
    for seed in SEEDS:
        message = random_message(random.Random(seed), metres)
        shape = af.alignment_differential(message)
        assert shape["agreement"] == (message["drift"]["max_disagreement_px"] < 2.0)
        assert (shape["consensus_shift"] is None) == (not metres)


def test_beam_is_a_name_of_beam_type() -> None:
    assert set(af.BEAMS) == {beam.name for beam in BeamType}


def test_stats_have_the_names_of_the_signal() -> None:
    from fibsem.milling.strategy import coincidence

    source = Path(coincidence.__file__).read_text()
    for name in af.intensity_stats(SAMPLE):
        assert f'"{name}":' in source, f"OpenFIBSEM no longer emits {name}"
    for name in af.progress(SAMPLE, 0, 0)["progress"]:
        assert f'"{name}":' in source, f"OpenFIBSEM no longer emits {name}"


def test_progress_counts_what_has_gone() -> None:
    message = random_message(random.Random(1))
    message["geometry"]["eta_s"] = 40.0
    assert af.progress(message, start_time=100.0, now=130.0, milling_state="RUNNING") == {
        "progress": {
            "state": "update",
            "start_time": 100.0,
            "milling_state": "RUNNING",
            "estimated_time": 70.0,
            "remaining_time": 40.0,
        }
    }
    message["geometry"] = None
    assert af.progress(message, 100.0, 130.0) is None


@pytest.mark.parametrize(
    "change",
    [
        {"schema": "aims.feedback/2"},
        {"advice": "GO"},
        {"beam": "LASER"},
        {"valid_for_ms": 0},
        {"seq": "7"},
        {"seq": True},
        {"drift": []},
        {"nm_per_px": float("nan")},
        {"geometry": {"eta_s": float("inf")}},
        {"roi": None},
        {"endpoint": None},
    ],
)
def test_what_cannot_be_used_is_refused(change: dict) -> None:
    message = random_message(random.Random(1))
    message.update(change)
    with pytest.raises(ValueError, match="feedback"):
        af.parse(message)
    with pytest.raises(ValueError):
        af.parse(b"{")


def test_time_with_any_number_of_decimals() -> None:
    assert af.unix_time("2026-11-28T10:00:07Z") == 1795860007
    assert af.unix_time("2026-11-28T10:00:07.25Z") == 1795860007.25
    assert af.unix_time("2026-11-28T10:00:07.123456789Z") == pytest.approx(1795860007.123456789)
    for text, ns in (("07Z", 0), ("07.25Z", 250_000_000), ("07.000000012Z", 12)):
        assert af.rfc3339(1795860007_000_000_000 + ns) == f"2026-11-28T10:00:{text}"


def test_validity_counts_from_arrival() -> None:
    message = random_message(random.Random(1))
    message["valid_until"] = "2001-01-01T00:00:00Z"  # the other computer's clock is of no account
    assert af.is_valid(message, arrived_at=50.0, now=52.0)
    assert not af.is_valid(message, arrived_at=50.0, now=52.001)
    assert not af.is_valid(message, arrived_at=50.0, now=49.0)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def numbered(seq: int, advice: str = "CONTINUE", **change: object) -> dict:
    return {**random_message(random.Random(seq)), "seq": seq, "id": f"id-{seq}", "advice": advice, **change}


def test_silence_is_pause() -> None:
    clock = Clock()
    guard = af.Guard(first_within_s=5, clock=clock)
    assert guard.decide().advice == "ABSTAIN"
    clock.now = 5.1
    assert guard.decide().advice == "PAUSE"
    assert guard.take(numbered(1))
    assert guard.decide().advice == "CONTINUE"
    clock.now = 7.1
    assert guard.decide().advice == "CONTINUE"
    clock.now = 7.2
    decision = guard.decide()
    assert decision.advice == "PAUSE" and decision.message is None and "2.1 s" in decision.why
    assert guard.take(numbered(2, "REALIGN"))
    assert guard.decide().advice == "REALIGN"


def test_old_news_renew_nothing() -> None:
    clock = Clock()
    guard = af.Guard(clock=clock)
    assert guard.take(numbered(4))
    assert guard.take(numbered(5, "PAUSE"))
    clock.now = 1.5
    assert not guard.take(numbered(5, "PAUSE")), "delivered again"
    assert not guard.take(numbered(4)), "delivered again, late"
    assert not guard.take(numbered(3)), "overtaken"
    assert not guard.take(numbered(6, historical=True)), "it waited for the broker"
    clock.now = 2.1
    assert guard.decide().message is None
    assert guard.take(numbered(5, "PAUSE", id="heartbeat")), "told again under a new id"
    assert guard.take(numbered(1, run_id="the next run")), "every run counts from 1"
