"""What a rule is: a check of a whole request that no schema can express, with the source of its words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from mockserver.contract.addresses import Address, Backend
from mockserver.contract.models import Model, model_named

CHAT, RESPONSES, EMBEDDINGS = "createChatCompletion", "createResponse", "createEmbedding"


@dataclass(frozen=True)
class Asked:
    """A request as rules see it: any JSON object, also one that breaks the schema.

    `model_name` is the model behind the deployment's name. `count` gives the number of its tokens, and `size` the number of its
    bytes, which no number of tokens exceeds. `earlier` are the items that it continues, where they are known. `is_form` says that
    the body was sent as a form.
    """

    address: Address
    body: Mapping[str, Any]
    model_name: str = ""
    size: int = 0
    count: Callable[[], int] = field(default=lambda: 0)
    earlier: Sequence[Any] = ()
    is_form: bool = False

    @cached_property
    def model(self) -> Model:
        """What is known of the model."""
        return model_named(self.model_name)

    @property
    def operation(self) -> str:
        """The operation's name; empty without one."""
        return self.address.operation.name if self.address.operation else ""

    @property
    def schema(self) -> str | None:
        """The name of the schema that the body has to fit; None for no body."""
        operation = self.address.operation
        if operation is None or (operation.form is not None and (self.is_form or operation.request is None)):
            return operation.form if operation else None
        return operation.request

    @property
    def azure(self) -> bool:
        """Whether Azure is asked."""
        return self.address.backend is Backend.AZURE

    @property
    def effort(self) -> str | None:
        """The effort of reasoning that is asked for."""
        effort = (
            self.mapping("reasoning").get("effort")
            if self.operation == RESPONSES
            else self.body.get("reasoning_effort")
        )
        return effort if isinstance(effort, str) else None

    def items(self, key: str) -> list[Any]:
        """The value of a key that is a list; empty where it is not."""
        return _list(self.body, key)

    def mapping(self, key: str) -> Mapping[str, Any]:
        """The value of a key that is a mapping; empty where it is not."""
        value = self.body.get(key)
        return value if isinstance(value, Mapping) else {}

    @cached_property
    def messages(self) -> list[tuple[int, Mapping[str, Any]]]:
        """The messages of a chat or the items of an input, each with its index."""
        items = self.items("messages" if self.operation == CHAT else "input")
        return [(index, item) for index, item in enumerate(items) if isinstance(item, dict)]


@dataclass(frozen=True, slots=True)
class Refused:
    """How the service refuses: the `param`, the message, the code and the status."""

    field: str
    message: str
    code: str | None = None
    status: int = 400


Check = Callable[[Asked], Refused | None]


@dataclass(frozen=True, slots=True)
class RequestRule:
    """A rule for requests of some operations.

    `grade` says how well its words are known: R a recording or pasted answer of the service, P a probe that another project published, I a
    public report, S a client's source, D documentation.
    """

    name: str
    operations: tuple[str, ...]
    check: Check
    grade: str
    source: str


def _list(holder: Mapping[str, Any], key: str) -> list[Any]:
    value = holder.get(key)
    return value if isinstance(value, list) else []


def mappings(holder: Mapping[str, Any], key: str) -> list[tuple[int, Mapping[str, Any]]]:
    """The mappings in the list of a key, each with its index."""
    value = holder.get(key)
    if not isinstance(value, list):  # as in most messages, and each rule looks at all of them
        return []
    return [(index, item) for index, item in enumerate(value) if isinstance(item, dict)]


def listed(values: Iterable[object], word: str = "and") -> str:
    """Values in quotes, as the services list them: 'a', 'b', and 'c'."""
    quoted = [f"'{value}'" for value in values]
    if len(quoted) <= 2:
        return f" {word} ".join(quoted)
    return f"{', '.join(quoted[:-1])}, {word} {quoted[-1]}"
