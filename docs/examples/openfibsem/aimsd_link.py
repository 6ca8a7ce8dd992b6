"""The ways between a controller and aimsd: frames by folder or gRPC, feedback by MQTT or gRPC.

Needs paho-mqtt for MqttFeedback, grpcio, grpcio-tools and numpy for what speaks gRPC. The gRPC code is generated from
proto/aims/v1/aims.proto into a temporary folder when it is needed; nothing of it is kept.
"""

from __future__ import annotations

import importlib
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, Callable, Optional

import aimsd_feedback

CHUNK = 1 << 20  # bytes of a frame in one gRPC message
RETRY_S = 1.0  # between attempts to reach aimsd again

Handler = Callable[[aimsd_feedback.Message, float], None]  # a parsed message, and its arrival by time.monotonic()
Report = Callable[[str], None]  # one line for people: what is listened to, what was unusable


def proto_file() -> Path:
    """The contract in this repository."""
    return Path(__file__).resolve().parents[3] / "proto" / "aims" / "v1" / "aims.proto"


def stubs(proto: Optional[Path] = None) -> tuple[ModuleType, ModuleType]:
    """aims_pb2 and aims_pb2_grpc, generated from proto with grpcio-tools."""
    from grpc_tools import protoc

    proto = proto or proto_file()
    with tempfile.TemporaryDirectory(prefix="aimsd-stubs-") as out:
        if protoc.main(["", f"-I{proto.parent}", f"--python_out={out}", f"--grpc_python_out={out}", proto.name]) != 0:
            raise RuntimeError(f"no gRPC code could be made from {proto}")
        sys.path.insert(0, out)
        try:
            return importlib.import_module("aims_pb2"), importlib.import_module("aims_pb2_grpc")
        finally:
            sys.path.remove(out)


def save(image: Any, folder: Path, name: str) -> Path:
    """Writes a FibsemImage as folder/name.tif, whole from its first moment there: under another name, then renamed.

    FibsemImage.save makes every suffix .tif, so the other name is in a hidden folder of the same disk, which aimsd
    does not look into.
    """
    hidden = folder / ".writing"
    hidden.mkdir(parents=True, exist_ok=True)
    written = Path(image.save(path=str(hidden / f"{name}.tif")))
    return written.replace(folder / written.name)


class Pusher:
    """Pushes images over gRPC (FrameService.Push), one at a time."""

    def __init__(self, address: str, source: str = "", timeout_s: float = 60.0) -> None:
        import grpc

        self._pb, services = stubs()
        self._source, self._timeout_s = source, timeout_s
        self._channel = grpc.insecure_channel(address)
        self._service = services.FrameServiceStub(self._channel)

    def push(self, image: Any, uid: str, seq: int, run_id: str = "", end_of_run: bool = False) -> Any:
        """Sends one FibsemImage and returns the FrameAck that ends its way: DONE, DUPLICATE, REJECTED or BUSY."""
        import numpy as np

        data = np.ascontiguousarray(image.data)
        if data.dtype == np.uint8:
            form = self._pb.GRAY8
        elif data.dtype == np.uint16:
            form, data = self._pb.GRAY16LE, data.astype("<u2")
        else:
            raise ValueError(f"{uid}: {data.dtype} pixels, and only 8 and 16 bit can be pushed")
        header = self._pb.FrameHeader(
            frame_uid=uid,
            seq=seq,
            run_id=run_id,
            width=data.shape[1],
            height=data.shape[0],
            format=form,
            frame_time_unix_ns=time.time_ns(),
            source=self._source,
            end_of_run=end_of_run,
        )
        if image.metadata is not None:
            header.nm_per_px = image.metadata.pixel_size.x * 1e9
            header.metadata["beam"] = image.metadata.image_settings.beam_type.name
        pixels = data.tobytes()

        def requests() -> Iterator[Any]:
            yield self._pb.PushRequest(header=header)
            for at in range(0, len(pixels), CHUNK):
                yield self._pb.PushRequest(chunk=self._pb.FrameChunk(data=pixels[at : at + CHUNK]))

        last = None
        for last in self._service.Push(requests(), timeout=self._timeout_s):
            if last.state != self._pb.FrameAck.ACCEPTED:
                break
        if last is None:
            raise RuntimeError(f"{uid}: aimsd ended the stream without an answer")
        return last

    def state(self, answer: Any) -> str:
        """The name of a FrameAck's state."""
        return str(self._pb.FrameAck.State.Name(answer.state))

    def close(self) -> None:
        self._channel.close()


# Feedback in metres is absent where it is not known; all else is then null.
_METRES = ("_m", "_m2", "_m_per_s")


def from_proto(message: Any) -> dict[str, Any]:
    """A Feedback of gRPC as the JSON message of the same id.

    This one has skipped besides. Enums are names, times text, and what is not known is null, or absent where it is in
    metres. valid_for_ms is what is left of it when a watcher is told the last one at the start.
    """
    plain = _plain(message)
    for name in [name for name in plain if name.endswith("_unix_ns")]:
        plain[name[: -len("_unix_ns")]] = aimsd_feedback.rfc3339(plain.pop(name))
    return {"schema": aimsd_feedback.SCHEMA, **plain}


def _plain(message: Any) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for field in message.DESCRIPTOR.fields:
        if field.has_presence and not message.HasField(field.name):
            if not field.name.endswith(_METRES):
                plain[field.name] = None
            continue
        value = getattr(message, field.name)
        if isinstance(value, (str, bytes, bool, int, float)):
            plain[field.name] = _scalar(field, value)
        elif hasattr(value, "DESCRIPTOR"):
            plain[field.name] = _plain(value)
        else:
            plain[field.name] = [_scalar(field, v) for v in value]
    return plain


def _scalar(field: Any, value: Any) -> Any:
    if field.enum_type is None:
        return value
    return field.enum_type.values_by_number[value].name


class MqttFeedback:
    """Listens on aims/v1/<site>/<instrument>/feedback; every message is stamped as it arrives."""

    def __init__(self, host: str, port: int, site: str, instrument: str, handler: Handler, report: Report) -> None:
        import paho.mqtt.client as mqtt

        topic = f"aims/v1/{site}/{instrument}/feedback"
        self.ready = threading.Event()
        self._handler, self._report = handler, report
        # A clean session: what came while nobody listened is of no use any more.
        self._client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, clean_session=True)
        self._client.on_connect = lambda client, *_: client.subscribe(topic, qos=1)
        self._client.on_subscribe = lambda *_: self._listening(topic)
        self._client.on_message = lambda _client, _data, m: _deliver(m.payload, self._handler, self._report)
        self._client.connect_async(host, port, keepalive=20)
        self._client.loop_start()

    def _listening(self, topic: str) -> None:
        self.ready.set()
        self._report(f"listening on {topic}")

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


class GrpcFeedback:
    """Listens to FeedbackService.Watch, and calls again when the stream breaks.

    The first message of a source is the last one that was sent, however old.
    """

    def __init__(self, address: str, handler: Handler, report: Report, source: str = "") -> None:
        """source: whose feedback; "" is every one's."""
        import grpc

        pb, services = stubs()
        self._channel = grpc.insecure_channel(address)
        self._watch = services.FeedbackServiceStub(self._channel).Watch
        self._request = pb.WatchRequest(source=source)
        self._handler, self._report = handler, report
        self._error = grpc.RpcError
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="aimsd-feedback", daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        while not self._closed.is_set():
            try:
                for message in self._watch(self._request, wait_for_ready=True):
                    _deliver(from_proto(message), self._handler, self._report)
            except (self._error, ValueError) as err:  # ValueError: the channel was closed
                if not self._closed.is_set():
                    self._report(f"feedback over gRPC: {getattr(err, 'details', err.__str__)()}")
            self._closed.wait(RETRY_S)

    def close(self) -> None:
        self._closed.set()
        self._channel.close()
        self._thread.join(timeout=5)


class Arming:
    """Lets aimsd itself pause milling for a time, and ends that (FeedbackService.Arm, Disarm).

    Both return the state: armed, run_id, lease_left_ms, allow_stop, by, why. They raise grpc.RpcError, whose details()
    say what to do, for instance when the source has no controller or another run is open.
    """

    def __init__(self, address: str, timeout_s: float = 10.0) -> None:
        import grpc

        self._pb, services = stubs()
        self._timeout_s = timeout_s
        self._channel = grpc.insecure_channel(address)
        self._service = services.FeedbackServiceStub(self._channel)

    def arm(self, source: str, run_id: str, lease_s: float, by: str, allow_stop: bool = False) -> dict[str, Any]:
        """Arms the open run of a source, or renews its lease. by: who, for the record."""
        request = self._pb.ArmRequest(
            source=source, run_id=run_id, lease_ms=round(lease_s * 1000), allow_stop=allow_stop, by=by
        )
        return _plain(self._service.Arm(request, timeout=self._timeout_s))

    def disarm(self, source: str, by: str) -> dict[str, Any]:
        """Ends it at once."""
        return _plain(self._service.Disarm(self._pb.DisarmRequest(source=source, by=by), timeout=self._timeout_s))

    def close(self) -> None:
        self._channel.close()


def _deliver(raw: Any, handler: Handler, report: Report) -> None:
    arrived_at = time.monotonic()
    try:
        message = aimsd_feedback.parse(raw)
    except ValueError as err:
        report(str(err))
        return
    handler(message, arrived_at)
