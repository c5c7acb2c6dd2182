"""One request and what is worked out of it: each thing at most once, and only when it is needed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from mockserver.contract.addresses import Address, address_of
from mockserver.contract.operations import Operation
from mockserver.exchange import Request, parse_json
from mockserver.matching.canonical import CanonicalRequest, canonical_request, model_name
from mockserver.matching.conversation import Conversation
from mockserver.matching.ignore import Ignore
from mockserver.redaction.exchanges import without_credentials
from mockserver.remembered import Remembered

if TYPE_CHECKING:
    from mockserver.matching.upload import Upload

#: The headers by which the exchanges of one visit are joined.
VISIT_HEADERS = ("x-request-id", "traceparent")


#: Where JSON may spell half of a surrogate pair, which is no letter and which nothing can send on.
_HALF_PAIR = re.compile(rb"\\u[dD][89a-fA-F]")


def whole_letters(value: Any) -> Any:
    """The JSON value with a sign in place of each half of a surrogate pair, which no validator takes."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [whole_letters(each) for each in value]
    if isinstance(value, dict):
        return {whole_letters(key): whole_letters(each) for key, each in value.items()}
    return value


#: What of a call cannot change; a body can, and what continues another does.
_LASTING = ("address", "canonical", "model", "operation", "request", "stored_request", "visit_ids")


class Call:
    """A request on its way through matching, criteria, limits, contract and journal.

    The simulation parses a request's body and looks up its address here alone. `ignores` do not count in `canonical`. `earlier`
    are the items of the responses that this request continues, where the mock has them. `is_known` says that its bytes came before.
    """

    earlier: Sequence[Any] = ()
    is_known = False

    def __init__(self, request: Request, ignores: Iterable[Ignore] = ()) -> None:
        self.request = request
        self.ignores = ignores

    @cached_property
    def address(self) -> Address:
        """Backend, operation, deployment and api-version."""
        return address_of(self.request.method, self.request.raw_path, self.request.query)

    @cached_property
    def operation(self) -> Operation | None:
        """The operation; None if the address has none."""
        return self.address.operation

    @cached_property
    def form(self) -> Upload | None:
        """The multipart form in the body, where the operation takes one; None for anything else."""
        schema = self.operation.form if self.operation is not None else None
        if schema is None:
            return None
        from mockserver.matching.upload import upload_of  # 40 ms of imports, for those who upload

        return upload_of(self.request, schema)

    @cached_property
    def body(self) -> dict[str, Any] | None:
        """The JSON object in the body, or the fields of the form; None for anything else."""
        if self.form is not None:
            return self.form.fields
        parsed = parse_json(self.request.body)
        if isinstance(parsed, dict) and (_HALF_PAIR.search(self.request.body) or b"\0" in self.request.body):  # UTF-16
            parsed = whole_letters(parsed)
        return parsed if isinstance(parsed, dict) else None

    @property
    def whole_body(self) -> Mapping[str, Any]:
        """The body with everything that the model sees: the items that it continues come before its own input."""
        body = self.body or {}
        if not self.earlier:
            return body
        own = body.get("input")
        own = [{"role": "user", "content": own}] if isinstance(own, str) else own
        return {**body, "input": [*self.earlier, *(own if isinstance(own, list) else ())]}

    @cached_property
    def canonical(self) -> CanonicalRequest:
        """What the model would see; of the same bytes it is worked out once."""
        if self.form is not None:
            return canonical_request(self.request, self.address, None, self.ignores)
        return _form(self)

    @cached_property
    def model(self) -> str:
        """The model or deployment; empty if the request names none."""
        return model_name(self.address, self.body)

    @cached_property
    def conversation(self) -> Conversation:
        """What its messages say."""
        return Conversation(self.body or {}, self.earlier)

    @property
    def prompt(self) -> str | None:
        """The text of the last user message, its parts on lines of their own; None without such a message."""
        texts = self.conversation.last_prompt
        return "\n".join(texts) if texts else None

    @cached_property
    def stored_request(self) -> Request:
        """The request as the journal keeps it."""
        return without_credentials(self.request)

    @cached_property
    def visit_ids(self) -> frozenset[str]:
        """What the exchanges of one visit share: `x-request-id`, and the trace of a `traceparent`.

        Source: W3C Trace Context, 3.2.
        """
        trace = (self.request.header("traceparent") or "").split("-")
        ids = (self.request.header("x-request-id"), trace[1] if len(trace) == 4 and len(trace[1]) == 32 else None)
        return frozenset(filter(None, ids))


class Calls:
    """What the bytes of the last requests alone decide: it is worked out once. Thread-safe."""

    def __init__(self) -> None:
        self._known = Remembered[tuple[Any, ...], dict[str, Any]]()

    def call(self, request: Request, ignores: tuple[Ignore, ...]) -> Call:
        """A call of its own for a request."""
        call = Call(request, ignores)
        if (known := self._known.get(_key(call))) is not None:
            call.__dict__.update(known)
        return call

    def keep(self, call: Call) -> None:
        """Remember what cannot change of a call that has been answered."""
        known = call.__dict__
        if not call.is_known:
            lasting = {name: known[name] for name in _LASTING if name in known}
            size = call.stored_request.held_bytes + _parsed_bytes(call.request.body)
            self._known.put(_key(call), {**lasting, "is_known": True}, size)

    def clear(self) -> None:
        """Forget everything."""
        self._known.clear()


def _key(call: Call) -> tuple[Any, ...]:
    """Every byte of a request, and what does not count in it."""
    request = call.request
    return request.method, request.raw_path, request.query, request.headers, request.body, call.ignores


#: The canonical forms of the last requests, by all that they depend on.
_FORMS = Remembered[tuple[Any, ...], CanonicalRequest]()


def _form(call: Call) -> CanonicalRequest:
    """The form of a request without a multipart form."""
    request, ignores = call.request, tuple(call.ignores)
    key = (request.method, request.raw_path, request.query, request.header("content-type"), request.body, ignores)
    if (known := _FORMS.get(key)) is not None:
        return known
    size = len(request.raw_path) + len(request.query) + len(request.body) + _parsed_bytes(request.body)
    return _FORMS.put(key, canonical_request(request, call.address, call.body, ignores), size)


def _parsed_bytes(body: bytes) -> int:
    """The most that a parsed body holds, roughly: Python adds a hundred bytes to each value."""
    return 100 * (len(body) - len(body.translate(None, b"[{,:")))
