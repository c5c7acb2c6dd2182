"""LangChain. On Azure it has two ways: AzureChatOpenAI with a dated api-version, and ChatOpenAI with /openai/v1."""

from collections.abc import Callable
from typing import Any

import steps as check
from steps import City, Weather, items, step, value

# isort: split

from langchain.agents import create_agent
from langchain_core.messages import AIMessageChunk, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import AzureChatOpenAI, AzureOpenAIEmbeddings, ChatOpenAI, OpenAIEmbeddings

Create = Callable[..., ChatOpenAI]
# An agent that goes round and round fails soon.
ROUNDS = {"recursion_limit": 20}


def plain(backend: str, **own: Any) -> Create:
    # With an address of one's own LangChain does not ask for a stream's usage by itself.
    where = {"base_url": check.V1[backend], "api_key": check.KEY, "max_retries": 0, "stream_usage": True}
    return lambda kind, **settings: ChatOpenAI(model=check.MODELS[backend][kind], **where, **own, **settings)


def azure(**own: Any) -> Create:
    where = {"azure_endpoint": check.ADDRESS, "api_version": check.API_VERSION, "api_key": check.KEY, "max_retries": 0}
    return lambda kind, **settings: AzureChatOpenAI(
        azure_deployment=check.MODELS["azure"][kind], **where, **own, **settings
    )


COMBINATIONS: list[tuple[str, str, str, Create]] = [
    ("openai", "chat", "", plain("openai")),
    ("openai", "responses", "", plain("openai", use_responses_api=True)),
    ("openai", "responses", ", output v1", plain("openai", use_responses_api=True, output_version="v1")),
    ("azure", "chat", ", AzureChatOpenAI", azure()),
    ("azure", "chat", ", /openai/v1", plain("azure")),
    ("azure", "responses", ", AzureChatOpenAI", azure(use_responses_api=True)),
    ("azure", "responses", ", /openai/v1", plain("azure", use_responses_api=True)),
]


def check_answer(message: Any) -> None:
    check.check_text(message.text)
    check.check_count(message.usage_metadata["input_tokens"], "input_tokens")
    check.check_count(message.usage_metadata["output_tokens"], "output_tokens")


def register(backend: str, api: str, where: str, create: Create, kind: str, mode: str) -> None:
    """The steps of a combination with one of its models."""

    def on(name: str) -> Callable[[check.Run], check.Run]:
        return step(backend, api, ("reasoner: " if kind == "reasoner" else "") + name + where, mode)

    async def invoke(runnable: Any, *arguments: Any, **options: Any) -> Any:
        return await value((runnable.ainvoke if mode == "async" else runnable.invoke)(*arguments, **options))

    def stream(runnable: Any, *arguments: Any, **options: Any) -> Any:
        return items((runnable.astream if mode == "async" else runnable.stream)(*arguments, **options))

    async def streamed(runnable: Any, messages: Any) -> Any:
        whole, texts = None, []
        async for chunk in stream(runnable, messages):
            assert isinstance(chunk, AIMessageChunk)
            texts += [chunk.text] if chunk.text else []
            whole = chunk if whole is None else whole + chunk
        whole.texts = texts
        return whole

    async def tool_loop(messages: list[Any], ask: Any = invoke, **options: Any) -> Any:
        """The loop by hand: the model with tools, each call executed, the results back."""
        weather = Weather()
        tools = {"get_time": tool(weather.get_time), "get_weather": tool(weather.get_weather)}
        bound = model.bind_tools(list(tools.values()), **options)
        first = await ask(bound, messages)
        assert not first.invalid_tool_calls, f"a call is invalid: {first.invalid_tool_calls}"
        check.check_weather_call(first.tool_calls[0]["name"], first.tool_calls[0]["args"])
        messages.append(first)
        for call in first.tool_calls:
            result = await invoke(tools[call["name"]], call)
            assert isinstance(result, ToolMessage)
            messages.append(result)
        messages.append(await ask(bound, messages))
        weather.check()
        check_answer(messages[-1])
        return bound

    model = create(kind)

    @on("plain text")
    async def _() -> None:
        check_answer(await invoke(model, "Say hello."))

    @on("stream")
    async def _() -> None:
        whole = await streamed(model, "Tell a story.")
        check.check_chunks(whole.texts, whole.text)
        check_answer(whole)

    @on("stream that invoke collects")
    async def _() -> None:
        check_answer(await invoke(create(kind, streaming=True), "Tell a story."))

    @on("tool loop")
    async def _() -> None:
        await tool_loop([HumanMessage(check.CALL_WEATHER)])

    @on("tool loop, stream")
    async def _() -> None:
        await tool_loop([HumanMessage(check.CALL_WEATHER)], streamed)

    @on("tool loop, strict tools")
    async def _() -> None:
        await tool_loop([HumanMessage(check.CALL_WEATHER)], strict=True)

    @on("agent")
    async def _() -> None:
        weather = Weather()
        agent = create_agent(model, [weather.get_time, weather.get_weather], system_prompt="You are a poet.")
        state = await invoke(agent, {"messages": [{"role": "user", "content": check.CALL_WEATHER}]}, ROUNDS)
        weather.check()
        check_answer(state["messages"][-1])

    @on("agent, stream")
    async def _() -> None:
        weather, texts = Weather(), []
        agent = create_agent(model, [weather.get_time, weather.get_weather])
        messages = {"messages": [{"role": "user", "content": check.CALL_WEATHER}]}
        async for chunk, _metadata in stream(agent, messages, ROUNDS, stream_mode="messages"):
            texts += [chunk.text] if isinstance(chunk, AIMessageChunk) and chunk.text else []
        weather.check()
        check.check_chunks(texts, "".join(texts))

    @on("agent, structured output")
    async def _() -> None:
        weather = Weather()
        agent = create_agent(model, [weather.get_time, weather.get_weather], response_format=City)
        state = await invoke(agent, {"messages": [{"role": "user", "content": check.CALL_WEATHER}]}, ROUNDS)
        weather.check()
        check.check_city(state["structured_response"])

    for choice in ("any", "get_weather"):

        @on(f"tool choice {choice}")
        async def _(choice: str = choice) -> None:
            message = await invoke(model.bind_tools([Weather().get_weather], tool_choice=choice), "Hello.")
            check.check_weather_call(message.tool_calls[0]["name"], message.tool_calls[0]["args"])

    for method in ("json_schema", "function_calling", "json_mode"):

        @on(f"structured output, {method}")
        async def _(method: str = method) -> None:
            # JSON mode knows no schema, and the service asks for the word JSON.
            schema = None if method == "json_mode" else City
            answer = await invoke(model.with_structured_output(schema, method=method), "Describe Oslo as JSON.")
            assert isinstance(answer, dict | City)
            if schema:
                check.check_city(answer)

    @on("structured output, strict, raw too")
    async def _() -> None:
        answer = await invoke(model.with_structured_output(City, strict=True, include_raw=True), "Describe Oslo.")
        check.check_city(answer["parsed"])
        check.check_count(answer["raw"].usage_metadata["output_tokens"], "output_tokens")

    @on("structured output, stream")
    async def _() -> None:
        schema = City.model_json_schema()
        parts = [part async for part in stream(model.with_structured_output(schema), "Describe Oslo.")]
        assert len(parts) > 1, f"the stream had {len(parts)} object(s)"
        check.check_city(parts[-1])

    for name, ask in (("second turn", invoke), ("second turn after a stream", streamed)):

        @on(name)
        async def _(ask: Any = ask) -> None:
            messages = [HumanMessage("Say hello.")]
            messages += [await ask(model, messages), HumanMessage("And now goodbye.")]
            check_answer(await invoke(model, messages))

    for name, ask in (("second turn after a tool loop", invoke), ("second turn after a tool loop, stream", streamed)):

        @on(name)
        async def _(ask: Any = ask) -> None:
            messages: list[Any] = [HumanMessage(check.CALL_WEATHER)]
            bound = await tool_loop(messages, ask)
            check_answer(await invoke(bound, [*messages, HumanMessage("Thank you.")]))

    @on("second turn, plain tuples")
    async def _() -> None:
        check_answer(await invoke(model, [("human", "Say hello."), ("ai", "Hello!"), ("human", "And now goodbye.")]))

    for name, part in (
        ("image_url part", {"type": "image_url", "image_url": {"url": check.IMAGE_URL}}),
        ("standard block", {"type": "image", "base64": check.PNG, "mime_type": "image/png"}),
    ):

        @on(f"image, {name}")
        async def _(part: Any = part) -> None:
            check_answer(await invoke(model, [HumanMessage([{"type": "text", "text": "Which colour?"}, part])]))

    @on("several text parts, system message")
    async def _() -> None:
        parts = [{"type": "text", "text": "Say hello."}, {"type": "text", "text": "Then say goodbye."}]
        check_answer(await invoke(model, [SystemMessage("You are a poet."), HumanMessage(parts)]))

    @on("usual settings")
    async def _() -> None:
        usual: dict[str, Any] = {"temperature": 0, "top_p": 0.9, "max_tokens": 400}
        own = usual if kind == "chat" else {"max_tokens": 2000, "reasoning_effort": "low"}
        check_answer(await invoke(create(kind, **own), "Say hello."))

    if kind == "reasoner":

        @on("reasoning tokens counted")
        async def _() -> None:
            message = await invoke(create(kind, reasoning_effort="high"), "Prove that 97 is prime.")
            check.check_count(message.usage_metadata["output_token_details"]["reasoning"], "the reasoning's tokens")

    if api == "responses":

        @on("second turn, previous_response_id")
        async def _() -> None:
            first = await invoke(model, "Say hello.")
            check.check_text(first.response_metadata["id"])
            again = {"previous_response_id": first.response_metadata["id"]}
            check_answer(await invoke(model, "And now goodbye.", **again))

        @on("second turn after an agent, use_previous_response_id")
        async def _() -> None:
            weather = Weather()
            agent = create_agent(create(kind, use_previous_response_id=True), [weather.get_time, weather.get_weather])
            state = await invoke(agent, {"messages": [HumanMessage(check.CALL_WEATHER)]}, ROUNDS)
            weather.check()
            state = await invoke(agent, {"messages": [*state["messages"], HumanMessage("And now say goodbye.")]})
            check_answer(state["messages"][-1])

        @on("second turn, store false")
        async def _() -> None:
            include = ["reasoning.encrypted_content"] if kind == "reasoner" else None
            forgetful = create(kind, store=False, include=include)
            messages = [HumanMessage("Say hello.")]
            messages += [await invoke(forgetful, messages), HumanMessage("And now goodbye.")]
            check_answer(await invoke(forgetful, messages))

    if api == "responses" and kind == "reasoner":

        @on("reasoning summary in the content")
        async def _() -> None:
            reasoning = {"effort": "high", "summary": "detailed"}
            message = await invoke(create(kind, reasoning=reasoning), "Prove that 97 is prime.")
            block = next(block for block in message.content_blocks if block["type"] == "reasoning")
            check.check_text(block["reasoning"])
            check_answer(message)


def register_embeddings(backend: str, where: str, embeddings: Callable[..., Any], mode: str) -> None:
    """One text, several, and shorter vectors."""

    async def embed(what: str, given: Any, **settings: Any) -> Any:
        # Without this LangChain fetches a tokenizer from the internet and sends tokens.
        model = embeddings(check_embedding_ctx_length=False, **settings)
        return await value(getattr(model, f"a{what}" if mode == "async" else what)(given))

    @step(backend, "embeddings", f"one{where}", mode)
    async def _() -> None:
        check.check_vectors([await embed("embed_query", "hello")], 1)

    @step(backend, "embeddings", f"batch{where}", mode)
    async def _() -> None:
        check.check_vectors(await embed("embed_documents", ["sun", "rain", "snow"]), 3)

    @step(backend, "embeddings", f"batch, dimensions{where}", mode)
    async def _() -> None:
        check.check_vectors(await embed("embed_documents", ["sun", "rain"], dimensions=256), 2, 256)


def openai_embeddings(backend: str) -> Callable[..., Any]:
    where = {"base_url": check.V1[backend], "api_key": check.KEY}
    return lambda **settings: OpenAIEmbeddings(model=check.MODELS[backend]["emb"], **where, **settings)


def azure_embeddings(**settings: Any) -> AzureOpenAIEmbeddings:
    where = {"azure_endpoint": check.ADDRESS, "api_version": check.API_VERSION, "api_key": check.KEY}
    return AzureOpenAIEmbeddings(
        azure_deployment=check.MODELS["azure"]["emb"], model=check.MODELS["openai"]["emb"], **where, **settings
    )


for mode in check.MODES:
    for backend, api, where, create in COMBINATIONS:
        for kind in ("chat", "reasoner"):
            register(backend, api, where, create, kind, mode)
    register_embeddings("openai", "", openai_embeddings("openai"), mode)
    register_embeddings("azure", ", AzureOpenAIEmbeddings", azure_embeddings, mode)
    register_embeddings("azure", ", /openai/v1", openai_embeddings("azure"), mode)

check.run_steps("langchain-openai")
