"""OpenAI's Agents SDK. It takes the official SDK's asynchronous clients, so on Azure it has both of theirs."""

from collections.abc import Callable
from typing import Any

import steps as check
from steps import City, Weather, step, value

# isort: split

import openai
from agents import (
    Agent,
    ModelSettings,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    Runner,
    SQLiteSession,
    function_tool,
    set_tracing_disabled,
)
from agents.models.openai_provider import OpenAIProvider
from openai.types.shared import Reasoning

CLIENTS: dict[str, Callable[[], Any]] = {
    "": lambda: openai.AsyncOpenAI(base_url=check.V1["openai"], api_key=check.KEY, max_retries=0),
    ", AsyncAzureOpenAI": lambda: openai.AsyncAzureOpenAI(
        azure_endpoint=check.ADDRESS, api_version=check.API_VERSION, api_key=check.KEY, max_retries=0
    ),
    ", /openai/v1": lambda: openai.AsyncOpenAI(base_url=check.V1["azure"], api_key=check.KEY, max_retries=0),
}
MODELS = {"chat": OpenAIChatCompletionsModel, "responses": OpenAIResponsesModel}
set_tracing_disabled(True)


def tools(weather: Weather) -> list[Any]:
    # A method's own schema would have `self`.
    def get_time(zone: str) -> str:
        """Tell the time"""
        return weather.get_time(zone)

    def get_weather(city: str) -> str:
        """Get the weather in a city"""
        return weather.get_weather(city)

    return [function_tool(get_time), function_tool(get_weather)]


def check_result(result: Any) -> None:
    check.check_text(result.final_output)
    usage = result.context_wrapper.usage
    check.check_count(usage.input_tokens, "input_tokens")
    check.check_count(usage.output_tokens, "output_tokens")


def register(backend: str, api: str, where: str, kind: str, mode: str) -> None:
    """The steps of a combination with one of its models. Streams are asynchronous only."""

    def on(name: str) -> Callable[[check.Run], check.Run]:
        return step(backend, api, ("reasoner: " if kind == "reasoner" else "") + name + where, mode)

    def agent(weather: Weather | None = None, **settings: Any) -> Agent[Any]:
        # A client of its own for every step: those of asynchronous ones belong to their event loop.
        model = MODELS[api](check.MODELS[backend][kind], CLIENTS[where]())
        return Agent(
            "poet", instructions="You are a poet.", model=model, tools=tools(weather) if weather else [], **settings
        )

    async def run(runner: Agent[Any], prompt: Any, **options: Any) -> Any:
        return await value((Runner.run if mode == "async" else Runner.run_sync)(runner, prompt, max_turns=5, **options))

    async def streamed(runner: Agent[Any], prompt: Any, **options: Any) -> tuple[list[str], Any]:
        result = Runner.run_streamed(runner, prompt, max_turns=5, **options)
        deltas = []
        async for event in result.stream_events():
            if event.type == "raw_response_event" and event.data.type == "response.output_text.delta":
                deltas.append(event.data.delta)
        return deltas, result

    @on("plain text")
    async def _() -> None:
        check_result(await run(agent(), "Say hello."))

    @on("tool loop")
    async def _() -> None:
        weather = Weather()
        result = await run(agent(weather), check.CALL_WEATHER)
        weather.check()
        check_result(result)
        assert len(result.raw_responses) == 2, f"{len(result.raw_responses)} answers"

    for choice in ("required", "get_weather"):

        @on(f"tool loop, tool choice {choice}")
        async def _(choice: str = choice) -> None:
            weather = Weather()
            check_result(
                await run(agent(weather, model_settings=ModelSettings(tool_choice=choice)), check.CALL_WEATHER)
            )
            weather.check()

    @on("agent as a tool")
    async def _() -> None:
        helper = agent().as_tool("get_weather", "Get the weather in a city")
        check_result(await run(agent().clone(tools=[helper]), check.CALL_WEATHER))

    @on("handoff")
    async def _() -> None:
        reporter = agent().clone(name="reporter")
        result = await run(agent(handoffs=[reporter]), "Please call transfer_to_reporter.")
        check_result(result)
        assert result.last_agent is reporter

    @on("structured output")
    async def _() -> None:
        check.check_city((await run(agent(output_type=City), "Describe Oslo.")).final_output)

    @on("structured output after a tool loop")
    async def _() -> None:
        weather = Weather()
        result = await run(agent(weather, output_type=City), check.CALL_WEATHER)
        weather.check()
        check.check_city(result.final_output)

    @on("second turn")
    async def _() -> None:
        first = await run(agent(), "Say hello.")
        check_result(await run(agent(), [*first.to_input_list(), {"role": "user", "content": "And now goodbye."}]))

    @on("second turn after a tool loop")
    async def _() -> None:
        weather = Weather()
        first = await run(agent(weather), check.CALL_WEATHER)
        thanks = [*first.to_input_list(), {"role": "user", "content": "Thank you."}]
        check_result(await run(agent(weather), thanks))
        weather.check()

    @on("image")
    async def _() -> None:
        picture = {"type": "input_image", "image_url": check.IMAGE_URL, "detail": "auto"}
        content = [{"type": "input_text", "text": "Which colour?"}, picture]
        check_result(await run(agent(), [{"role": "user", "content": content}]))

    @on("usual settings")
    async def _() -> None:
        plain = ModelSettings(
            temperature=0, top_p=0.9, max_tokens=400, parallel_tool_calls=False, metadata={"topic": "a"}, store=True
        )
        own = ModelSettings(
            reasoning=Reasoning(effort="low", summary="auto" if api == "responses" else None), verbosity="low"
        )
        weather = Weather()
        check_result(await run(agent(weather, model_settings=plain if kind == "chat" else own), check.CALL_WEATHER))
        weather.check()

    if api == "responses":

        @on("second turn, previous_response_id")
        async def _() -> None:
            first = await run(agent(), "Say hello.")
            check_result(await run(agent(), "And now goodbye.", previous_response_id=first.last_response_id))

        @on("tool loop, previous_response_id")
        async def _() -> None:
            weather = Weather()
            check_result(await run(agent(weather), check.CALL_WEATHER, auto_previous_response_id=True))
            weather.check()

        @on("second turn, store false")
        async def _() -> None:
            include = ["reasoning.encrypted_content"] if kind == "reasoner" else None
            weather, own = Weather(), ModelSettings(store=False, response_include=include)
            first = await run(agent(weather, model_settings=own), check.CALL_WEATHER)
            thanks = [*first.to_input_list(), {"role": "user", "content": "Thank you."}]
            check_result(await run(agent(weather, model_settings=own), thanks))
            weather.check()

    if mode == "sync":
        return
    # With an address of one's own it does not ask for a stream's usage by itself.
    counted = ModelSettings(include_usage=True)

    @on("stream")
    async def _() -> None:
        deltas, result = await streamed(agent(model_settings=counted), "Tell a story.")
        check.check_chunks(deltas, result.final_output)
        check_result(result)

    @on("tool loop, stream")
    async def _() -> None:
        weather = Weather()
        deltas, result = await streamed(agent(weather, model_settings=counted), check.CALL_WEATHER)
        weather.check()
        check.check_chunks(deltas, result.final_output)
        check_result(result)

    @on("structured output, stream")
    async def _() -> None:
        deltas, result = await streamed(agent(output_type=City), "Describe Oslo.")
        check.check_city(result.final_output)
        assert City.model_validate_json("".join(deltas)) == result.final_output

    @on("second turn after a tool loop, stream")
    async def _() -> None:
        weather = Weather()
        _, first = await streamed(agent(weather), check.CALL_WEATHER)
        thanks = [*first.to_input_list(), {"role": "user", "content": "Thank you."}]
        deltas, result = await streamed(agent(weather), thanks)
        check.check_chunks(deltas, result.final_output)
        weather.check()

    @on("second turn, session")
    async def _() -> None:
        session, weather = SQLiteSession("steps"), Weather()
        await run(agent(weather), check.CALL_WEATHER, session=session)
        check_result(await run(agent(weather), "Thank you.", session=session))
        weather.check()

    @on("model by its name")
    async def _() -> None:
        provider = OpenAIProvider(openai_client=CLIENTS[where](), use_responses=api == "responses")
        named = Agent("poet", model=provider.get_model(check.MODELS[backend][kind]))
        check_result(await run(named, "Say hello."))


for mode in check.MODES:
    for where in CLIENTS:
        backend = "azure" if where else "openai"
        for api in MODELS:
            for kind in ("chat", "reasoner"):
                register(backend, api, where, kind, mode)

check.run_steps("openai-agents")
