"""Instructor. It takes the official SDK's clients, so on Azure it has both of theirs; it has no loop of tools."""

import base64
import contextlib
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Literal

import steps as check
from steps import City, items, step, value

# isort: split

import instructor
import openai
from instructor import Mode
from instructor.core import InstructorRetryException
from pydantic import BaseModel, field_validator

CLIENTS: dict[str, Callable[[str], Any]] = {
    "": lambda _: (openai.OpenAI, openai.AsyncOpenAI, {"base_url": check.V1["openai"]}),
    ", AzureOpenAI": lambda _: (
        openai.AzureOpenAI,
        openai.AsyncAzureOpenAI,
        {"azure_endpoint": check.ADDRESS, "api_version": check.API_VERSION},
    ),
    ", AzureOpenAI with deployment": lambda kind: (
        openai.AzureOpenAI,
        openai.AsyncAzureOpenAI,
        {
            "azure_endpoint": check.ADDRESS,
            "api_version": check.API_VERSION,
            "azure_deployment": check.MODELS["azure"][kind],
        },
    ),
    ", /openai/v1": lambda _: (openai.OpenAI, openai.AsyncOpenAI, {"base_url": check.V1["azure"]}),
}
MODES = {
    "chat": (Mode.TOOLS, Mode.TOOLS_STRICT, Mode.JSON_SCHEMA, Mode.JSON, Mode.MD_JSON),
    "responses": (Mode.RESPONSES_TOOLS,),
}


class PlainCity(City):
    """A city without a class for its enum: in streams Instructor asks for an instance of such a class."""

    continent: Literal["Europe", "Asia", "Africa"]


class GetWeather(BaseModel):
    """Get the weather in a city."""

    city: str


class Loud(BaseModel):
    """A model's words in capitals."""

    words: str

    @field_validator("words")
    @classmethod
    def loud(cls, words: str) -> str:
        if not words.isupper():
            raise ValueError("the words are not in capitals")
        return words


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def register(backend: str, api: str, where: str, kind: str, mode: str) -> None:
    """The steps of a combination with one of its models."""

    def on(name: str) -> Callable[[check.Run], check.Run]:
        return step(backend, api, ("reasoner: " if kind == "reasoner" else "") + name + where, mode)

    def client(form: Mode) -> Any:
        # A client of its own for every step: those of asynchronous ones belong to their event loop.
        synchronous, asynchronous, address = CLIENTS[where](kind)
        sdk = (asynchronous if mode == "async" else synchronous)(api_key=check.KEY, max_retries=0, **address)
        return instructor.from_openai(sdk, mode=form, model=check.MODELS[backend][kind])

    async def ask(form: Mode, method: str, messages: Any, model: Any, **options: Any) -> Any:
        asked = getattr(client(form), method)(messages=messages, response_model=model, max_retries=0, **options)
        return await value(asked)

    async def stream_city(form: Mode, model: type[City]) -> None:
        stream = await ask(form, "create_partial", [user("Describe Oslo.")], model)
        parts = [part async for part in items(stream)]
        assert len(parts) > 1, f"the stream had {len(parts)} object(s)"
        check.check_city(parts[-1].model_dump())

    for form in MODES[api]:

        @on(f"structured output, {form.value}")
        async def _(form: Mode = form) -> None:
            check.check_city(await ask(form, "create", [user("Describe Oslo.")], City))

        @on(f"structured output, {form.value}, stream")
        async def _(form: Mode = form) -> None:
            await stream_city(form, PlainCity)

    form = MODES[api][0]

    @on("structured output with an enum's class, stream")
    async def _() -> None:
        await stream_city(form, City)

    @on("plain text")
    async def _() -> None:
        answer = await ask(form, "create", [user("Say hello.")], None)
        check.check_text(answer.choices[0].message.content if api == "chat" else answer.output_text)

    @on("structured output and the answer")
    async def _() -> None:
        city, answer = await ask(form, "create_with_completion", [user("Describe Oslo.")], City)
        check.check_city(city)
        check.check_count(answer.usage.total_tokens, "total_tokens")

    @on("a list of structured outputs, stream")
    async def _() -> None:
        cities = [city async for city in items(await ask(form, "create_iterable", [user("Describe cities.")], City))]
        assert cities, "no cities"
        for city in cities:
            check.check_city(city)

    @on("tool call")
    async def _() -> None:
        check.check_text((await ask(form, "create", [user(check.CALL_WEATHER)], GetWeather)).city)

    @on("asks again after a wrong answer")
    async def _() -> None:
        asked: list[Any] = []
        runner = client(form)
        runner.on("completion:kwargs", lambda **sent: asked.append(sent))
        # A generated answer is never in capitals: that the service takes the second request is what counts.
        with contextlib.suppress(InstructorRetryException):
            await value(runner.create(messages=[user("Say hello.")], response_model=Loud, max_retries=1))
        assert len(asked) == 2, f"asked {len(asked)} time(s)"

    @on("second turn")
    async def _() -> None:
        turns = [user("Say hello."), {"role": "assistant", "content": "Hello!"}, user("Now describe Oslo.")]
        check.check_city(await ask(form, "create", [{"role": "system", "content": "You are brief."}, *turns], City))

    @on("image")
    async def _() -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "red.png"
            path.write_bytes(base64.b64decode(check.PNG))
            picture = instructor.Image.from_path(path)
        check.check_city(await ask(form, "create", [user(["Which city?", picture])], City))

    @on("usual settings")
    async def _() -> None:
        limit = "max_tokens" if kind == "chat" or api == "responses" else "max_completion_tokens"
        own: dict[str, Any] = {limit: 2000}
        if kind == "chat":
            own |= {"temperature": 0, "top_p": 0.9}
        elif api == "chat":
            own["reasoning_effort"] = "low"
        else:
            own["reasoning"] = {"effort": "low"}
        check.check_city(await ask(form, "create", [user("Describe Oslo.")], City, **own))

    if api == "chat":

        @on("parallel tools")
        async def _() -> None:
            calls = await ask(Mode.PARALLEL_TOOLS, "create", [user(check.CALL_WEATHER)], Iterable[GetWeather])
            (call,) = calls
            check.check_text(call.city)

    if api == "responses":

        @on("second turn, previous_response_id")
        async def _() -> None:
            first = await ask(form, "create", [user("Say hello.")], None)
            again = {"previous_response_id": first.id}
            check.check_city(await ask(form, "create", [user("Now describe Oslo.")], City, **again))


for mode in check.MODES:
    for where in CLIENTS:
        backend = "azure" if where else "openai"
        for api in MODES:
            for kind in ("chat", "reasoner"):
                register(backend, api, where, kind, mode)

check.run_steps("instructor")
