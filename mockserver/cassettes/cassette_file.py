"""A cassette as it is written: vcrpy's format 1, with `timing` and `metadata` of ours. Its JSON Schema comes from here."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

from msgspec import Meta

from mockserver.documents import Strict
from mockserver.exchange import End

#: The newest format of `metadata` and `timing` that this version reads, and the one it writes.
FORMAT = 1

Milliseconds = Annotated[int, Meta(ge=0)] | Annotated[float, Meta(ge=0)]

# Each of these is `Any` because msgspec has no union of str with bytes or date, and YAML gives both.
#: vcrpy writes a request's body as text or !!binary, as a list of chunks, and for aiohttp's `json=` as a mapping or a list.
Body = Annotated[Any, Meta(extra_json_schema={"type": ["string", "object", "array", "null"]})]
_SCALAR = {"type": ["string", "number", "boolean", "null"]}
HeaderValue = Annotated[Any, Meta(extra_json_schema={"anyOf": [_SCALAR, {"type": "array", "items": _SCALAR}]})]
HeadersMapping = Annotated[dict[str, HeaderValue], Meta(description="Each name with its value, or a list of values.")]
Note = Annotated[Any, Meta(extra_json_schema=_SCALAR)]


class Source(StrEnum):
    """Where the answers of a cassette come from. Only `recorded` and `carried` answers came from a model that we asked."""

    RECORDED = "recorded"
    IMPORTED = "imported"
    AUTHORED = "authored"
    CARRIED = "carried"


class RequestEntry(Strict, frozen=True):
    """A recorded request."""

    method: str
    uri: Annotated[str, Meta(description="The backend's own address; a resource's name is never written.")]
    headers: HeadersMapping | None = None
    body: Body = None

    def __post_init__(self) -> None:
        if not isinstance(self.body, str | bytes | dict | list | None):
            raise ValueError(f"body must be a string or !!binary, got {type(self.body).__name__}")


class StatusEntry(Strict, frozen=True):
    """The status line of an answer."""

    code: Annotated[int, Meta(ge=100, le=599)]
    message: str | None = None


class BodyEntry(Strict, frozen=True):
    """The body of an answer."""

    string: Annotated[Any, Meta(extra_json_schema={"type": ["string", "null"]})] = None

    def __post_init__(self) -> None:
        if not isinstance(self.string, str | bytes | None):
            raise ValueError(f"string must be a string or !!binary, got {type(self.string).__name__}")


class TimingEntry(Strict, frozen=True):
    """How an answer was paced. vcrpy ignores it."""

    head_ms: Annotated[Milliseconds, Meta(description="Milliseconds from the request to the head of the answer.")] = 0
    after_ms: Annotated[
        list[Milliseconds] | None,
        Meta(description="Milliseconds before each event of the body; without it, all are sent at once."),
    ] = None
    end: Annotated[End, Meta(description="How the connection ended.")] = End.EOF


class ResponseEntry(Strict, frozen=True):
    """A recorded answer."""

    status: StatusEntry
    headers: HeadersMapping | None = None
    body: BodyEntry | None = None
    timing: TimingEntry | None = None
    url: Annotated[str | None, Meta(description="Written by some versions of vcrpy, and not used.")] = None


class InteractionEntry(Strict, frozen=True):
    """A request with its answer."""

    request: RequestEntry
    response: ResponseEntry


class MetadataEntry(Strict, frozen=True):
    """What the file says about itself. vcrpy ignores it."""

    format: Annotated[int, Meta(ge=1)] = FORMAT
    source: Annotated[Source, Meta(description="Where the answers come from.")] = Source.IMPORTED
    upstream: Annotated[Note, Meta(description="What was recorded from; never whose it is.")] = None
    date: Annotated[Note, Meta(description="When it was recorded, as 2026-11-28.")] = None
    tool: Annotated[Note, Meta(description="What wrote the file.")] = None
    timing: Annotated[Note, Meta(description="`modelled` where the waits were not measured.")] = None
    allowed: Annotated[
        tuple[str, ...], Meta(description="Texts with the form of a secret that may stand here; * is any part.")
    ] = ()

    def __post_init__(self) -> None:
        if self.format > FORMAT:
            raise ValueError(f"format {self.format} is newer than this version reads ({FORMAT})")


class CassetteFile(Strict, frozen=True):
    """The whole file."""

    interactions: Annotated[list[InteractionEntry], Meta(min_length=1)]
    version: Annotated[Literal[1], Meta(description="The version of vcrpy's format.")] = 1
    metadata: MetadataEntry | None = None
