"""Options that several commands share."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Concatenate, ParamSpec

import click

from mockserver.cassettes.real_endpoint import Credentials
from mockserver.cli.credentials import credentials_for
from mockserver.cli.param_types import PATH
from mockserver.fronts.gate import Delivery
from mockserver.harness.environment import TOKEN_VARIABLE
from mockserver.harness.options import ModelOptions, OptionsError
from mockserver.simulation.cassette_index import BUNDLED_CASSETTES
from mockserver.simulation.settings import OnMiss
from mockserver.swa.personas import BUNDLED_PERSONAS
from mockserver.wire.server import LOOPBACK

P = ParamSpec("P")

_MODEL_OPTIONS = (
    click.option(
        "--cassettes",
        type=PATH,
        multiple=True,
        metavar="DIR",
        help="Cassettes and scenarios; may be repeated. Default: the bundled ones.",
    ),
    click.option(
        "--on-miss",
        type=click.Choice([each.value for each in OnMiss]),
        default=OnMiss.ERROR.value,
        show_default=True,
        help="What to do with a request that no stub answers.",
    ),
    click.option("--keep-errors", is_flag=True, help="Also record a 401, 403, 429 or 5xx, and what broke off."),
    click.option(
        "--bind",
        "address",
        default=LOOPBACK,
        show_default=True,
        metavar="ADDR",
        help=f"Listen here too, or on 0.0.0.0. Other machines need the run's token, which {TOKEN_VARIABLE} can set.",
    ),
    click.option("--scenario", metavar="NAME", help="Lay a scenario from a `scenarios` folder over the cassettes."),
    click.option(
        "--limit",
        "limits",
        multiple=True,
        metavar="NAME=6rpm,1000tpm",
        help="Limit a model or deployment in requests and tokens a minute; * is every name. May be repeated.",
    ),
    click.option(
        "--upstream",
        "upstreams",
        multiple=True,
        metavar="URL|NAME=URL",
        help="The real endpoint to record from. Its key: OPENAI_API_KEY or AZURE_OPENAI_API_KEY. "
        "With a NAME, another server, which is recorded below /name.",
    ),
    click.option("--pass-token", is_flag=True, help="Recording: send clients' own Entra tokens on to Azure."),
    click.option("--allow", multiple=True, metavar="TEXT", help="Recording: keep this, and note it; * is any part."),
    click.option(
        "--lenient",
        multiple=True,
        metavar="RULE",
        help="Accept what this rule refuses: its name is in the refusal's header x-mockserver-rule. May be repeated.",
    ),
    click.option("--tls", is_flag=True, help="Serve https, with a certificate of this run that the start names."),
    click.option(
        "--latency",
        default="",
        metavar="PROFILE",
        help="The pace of generated answers: first=600ms,p95=2s,rate=45tok/s,seed=1, or `fitted` to the cassettes.",
    ),
    click.option(
        "--speed",
        type=click.FloatRange(min=0, min_open=True),
        default=1.0,
        metavar="X",
        help="Play answers X times as fast.",
    ),
    click.option(
        "--ignore",
        "ignores",
        multiple=True,
        metavar="FIELD[=PATTERN]",
        help="Ignore this when requests are compared, as in messages[*].content=date. May be repeated.",
    ),
)


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """What the options say that `up` and `model` share."""

    cassettes: tuple[Path, ...]
    on_miss: str
    keep_errors: bool
    address: str
    scenario: str | None
    limits: tuple[str, ...]
    upstreams: tuple[str, ...]
    pass_token: bool
    allow: tuple[str, ...]
    lenient: tuple[str, ...]
    tls: bool
    latency: str
    speed: float
    ignores: tuple[str, ...]

    def options(
        self,
        port: int,
        port_option: str,
        *,
        api_key: str | None = None,
        deployments: tuple[str, ...] = (),
        workers: int = 1,
        redis: str = "",
    ) -> ModelOptions:
        """The options of the endpoint; `port_option` is named where the port is taken. It may ask for a key.

        Raises:
            OptionsError: options that do not go together, or a value that cannot be read.
        """
        on_miss = OnMiss(self.on_miss)
        recording = on_miss is OnMiss.RECORD
        upstream, others = split_upstreams(self.upstreams) if self.upstreams else (None, {})
        return ModelOptions(
            self.cassettes or (() if recording else (BUNDLED_CASSETTES,)),
            on_miss,
            upstream,
            port,
            api_key=api_key,
            speed=self.speed,
            port_option=port_option,
            deployments=_deployments(deployments),
            ignores=self.ignores,
            latency=self.latency,
            limits=self.limits,
            scenario=self.scenario,
            credentials=self._credentials(upstream) if recording and upstream else None,
            keep_errors=self.keep_errors,
            other_upstreams=others,
            pass_token=self.pass_token,
            allowed=self.allow,
            lenient=self.lenient,
            tls=self.tls,
            address=self.address,
            token=_token() if self.address != LOOPBACK or redis else "",
            workers=workers,
            redis=redis,
        )

    def _credentials(self, upstream: str) -> Credentials:
        return Credentials() if self.pass_token else credentials_for(upstream)


def split_upstreams(given: Sequence[str]) -> tuple[str, dict[str, str]]:
    """The endpoint's address, and those of other servers by name, from URL and NAME=URL.

    Raises:
        OptionsError: not exactly one without a name.
    """
    named = {match[1]: match[2] for each in given if (match := re.fullmatch(r"([A-Za-z_]\w*)=(.+)", each))}
    if taken := {"OPENAI_BASE_URL", "AZURE_OPENAI_ENDPOINT"} & named.keys():
        raise OptionsError(f"--upstream {taken.pop()}=…: that variable has the model's address; give it without a name")
    plain = [each for each in given if not re.match(r"[A-Za-z_]\w*=", each)]
    if len(plain) != 1:
        raise OptionsError(
            f"--upstream must be given once without a name, for the model, got {len(plain)}; others are NAME=URL, as in "
            "AZURE_SEARCH_ENDPOINT=https://name.search.windows.net"
        )
    return plain[0], named


def model_options(command: Callable[Concatenate[ModelChoice, P], None]) -> Callable[P, None]:
    """Give a command the options of everything that answers as a model; it gets them as its first argument."""
    names = [field.name for field in fields(ModelChoice)]

    @functools.wraps(command)
    def with_choice(*args: P.args, **kwargs: P.kwargs) -> None:
        options: dict[str, Any] = kwargs
        command(ModelChoice(**{name: options.pop(name) for name in names}), *args, **kwargs)

    return functools.reduce(lambda decorated, option: option(decorated), reversed(_MODEL_OPTIONS), with_choice)


def _token() -> str:
    """The token set for this run; empty if none is."""
    token = os.environ.pop(TOKEN_VARIABLE, "")  # the processes started from here have no use for it
    if token and not re.fullmatch(r"[\w-]{16,}", token, re.ASCII):
        raise OptionsError(f"{TOKEN_VARIABLE} must be 16 or more letters, digits, - and _")
    return token


def _deployments(options: tuple[str, ...]) -> dict[str, str]:
    """The model behind each deployment's name, from NAME=MODEL."""
    for option in options:
        if not all(option.partition("=")):
            raise OptionsError(f"--deployment must be NAME=MODEL, as in chat=gpt-4o-2024-11-20, got {option!r}")
    return {name: model for name, _, model in (option.partition("=") for option in options)}


delivery_option = click.option(
    "--delivery",
    type=click.Choice([each.value for each in Delivery]),
    default=Delivery.AS_AZURE.value,
    show_default=True,
    help="How an API's answer is passed on: as Azure does, by content type; in one piece; or as it comes.",
)
personas_option = click.option(
    "--personas", type=PATH, default=BUNDLED_PERSONAS, metavar="FILE", help="The people to sign in as."
)
