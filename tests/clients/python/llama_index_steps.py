"""LlamaIndex. It takes only names of models that it knows, so a deployment at /openai/v1 has its model's name."""

import base64
from collections.abc import Callable
from typing import Any

import steps as check
from steps import City, Weather, items, step, value

# isort: split

from llama_index.core.agent.workflow import AgentStream, FunctionAgent
from llama_index.core.llms import ChatMessage, ImageBlock, TextBlock
from llama_index.core.prompts import PromptTemplate
from llama_index.core.tools import FunctionTool
from llama_index.core.workflow import Context
from llama_index.embeddings.azure_openai import AzureOpenAIEmbedding
from llama_index.embeddings.openai import OpenAIEmbedding
from llama_index.llms.azure_openai import AzureOpenAI, AzureOpenAIResponses
from llama_index.llms.openai import OpenAI, OpenAIResponses

NAMES = check.MODELS["openai"]
Create = Callable[..., Any]


def plain(backend: str, model: Any) -> Create:
    where = {"api_base": check.V1[backend], "api_key": check.KEY, "max_retries": 0}
    return lambda kind, **settings: model(model=NAMES[kind], **where, **settings)


def azure(model: Any) -> Create:
    where = {"azure_endpoint": check.ADDRESS, "api_version": check.API_VERSION, "api_key": check.KEY, "max_retries": 0}
    return lambda kind, **settings: model(engine=check.MODELS["azure"][kind], model=NAMES[kind], **where, **settings)


COMBINATIONS: list[tuple[str, str, str, Create]] = [
    ("openai", "chat", "", plain("openai", OpenAI)),
    ("openai", "responses", "", plain("openai", OpenAIResponses)),
    ("azure", "chat", ", AzureOpenAI", azure(AzureOpenAI)),
    ("azure", "chat", ", /openai/v1", plain("azure", OpenAI)),
    ("azure", "responses", ", AzureOpenAIResponses", azure(AzureOpenAIResponses)),
    ("azure", "responses", ", /openai/v1", plain("azure", OpenAIResponses)),
]


def register(backend: str, api: str, where: str, create: Create, kind: str, mode: str) -> None:
    """The steps of a combination with one of its models."""

    def on(name: str) -> Callable[[check.Run], check.Run]:
        return step(backend, api, ("reasoner: " if kind == "reasoner" else "") + name + where, mode)

    async def ask(method: str, *arguments: Any, on: Any = None, **options: Any) -> Any:
        return await value(getattr(on or model, f"a{method}" if mode == "async" else method)(*arguments, **options))

    def check_answer(answer: Any) -> None:
        check.check_text(answer.message.content)
        check_usage(answer.raw.usage)

    def check_usage(usage: Any) -> None:
        check.check_count(usage.prompt_tokens if api == "chat" else usage.input_tokens, "the prompt's tokens")
        check.check_count(usage.completion_tokens if api == "chat" else usage.output_tokens, "the answer's tokens")

    def tools(weather: Weather) -> list[FunctionTool]:
        return [FunctionTool.from_defaults(weather.get_time), FunctionTool.from_defaults(weather.get_weather)]

    async def collected(stream: Any) -> tuple[list[str], Any]:
        """The deltas, and the last answer."""
        answers = [answer async for answer in items(stream)]
        return [answer.delta for answer in answers if answer.delta], answers[-1]

    async def tool_loop(streamed: bool = False, **options: Any) -> list[ChatMessage]:
        """The loop by hand: the model with tools, each call executed, the results back."""

        async def answered() -> Any:
            if streamed:
                _, answer = await collected(
                    await ask("stream_chat_with_tools", offered, chat_history=history, **options)
                )
            else:
                answer = await ask("chat_with_tools", offered, chat_history=history, **options)
            return answer

        weather, history = Weather(), [ChatMessage(role="user", content=check.CALL_WEATHER)]
        offered = tools(weather)
        first = await answered()
        history.append(first.message)
        for call in model.get_tool_calls_from_response(first):
            check.check_weather_call(call.tool_name, call.tool_kwargs)
            result = offered[1].call(**call.tool_kwargs)
            about = {"tool_call_id": call.tool_id}
            history.append(ChatMessage(role="tool", content=str(result), additional_kwargs=about))
        last = await answered()
        weather.check()
        check.check_text(last.message.content)
        return [*history, last.message]

    model = create(kind)
    hello = [ChatMessage(role="user", content="Say hello.")]

    @on("plain text")
    async def _() -> None:
        check_answer(await ask("chat", hello))

    @on("completion")
    async def _() -> None:
        check.check_text((await ask("complete", "Say hello.")).text)

    @on("stream")
    async def _() -> None:
        counted = {"additional_kwargs": {"stream_options": {"include_usage": True}}} if api == "chat" else {}
        story = [ChatMessage(role="user", content="Tell a story.")]
        deltas, last = await collected(await ask("stream_chat", story, on=create(kind, **counted)))
        check.check_chunks(deltas, last.message.content)
        check_usage(last.raw.usage if api == "chat" else last.additional_kwargs["usage"])

    @on("completion, stream")
    async def _() -> None:
        deltas, last = await collected(await ask("stream_complete", "Tell a story."))
        check.check_chunks(deltas, last.text)

    @on("tool loop")
    async def _() -> None:
        await tool_loop()

    @on("tool loop, stream")
    async def _() -> None:
        await tool_loop(streamed=True)

    @on("tool choice")
    async def _() -> None:
        answer = await ask("chat_with_tools", tools(Weather()), "Hello.", tool_choice="get_weather")
        (call,) = model.get_tool_calls_from_response(answer)
        check.check_weather_call(call.tool_name, call.tool_kwargs)

    @on("tool required, strict tools")
    async def _() -> None:
        strict = create(kind, strict=True)
        answer = await ask("chat_with_tools", tools(Weather())[1:], "Hello.", tool_required=True, on=strict)
        (call,) = strict.get_tool_calls_from_response(answer)
        check.check_weather_call(call.tool_name, call.tool_kwargs)

    @on("predict and call")
    async def _() -> None:
        weather = Weather()
        answer = await ask("predict_and_call", tools(weather), check.CALL_WEATHER)
        weather.check()
        assert answer.response == check.WEATHER

    @on("structured output")
    async def _() -> None:
        prompt = PromptTemplate("Describe {city}.")
        check.check_city(await ask("structured_predict", City, prompt, city="Oslo"))

    @on("structured output, structured model")
    async def _() -> None:
        answer = await ask(
            "chat", [ChatMessage(role="user", content="Describe Oslo.")], on=model.as_structured_llm(City)
        )
        check.check_city(answer.raw)

    @on("structured output, stream")
    async def _() -> None:
        prompt = PromptTemplate("Describe {city}.")
        parts = [part async for part in items(await ask("stream_structured_predict", City, prompt, city="Oslo"))]
        assert len(parts) > 1, f"the stream had {len(parts)} object(s)"
        check.check_city(parts[-1].model_dump())

    @on("second turn")
    async def _() -> None:
        first = await ask("chat", hello)
        check_answer(await ask("chat", [*hello, first.message, ChatMessage(role="user", content="And now goodbye.")]))

    @on("second turn after a stream")
    async def _() -> None:
        _, first = await collected(await ask("stream_chat", hello))
        check_answer(await ask("chat", [*hello, first.message, ChatMessage(role="user", content="And now goodbye.")]))

    @on("second turn after a tool loop")
    async def _() -> None:
        history = await tool_loop()
        check_answer(await ask("chat", [*history, ChatMessage(role="user", content="Thank you.")]))

    @on("second turn, plain strings")
    async def _() -> None:
        turns = [("system", "You are a poet."), ("user", "Say hello."), ("assistant", "Hello!"), ("user", "Bye.")]
        check_answer(await ask("chat", [ChatMessage(role=role, content=text) for role, text in turns]))

    for name, part in (
        ("bytes", ImageBlock(image=base64.b64decode(check.PNG))),
        ("address", ImageBlock(url="https://example.com/red.png", detail="low")),
    ):

        @on(f"image, {name}")
        async def _(part: Any = part) -> None:
            check_answer(await ask("chat", [ChatMessage(role="user", blocks=[TextBlock(text="Which colour?"), part])]))

    @on("usual settings")
    async def _() -> None:
        limit = "max_tokens" if api == "chat" else "max_output_tokens"
        own: dict[str, Any] = {limit: 2000}
        if kind == "reasoner" and api == "chat":
            own["reasoning_effort"] = "low"
        elif kind == "reasoner":
            own["reasoning_options"] = {"effort": "low", "summary": "auto"}
        else:
            own["temperature"] = 0
        check_answer(await ask("chat", hello, on=create(kind, **own)))

    if api == "responses":

        @on("second turn, previous_response_id")
        async def _() -> None:
            tracked = create(kind, track_previous_responses=True, store=True)
            check_answer(await ask("chat", hello, on=tracked))
            second = await ask("chat", [ChatMessage(role="user", content="And now goodbye.")], on=tracked)
            check.check_text(second.raw.previous_response_id)
            check_answer(second)

        @on("instructions, store")
        async def _() -> None:
            check_answer(await ask("chat", hello, on=create(kind, instructions="You are a poet.", store=True)))

    if api == "responses" and kind == "reasoner":

        @on("second turn, encrypted reasoning")
        async def _() -> None:
            own = {
                "include": ["reasoning.encrypted_content"],
                "reasoning_options": {"effort": "high", "summary": "auto"},
            }
            thinker = create(kind, **own)
            history = [ChatMessage(role="user", content="Prove that 97 is prime.")]
            history.append((await ask("chat", history, on=thinker)).message)
            assert any(block.block_type == "thinking" for block in history[-1].blocks), "no reasoning"
            check_answer(await ask("chat", [*history, ChatMessage(role="user", content="And 91?")], on=thinker))

    # Agents are asynchronous only.
    if mode == "sync":
        return

    for streaming in (False, True):

        @on("agent, stream" if streaming else "agent")
        async def _(streaming: bool = streaming) -> None:
            weather = Weather()
            agent = FunctionAgent(tools=tools(weather), llm=model, system_prompt="You are a poet.", streaming=streaming)
            run = agent.run(check.CALL_WEATHER, max_iterations=5)
            deltas = [
                event.delta async for event in run.stream_events() if isinstance(event, AgentStream) and event.delta
            ]
            answer = str(await run)
            weather.check()
            check.check_text(answer)
            if streaming:
                check.check_chunks(deltas, answer)

    @on("agent, second turn")
    async def _() -> None:
        weather = Weather()
        agent = FunctionAgent(tools=tools(weather), llm=model, system_prompt="You are a poet.")
        context = Context(agent)
        await agent.run(check.CALL_WEATHER, ctx=context, max_iterations=5)
        weather.check()
        check.check_text(str(await agent.run("Thank you.", ctx=context, max_iterations=5)))

    @on("agent, structured output")
    async def _() -> None:
        weather = Weather()
        agent = FunctionAgent(tools=tools(weather), llm=model, output_cls=City)
        result = await agent.run(check.CALL_WEATHER, max_iterations=5)
        weather.check()
        check.check_city(result.structured_response)


def register_embeddings(backend: str, where: str, create: Create, mode: str) -> None:
    """One text, several, and shorter vectors."""

    async def embed(what: str, given: Any, **settings: Any) -> Any:
        model = create("emb", **settings)
        return await value(getattr(model, f"a{what}" if mode == "async" else what)(given))

    @step(backend, "embeddings", f"one{where}", mode)
    async def _() -> None:
        check.check_vectors([await embed("get_query_embedding", "hello")], 1)

    @step(backend, "embeddings", f"batch{where}", mode)
    async def _() -> None:
        check.check_vectors(await embed("get_text_embedding_batch", ["sun", "rain", "snow"]), 3)

    @step(backend, "embeddings", f"batch, dimensions{where}", mode)
    async def _() -> None:
        check.check_vectors(await embed("get_text_embedding_batch", ["sun", "rain"], dimensions=256), 2, 256)


def azure_embeddings(_kind: str, **settings: Any) -> AzureOpenAIEmbedding:
    where = {"azure_endpoint": check.ADDRESS, "api_version": check.API_VERSION, "api_key": check.KEY}
    return AzureOpenAIEmbedding(azure_deployment=check.MODELS["azure"]["emb"], model=NAMES["emb"], **where, **settings)


for mode in check.MODES:
    for backend, api, where, create in COMBINATIONS:
        for kind in ("chat", "reasoner"):
            register(backend, api, where, create, kind, mode)
    register_embeddings("openai", "", plain("openai", OpenAIEmbedding), mode)
    register_embeddings("azure", ", AzureOpenAIEmbedding", azure_embeddings, mode)
    register_embeddings("azure", ", /openai/v1", plain("azure", OpenAIEmbedding), mode)

check.run_steps("llama-index-llms-openai")
