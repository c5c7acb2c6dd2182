"""LiteLLM. On Azure it takes a dated api-version, or v1, which leads to /openai/v1."""

import json
from collections.abc import Callable
from typing import Any

import steps as check
from steps import City, Weather, items, step, value

# isort: split

import litellm

PLACES: dict[str, dict[str, Any]] = {
    "": {"api_base": check.V1["openai"]},
    ", api-version": {"api_base": check.ADDRESS, "api_version": check.API_VERSION},
    ", api-version v1": {"api_base": check.ADDRESS, "api_version": "v1"},
    ", /openai/v1": {"api_base": check.V1["azure"]},
}
PLACE = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
ZONE = {"type": "object", "properties": {"zone": {"type": "string"}}, "required": ["zone"]}
TOOLS = [
    {"name": "get_time", "description": "Tell the time", "parameters": ZONE},
    {"name": "get_weather", "description": "Get the weather in a city", "parameters": PLACE},
]
litellm.telemetry = False
litellm.suppress_debug_info = True


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def options_of(backend: str, where: str, kind: str) -> dict[str, Any]:
    # On Azure it reads what a model can from its name, not from its deployment's.
    provider = "azure" if where in (", api-version", ", api-version v1") else "openai"
    own = {"base_model": f"azure/{check.MODELS['openai'][kind]}"} if provider == "azure" and kind != "emb" else {}
    return {"model": f"{provider}/{check.MODELS[backend][kind]}", "api_key": check.KEY, **PLACES[where], **own}


def register_chat(backend: str, where: str, kind: str, mode: str) -> None:
    """Chat completions with one of a place's models."""

    def on(name: str) -> Callable[[check.Run], check.Run]:
        return step(backend, "chat", ("reasoner: " if kind == "reasoner" else "") + name + where, mode)

    async def ask(messages: list[Any], **options: Any) -> Any:
        complete = litellm.acompletion if mode == "async" else litellm.completion
        return await value(complete(messages=messages, max_retries=0, **options_of(backend, where, kind), **options))

    async def streamed(messages: list[Any], **options: Any) -> tuple[list[str], Any]:
        """The texts, and what LiteLLM builds of the chunks."""
        stream = await ask(messages, stream=True, stream_options={"include_usage": True}, **options)
        chunks = [chunk async for chunk in items(stream)]
        texts = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices and chunk.choices[0].delta.content]
        return texts, litellm.stream_chunk_builder(chunks, messages)

    async def whole(messages: list[Any], **options: Any) -> Any:
        return (await streamed(messages, **options))[1]

    def check_answer(answer: Any) -> None:
        check.check_text(answer.choices[0].message.content)
        check.check_count(answer.usage.prompt_tokens, "prompt_tokens")
        check.check_count(answer.usage.completion_tokens, "completion_tokens")

    async def tool_loop(answered: Any = ask, **options: Any) -> list[Any]:
        """The loop as LiteLLM's documentation writes it."""
        tools = [{"type": "function", "function": tool} for tool in TOOLS]
        weather, messages = Weather(), [user(check.CALL_WEATHER)]
        first = (await answered(messages, tools=tools, tool_choice="auto", **options)).choices[0].message
        messages.append(first)
        for call in first.tool_calls:
            arguments = json.loads(call.function.arguments)
            check.check_weather_call(call.function.name, arguments)
            result = weather.get_weather(**arguments)
            messages.append({"tool_call_id": call.id, "role": "tool", "name": call.function.name, "content": result})
        last = await answered(messages, tools=tools, **options)
        weather.check()
        check_answer(last)
        return [*messages, last.choices[0].message]

    @on("plain text")
    async def _() -> None:
        check_answer(await ask([user("Say hello.")]))

    @on("stream")
    async def _() -> None:
        texts, answer = await streamed([user("Tell a story.")])
        check.check_chunks(texts, answer.choices[0].message.content)
        check_answer(answer)

    @on("tool loop")
    async def _() -> None:
        await tool_loop()

    @on("tool loop, stream")
    async def _() -> None:
        await tool_loop(whole)

    @on("tool choice")
    async def _() -> None:
        tool = {"type": "function", "function": TOOLS[1]}
        choice = {"type": "function", "function": {"name": "get_weather"}}
        (call,) = (await ask([user("Hello.")], tools=[tool], tool_choice=choice)).choices[0].message.tool_calls
        check.check_weather_call(call.function.name, json.loads(call.function.arguments))

    @on("structured output")
    async def _() -> None:
        answer = await ask([user("Describe Oslo.")], response_format=City)
        check.check_city(City.model_validate_json(answer.choices[0].message.content))

    @on("structured output, stream")
    async def _() -> None:
        texts, _answer = await streamed([user("Describe Oslo.")], response_format=City)
        assert len(texts) > 1, f"the stream had {len(texts)} chunk(s)"
        check.check_city(City.model_validate_json("".join(texts)))

    @on("JSON mode")
    async def _() -> None:
        answer = await ask([user("Describe Oslo as JSON.")], response_format={"type": "json_object"})
        assert isinstance(json.loads(answer.choices[0].message.content), dict)

    for name, answered in (("second turn", ask), ("second turn after a stream", whole)):

        @on(name)
        async def _(answered: Any = answered) -> None:
            messages = [{"role": "system", "content": "You are a poet."}, user("Say hello.")]
            messages.append((await answered(messages)).choices[0].message)
            check_answer(await ask([*messages, user("And now goodbye.")]))

    @on("second turn after a tool loop")
    async def _() -> None:
        check_answer(await ask([*await tool_loop(), user("Thank you.")]))

    @on("image")
    async def _() -> None:
        picture = {"type": "image_url", "image_url": {"url": check.IMAGE_URL}}
        check_answer(await ask([user([{"type": "text", "text": "Which colour?"}, picture])]))

    @on("usual settings")
    async def _() -> None:
        plain: dict[str, Any] = {"temperature": 0, "top_p": 0.9, "max_tokens": 400, "seed": 7}
        # LiteLLM sends it as max_completion_tokens.
        own = plain if kind == "chat" else {"max_tokens": 2000, "reasoning_effort": "low"}
        check_answer(await ask([user("Say hello.")], **own))


def register_responses(backend: str, where: str, kind: str, mode: str) -> None:
    """Responses with one of a place's models."""

    def on(name: str) -> Callable[[check.Run], check.Run]:
        return step(backend, "responses", ("reasoner: " if kind == "reasoner" else "") + name + where, mode)

    async def ask(given: Any, **options: Any) -> Any:
        respond = litellm.aresponses if mode == "async" else litellm.responses
        return await value(respond(input=given, max_retries=0, **options_of(backend, where, kind), **options))

    async def streamed(given: Any, **options: Any) -> tuple[list[str], Any]:
        events = [event async for event in items(await ask(given, stream=True, **options))]
        assert events[-1].type == "response.completed", f"the last event is {events[-1].type}"
        return [event.delta for event in events if event.type == "response.output_text.delta"], events[-1].response

    async def whole(given: Any, **options: Any) -> Any:
        return (await streamed(given, **options))[1]

    def text_of(answer: Any) -> str:
        return "".join(part.text for item in answer.output if item.type == "message" for part in item.content)

    def check_answer(answer: Any) -> None:
        check.check_text(text_of(answer))
        check.check_count(answer.usage.input_tokens, "input_tokens")
        check.check_count(answer.usage.output_tokens, "output_tokens")

    def plain(output: list[Any]) -> list[Any]:
        return [item.model_dump(exclude_none=True) for item in output]

    async def tool_loop(answered: Any = ask, by_id: bool = False, **options: Any) -> list[Any]:
        tools = [{"type": "function", **tool} for tool in TOOLS]
        weather, given = Weather(), [user(check.CALL_WEATHER)]
        first = await answered(given, tools=tools, **options)
        given += plain(first.output)
        results = []
        for call in (item for item in first.output if item.type == "function_call"):
            arguments = json.loads(call.arguments)
            check.check_weather_call(call.name, arguments)
            result = weather.get_weather(**arguments)
            results.append({"type": "function_call_output", "call_id": call.call_id, "output": result})
        more = {"previous_response_id": first.id} if by_id else {}
        last = await answered(results if by_id else given + results, tools=tools, **more, **options)
        weather.check()
        check_answer(last)
        return [*given, *results, *plain(last.output)]

    @on("plain text")
    async def _() -> None:
        check_answer(await ask("Say hello.", instructions="You are a poet."))

    @on("stream")
    async def _() -> None:
        texts, answer = await streamed("Tell a story.")
        check.check_chunks(texts, text_of(answer))
        check_answer(answer)

    @on("tool loop")
    async def _() -> None:
        await tool_loop()

    @on("tool loop, stream")
    async def _() -> None:
        await tool_loop(whole)

    @on("tool loop, previous_response_id")
    async def _() -> None:
        await tool_loop(by_id=True)

    @on("tool loop, store false")
    async def _() -> None:
        include = {"include": ["reasoning.encrypted_content"]} if kind == "reasoner" else {}
        await tool_loop(store=False, **include)

    @on("structured output")
    async def _() -> None:
        check.check_city(City.model_validate_json(text_of(await ask("Describe Oslo.", text_format=City))))

    @on("second turn")
    async def _() -> None:
        given = [user("Say hello.")]
        given += plain((await ask(given)).output)
        check_answer(await ask([*given, user("And now goodbye.")]))

    @on("second turn, previous_response_id")
    async def _() -> None:
        first = await ask("Say hello.")
        check_answer(await ask("And now goodbye.", previous_response_id=first.id))

    @on("second turn after a tool loop")
    async def _() -> None:
        check_answer(await ask([*await tool_loop(), user("Thank you.")]))

    @on("image")
    async def _() -> None:
        picture = {"type": "input_image", "image_url": check.IMAGE_URL}
        check_answer(await ask([user([{"type": "input_text", "text": "Which colour?"}, picture])]))

    @on("usual settings")
    async def _() -> None:
        usual: dict[str, Any] = {"temperature": 0, "top_p": 0.9, "max_output_tokens": 400}
        check_answer(await ask("Say hello.", **(usual if kind == "chat" else {"reasoning": {"effort": "low"}})))


def register_embeddings(backend: str, where: str, mode: str) -> None:
    """One text, several, and shorter vectors."""

    async def embed(given: list[str], **settings: Any) -> Any:
        embedding = litellm.aembedding if mode == "async" else litellm.embedding
        answer = await value(embedding(input=given, **options_of(backend, where, "emb"), **settings))
        check.check_count(answer.usage.prompt_tokens, "prompt_tokens")
        return [item["embedding"] for item in answer.data]

    @step(backend, "embeddings", f"one{where}", mode)
    async def _() -> None:
        check.check_vectors(await embed(["hello"]), 1)

    @step(backend, "embeddings", f"batch{where}", mode)
    async def _() -> None:
        check.check_vectors(await embed(["sun", "rain", "snow"]), 3)

    @step(backend, "embeddings", f"batch, dimensions{where}", mode)
    async def _() -> None:
        check.check_vectors(await embed(["sun", "rain"], dimensions=256), 2, 256)


for mode in check.MODES:
    for where in PLACES:
        backend = "azure" if where else "openai"
        for kind in ("chat", "reasoner"):
            register_chat(backend, where, kind, mode)
            register_responses(backend, where, kind, mode)
        register_embeddings(backend, where, mode)

check.run_steps("litellm")
