"""How a model endpoint behaves, apart from what is loaded and what tests say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from mockserver.answers.latency import Latency


class OnMiss(StrEnum):
    """What to do with a request that no stub answers."""

    ERROR = "error"
    GENERATE = "generate"
    RECORD = "record"


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """`api_key` None accepts any key that is not empty; `deployments` are the models behind their names.

    While recording: requests below the `other_upstreams`, as `/azure_search_endpoint/`, come with keys of their own, and with
    `pass_token` those to Azure may come with a token of theirs. `lenient` names rules of the contract that refuse nothing. With
    `tls`, addresses in answers are https. `worker` is the name of this process where several answer, empty where one does.
    """

    on_miss: OnMiss = OnMiss.ERROR
    api_key: str | None = None
    deployments: Mapping[str, str] = field(default_factory=dict)
    latency: Latency = field(default_factory=Latency)
    other_upstreams: tuple[str, ...] = ()
    pass_token: bool = False
    lenient: frozenset[str] = frozenset()
    tls: bool = False
    worker: str = ""
