"""Pydantic AI. On Azure its provider takes a dated api-version, or an address that ends with /openai/v1."""

import base64
from collections.abc import Callable
from typing import Any

import steps as check
from steps import City, Weather, step, value

# isort: split

from pydantic_ai import Agent, BinaryContent, Embedder, ImageUrl, NativeOutput, PromptedOutput, ToolOutput, UsageLimits
from pydantic_ai.embeddings.openai import OpenAIEmbeddingModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.azure import AzureProvider
from pydantic_ai.providers.openai import OpenAIProvider

PROVIDERS: dict[str, Callable[[], Any]] = {
    "": lambda: OpenAIProvider(base_url=check.V1["openai"], api_key=check.KEY),
    ", AzureProvider": lambda: AzureProvider(
        azure_endpoint=check.ADDRESS, api_version=check.API_VERSION, api_key=check.KEY
    ),
    ", /openai/v1": lambda: AzureProvider(azure_endpoint=check.V1["azure"], api_key=check.KEY),
}
MODELS = {"chat": OpenAIChatModel, "responses": OpenAIResponsesModel}
# An agent that goes round and round fails soon.
ROUNDS = {"usage_limits": UsageLimits(request_limit=6)}


def check_result(result: Any) -> None:
    check.check_text(result.output)
    check.check_count(result.usage.input_tokens, "input_tokens")
    check.check_count(result.usage.output_tokens, "output_tokens")


def texts_of(result: Any) -> Any:
    return result.stream_text(delta=True, debounce_by=None)


def objects_of(result: Any) -> Any:
    return result.stream_output(debounce_by=None)


def register(backend: str, api: str, where: str, kind: str, mode: str) -> None:
    """The steps of a combination with one of its models."""

    def on(name: str) -> Callable[[check.Run], check.Run]:
        return step(backend, api, ("reasoner: " if kind == "reasoner" else "") + name + where, mode)

    def agent(weather: Weather | None = None, **settings: Any) -> Agent[Any, Any]:
        # A client of its own for every step: those of asynchronous ones belong to their event loop.
        model = MODELS[api](check.MODELS[backend][kind], provider=PROVIDERS[where]())
        tools = [weather.get_time, weather.get_weather] if weather else []
        return Agent(model, tools=tools, retries=0, **settings)

    async def run(runner: Agent[Any, Any], prompt: Any, **options: Any) -> Any:
        return await value((runner.run if mode == "async" else runner.run_sync)(prompt, **ROUNDS, **options))

    async def streamed(runner: Agent[Any, Any], prompt: Any, how: Any) -> tuple[list[Any], Any]:
        """What a stream gave, and its result."""
        if mode == "async":
            async with runner.run_stream(prompt, **ROUNDS) as result:
                return [part async for part in how(result)], await result.get_output()
        with runner.run_stream_sync(prompt, **ROUNDS) as result:
            return list(how(result)), result.get_output()

    @on("plain text")
    async def _() -> None:
        check_result(await run(agent(), "Say hello."))

    @on("stream")
    async def _() -> None:
        texts, text = await streamed(agent(), "Tell a story.", texts_of)
        check.check_chunks(texts, text)

    @on("tool loop")
    async def _() -> None:
        weather = Weather()
        result = await run(agent(weather, instructions="You are a poet."), check.CALL_WEATHER)
        weather.check()
        check_result(result)
        assert result.usage.requests == 2, f"{result.usage.requests} requests"
        assert result.usage.tool_calls == 1, f"{result.usage.tool_calls} tool calls"

    @on("tool loop, stream")
    async def _() -> None:
        weather = Weather()
        texts, text = await streamed(agent(weather), check.CALL_WEATHER, texts_of)
        weather.check()
        check.check_chunks(texts, text)

    for name, output in (("tool", ToolOutput), ("native", NativeOutput), ("prompted", PromptedOutput)):

        @on(f"structured output, {name}")
        async def _(output: Any = output) -> None:
            result = await run(agent(output_type=output(City)), "Describe Oslo as JSON.")
            check.check_city(result.output)

        @on(f"structured output, {name}, stream")
        async def _(output: Any = output) -> None:
            parts, city = await streamed(agent(output_type=output(City)), "Describe Oslo as JSON.", objects_of)
            assert len(parts) > 1, f"the stream had {len(parts)} object(s)"
            check.check_city(city)

        @on(f"structured output, {name}, after a tool loop")
        async def _(output: Any = output) -> None:
            weather = Weather()
            result = await run(agent(weather, output_type=output(City)), check.CALL_WEATHER)
            weather.check()
            check.check_city(result.output)

    @on("structured output or text")
    async def _() -> None:
        weather = Weather()
        result = await run(agent(weather, output_type=[City, str]), check.CALL_WEATHER)
        weather.check()
        assert isinstance(result.output, City | str)

    @on("second turn")
    async def _() -> None:
        runner = agent(system_prompt="You are a poet.")
        first = await run(runner, "Say hello.")
        check_result(await run(runner, "And now goodbye.", message_history=first.all_messages()))

    @on("second turn after a tool loop")
    async def _() -> None:
        weather = Weather()
        runner = agent(weather)
        first = await run(runner, check.CALL_WEATHER)
        check_result(await run(runner, "Thank you.", message_history=first.all_messages()))
        weather.check()

    for name, part in (
        ("bytes", BinaryContent(base64.b64decode(check.PNG), media_type="image/png")),
        ("address", ImageUrl("https://example.com/red.png")),
    ):

        @on(f"image, {name}")
        async def _(part: Any = part) -> None:
            check_result(await run(agent(), ["Which colour?", part]))

    @on("several text parts")
    async def _() -> None:
        check_result(await run(agent(), ["Say hello.", "Then say goodbye."]))

    @on("usual settings")
    async def _() -> None:
        plain: dict[str, Any] = {"temperature": 0, "top_p": 0.9, "max_tokens": 400, "parallel_tool_calls": False}
        own = plain if kind == "chat" else {"max_tokens": 2000, "openai_reasoning_effort": "low"}
        weather = Weather()
        check_result(await run(agent(weather, model_settings=own), check.CALL_WEATHER))
        weather.check()

    if api == "responses":

        @on("second turn, previous_response_id")
        async def _() -> None:
            weather = Weather()
            runner = agent(weather, model_settings={"openai_previous_response_id": "auto"})
            first = await run(runner, check.CALL_WEATHER)
            check_result(await run(runner, "Thank you.", message_history=first.all_messages()))
            weather.check()

        @on("second turn, store false")
        async def _() -> None:
            weather = Weather()
            runner = agent(weather, model_settings={"openai_store": False})
            first = await run(runner, check.CALL_WEATHER)
            check_result(await run(runner, "Thank you.", message_history=first.all_messages()))
            weather.check()

    if api == "responses" and kind == "reasoner":

        @on("reasoning summary goes back")
        async def _() -> None:
            own = {"openai_reasoning_effort": "high", "openai_reasoning_summary": "detailed"}
            runner = agent(model_settings=own)
            first = await run(runner, "Prove that 97 is prime.")
            thoughts = [part for part in first.response.parts if part.part_kind == "thinking"]
            check.check_text(thoughts[0].content)
            check_result(await run(runner, "And 91?", message_history=first.all_messages()))


def register_embeddings(backend: str, where: str, mode: str) -> None:
    """One text, several, and shorter vectors."""

    async def embed(what: str, given: Any, **settings: Any) -> Any:
        model = OpenAIEmbeddingModel(check.MODELS[backend]["emb"], provider=PROVIDERS[where]())
        result = await value(
            getattr(Embedder(model), what if mode == "async" else f"{what}_sync")(given, settings=settings)
        )
        check.check_count(result.usage.input_tokens, "input_tokens")
        return result.embeddings

    @step(backend, "embeddings", f"one{where}", mode)
    async def _() -> None:
        check.check_vectors(await embed("embed_query", "hello"), 1)

    @step(backend, "embeddings", f"batch{where}", mode)
    async def _() -> None:
        check.check_vectors(await embed("embed_documents", ["sun", "rain", "snow"]), 3)

    @step(backend, "embeddings", f"batch, dimensions{where}", mode)
    async def _() -> None:
        check.check_vectors(await embed("embed_documents", ["sun", "rain"], dimensions=256), 2, 256)


for mode in check.MODES:
    for where in PROVIDERS:
        backend = "azure" if where else "openai"
        for api in MODELS:
            for kind in ("chat", "reasoner"):
                register(backend, api, where, kind, mode)
        register_embeddings(backend, where, mode)

check.run_steps("pydantic-ai-slim")
