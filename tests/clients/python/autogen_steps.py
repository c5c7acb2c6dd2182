"""AutoGen. It is asynchronous only; on Azure it has AzureOpenAIChatCompletionClient, and the plain client for /openai/v1."""

import json
from collections.abc import Callable
from typing import Any

import steps as check
from steps import City, Weather, step

# isort: split

import openai
from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.messages import MultiModalMessage, TextMessage
from autogen_core import CancellationToken, Image
from autogen_core.models import (
    AssistantMessage,
    FunctionExecutionResult,
    FunctionExecutionResultMessage,
    ModelInfo,
    SystemMessage,
    UserMessage,
)
from autogen_core.tools import FunctionTool
from autogen_ext.agents.openai import OpenAIAgent
from autogen_ext.models.openai import AzureOpenAIChatCompletionClient, OpenAIChatCompletionClient

CLIENTS: dict[str, Callable[[], Any]] = {
    "": lambda: openai.AsyncOpenAI(base_url=check.V1["openai"], api_key=check.KEY, max_retries=0),
    ", AzureOpenAIChatCompletionClient": lambda: openai.AsyncAzureOpenAI(
        azure_endpoint=check.ADDRESS, api_version=check.API_VERSION, api_key=check.KEY, max_retries=0
    ),
    ", /openai/v1": lambda: openai.AsyncOpenAI(base_url=check.V1["azure"], api_key=check.KEY, max_retries=0),
}
PICTURE = Image.from_base64(check.PNG)


def tools(weather: Weather, strict: bool = False) -> list[FunctionTool]:
    return [
        FunctionTool(weather.get_time, "Tell the time", name="get_time", strict=strict),
        FunctionTool(weather.get_weather, "Get the weather in a city", name="get_weather", strict=strict),
    ]


def user(content: Any) -> UserMessage:
    return UserMessage(content=content, source="user")


def register_chat(backend: str, where: str, kind: str) -> None:
    """Chat completions: the client, and an agent of it."""

    def on(name: str) -> Callable[[check.Run], check.Run]:
        return step(backend, "chat", ("reasoner: " if kind == "reasoner" else "") + name + where, "async")

    def client(**settings: Any) -> Any:
        own: dict[str, Any] = {
            "api_key": check.KEY,
            "max_retries": 0,
            "model": check.MODELS["openai"][kind],
            **settings,
        }
        if where == ", AzureOpenAIChatCompletionClient":
            own |= {"azure_endpoint": check.ADDRESS, "api_version": check.API_VERSION}
            return AzureOpenAIChatCompletionClient(azure_deployment=check.MODELS["azure"][kind], **own)
        if backend == "azure":
            # It knows models by name, not deployments.
            about = {"vision": True, "function_calling": True, "json_output": True, "structured_output": True}
            own |= {"model": check.MODELS["azure"][kind], "model_info": ModelInfo(family="unknown", **about)}
        return OpenAIChatCompletionClient(base_url=check.V1[backend], **own)

    def check_answer(result: Any) -> None:
        check.check_text(result.content)
        check.check_count(result.usage.prompt_tokens, "prompt_tokens")
        check.check_count(result.usage.completion_tokens, "completion_tokens")

    async def ask(messages: list[Any], **options: Any) -> Any:
        return await client().create(messages, **options)

    async def streamed(messages: list[Any], **options: Any) -> tuple[list[str], Any]:
        *texts, result = [part async for part in client().create_stream(messages, include_usage=True, **options)]
        return texts, result

    async def whole(messages: list[Any], **options: Any) -> Any:
        return (await streamed(messages, **options))[1]

    async def tool_loop(answered: Any = ask, strict: bool = False) -> list[Any]:
        weather, messages = Weather(), [SystemMessage(content="You are a poet."), user(check.CALL_WEATHER)]
        offered = tools(weather, strict)
        first = await answered(messages, tools=offered)
        (call,) = first.content
        check.check_weather_call(call.name, json.loads(call.arguments))
        text = offered[1].return_value_as_string(
            await offered[1].run_json(json.loads(call.arguments), CancellationToken())
        )
        result = FunctionExecutionResult(content=text, call_id=call.id, name=call.name, is_error=False)
        messages += [
            AssistantMessage(content=first.content, source="poet"),
            FunctionExecutionResultMessage(content=[result]),
        ]
        last = await answered(messages, tools=offered)
        weather.check()
        check_answer(last)
        return [*messages, AssistantMessage(content=last.content, source="poet")]

    @on("plain text")
    async def _() -> None:
        check_answer(await ask([user("Say hello.")]))

    @on("stream")
    async def _() -> None:
        texts, result = await streamed([user("Tell a story.")])
        check.check_chunks(texts, result.content)
        check_answer(result)

    @on("tool loop")
    async def _() -> None:
        await tool_loop()

    @on("tool loop, stream")
    async def _() -> None:
        await tool_loop(whole)

    @on("tool loop, strict tools")
    async def _() -> None:
        await tool_loop(strict=True)

    for name in ("required", "get_weather"):

        @on(f"tool choice {name}")
        async def _(name: str = name) -> None:
            tool = tools(Weather())[1]
            result = await ask([user("Hello.")], tools=[tool], tool_choice="required" if name == "required" else tool)
            (call,) = result.content
            check.check_weather_call(call.name, json.loads(call.arguments))

    @on("structured output")
    async def _() -> None:
        check.check_city(City.model_validate_json((await ask([user("Describe Oslo.")], json_output=City)).content))

    @on("structured output, stream")
    async def _() -> None:
        texts, result = await streamed([user("Describe Oslo.")], json_output=City)
        check.check_chunks(texts, result.content)
        check.check_city(City.model_validate_json(result.content))

    @on("JSON mode")
    async def _() -> None:
        answer = await ask([user("Describe Oslo as JSON.")], json_output=True)
        assert isinstance(json.loads(answer.content), dict)

    @on("second turn after a tool loop")
    async def _() -> None:
        check_answer(await ask([*await tool_loop(), user("Thank you.")]))

    @on("image")
    async def _() -> None:
        check_answer(await ask([user(["Which colour?", PICTURE])]))

    @on("usual settings")
    async def _() -> None:
        plain: dict[str, Any] = {"temperature": 0, "top_p": 0.9, "max_tokens": 400, "seed": 7}
        own = plain if kind == "chat" else {"max_completion_tokens": 2000, "reasoning_effort": "low"}
        check_answer(await client(**own).create([user("Say hello.")]))

    @on("agent, second turn")
    async def _() -> None:
        weather = Weather()
        agent = AssistantAgent("poet", client(), tools=tools(weather), max_tool_iterations=4)
        result = await agent.run(task=check.CALL_WEATHER)
        weather.check()
        check.check_text(result.messages[-1].content)
        check.check_text((await agent.run(task="Thank you.")).messages[-1].content)

    @on("agent, reflection, stream")
    async def _() -> None:
        weather, texts = Weather(), []
        own = {"reflect_on_tool_use": True, "model_client_stream": True}
        agent = AssistantAgent("poet", client(), tools=tools(weather), **own)
        async for event in agent.run_stream(task=check.CALL_WEATHER):
            texts += [event.content] if getattr(event, "type", "") == "ModelClientStreamingChunkEvent" else []
        weather.check()
        check.check_chunks(texts, event.messages[-1].content)

    @on("agent, structured output after a tool loop")
    async def _() -> None:
        weather = Weather()
        agent = AssistantAgent("poet", client(), tools=tools(weather, strict=True), output_content_type=City)
        result = await agent.run(task=check.CALL_WEATHER)
        weather.check()
        check.check_city(result.messages[-1].content)


def register_responses(backend: str, where: str, kind: str) -> None:
    """Responses: an agent, which has no tools of one's own."""

    def on(name: str) -> Callable[[check.Run], check.Run]:
        where_of_agent = ", AsyncAzureOpenAI" if "Azure" in where else where
        return step(backend, "responses", ("reasoner: " if kind == "reasoner" else "") + name + where_of_agent, "async")

    def agent(**settings: Any) -> OpenAIAgent:
        own = {"temperature": None} if kind == "reasoner" else {}
        model = check.MODELS[backend][kind]
        return OpenAIAgent("poet", "A poet", CLIENTS[where](), model, "You are a poet.", **own, **settings)

    async def ask(asked: OpenAIAgent, *messages: Any) -> Any:
        return (await asked.on_messages(messages, CancellationToken())).chat_message

    @on("plain text")
    async def _() -> None:
        check.check_text((await agent().run(task="Say hello.")).messages[-1].content)

    @on("second turn, previous_response_id")
    async def _() -> None:
        asked = agent()
        check.check_text((await ask(asked, TextMessage(content="Say hello.", source="user"))).content)
        check.check_text((await ask(asked, TextMessage(content="And now goodbye.", source="user"))).content)

    @on("second turn, store false")
    async def _() -> None:
        asked = agent(store=False)
        check.check_text((await ask(asked, TextMessage(content="Say hello.", source="user"))).content)
        check.check_text((await ask(asked, TextMessage(content="And now goodbye.", source="user"))).content)

    @on("image")
    async def _() -> None:
        message = MultiModalMessage(content=["Which colour?", PICTURE], source="user")
        check.check_text((await ask(agent(), message)).content)

    @on("JSON mode")
    async def _() -> None:
        message = TextMessage(content="Describe Oslo as JSON.", source="user")
        assert isinstance(json.loads((await ask(agent(json_mode=True), message)).content), dict)

    @on("usual settings")
    async def _() -> None:
        asked = agent(max_output_tokens=2000, truncation="auto")
        check.check_text((await ask(asked, TextMessage(content="Say hello.", source="user"))).content)


for where in CLIENTS:
    backend = "azure" if where else "openai"
    for kind in ("chat", "reasoner"):
        register_chat(backend, where, kind)
        register_responses(backend, where, kind)

check.run_steps("autogen-ext")
