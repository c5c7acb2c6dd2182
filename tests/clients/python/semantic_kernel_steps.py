"""Semantic Kernel. It is asynchronous only, and its own setting of Azure's address insists on https, so it gets clients."""

import base64
from collections.abc import Callable
from typing import Annotated, Any

import steps as check
from steps import City, Weather, step

# isort: split

import openai
from semantic_kernel import Kernel
from semantic_kernel.agents import (
    AzureResponsesAgent,
    ChatCompletionAgent,
    ChatHistoryAgentThread,
    OpenAIResponsesAgent,
)
from semantic_kernel.connectors.ai.function_choice_behavior import FunctionChoiceBehavior
from semantic_kernel.connectors.ai.open_ai import (
    AzureChatCompletion,
    AzureTextEmbedding,
    OpenAIChatCompletion,
    OpenAIChatPromptExecutionSettings,
    OpenAIEmbeddingPromptExecutionSettings,
    OpenAITextEmbedding,
)
from semantic_kernel.contents import (
    ChatHistory,
    ChatMessageContent,
    ImageContent,
    StreamingChatMessageContent,
    TextContent,
)
from semantic_kernel.functions import KernelArguments, kernel_function

CLIENTS: dict[str, Callable[[], Any]] = {
    "": lambda: openai.AsyncOpenAI(base_url=check.V1["openai"], api_key=check.KEY, max_retries=0),
    ", api-version": lambda: openai.AsyncAzureOpenAI(
        azure_endpoint=check.ADDRESS, api_version=check.API_VERSION, api_key=check.KEY, max_retries=0
    ),
    ", /openai/v1": lambda: openai.AsyncOpenAI(base_url=check.V1["azure"], api_key=check.KEY, max_retries=0),
}


class Plugin(Weather):
    """The tools as Semantic Kernel takes them."""

    @kernel_function(name="get_time", description="Tell the time")
    def time(self, zone: Annotated[str, "the zone's name"]) -> str:
        return self.get_time(zone)

    @kernel_function(name="get_weather", description="Get the weather in a city")
    def weather(self, city: Annotated[str, "the city's name"]) -> str:
        return self.get_weather(city)


# Semantic Kernel puts the plugin's name before its functions' names.
CALL_WEATHER = "Please call plugin-get_weather for Oslo."


def prompt(text: str) -> ChatHistory:
    history = ChatHistory(system_message="You are a poet.")
    history.add_user_message(text)
    return history


def register_chat(backend: str, where: str, kind: str) -> None:
    """Chat completions: the service, and an agent of it."""

    def on(name: str) -> Callable[[check.Run], check.Run]:
        return step(backend, "chat", ("reasoner: " if kind == "reasoner" else "") + name + where, "async")

    def service() -> Any:
        model = check.MODELS[backend][kind]
        if where == ", api-version":
            own = {"deployment_name": model, "endpoint": "https://not-asked.example", "api_version": check.API_VERSION}
            return AzureChatCompletion(**own, async_client=CLIENTS[where]())
        return OpenAIChatCompletion(ai_model_id=model, async_client=CLIENTS[where]())

    def check_answer(message: Any) -> None:
        check.check_text(str(message))
        check.check_count(message.metadata["usage"].prompt_tokens, "prompt_tokens")
        check.check_count(message.metadata["usage"].completion_tokens, "completion_tokens")

    async def ask(history: ChatHistory, plugin: Plugin | None = None, **settings: Any) -> Any:
        kernel = Kernel()
        if plugin:
            kernel.add_plugin(plugin, "plugin")
            settings.setdefault("function_choice_behavior", FunctionChoiceBehavior.Auto())
        chosen = OpenAIChatPromptExecutionSettings(**settings)
        return await service().get_chat_message_content(history, chosen, kernel=kernel)

    async def streamed(history: ChatHistory, plugin: Plugin | None = None, **settings: Any) -> tuple[list[str], Any]:
        kernel = Kernel()
        if plugin:
            kernel.add_plugin(plugin, "plugin")
            settings.setdefault("function_choice_behavior", FunctionChoiceBehavior.Auto())
        chosen = OpenAIChatPromptExecutionSettings(**settings)
        stream = service().get_streaming_chat_message_content(history, chosen, kernel=kernel)
        chunks = [chunk async for chunk in stream if isinstance(chunk, StreamingChatMessageContent)]
        texts = [str(chunk) for chunk in chunks if str(chunk)]
        return texts, chunks

    @on("plain text")
    async def _() -> None:
        check_answer(await ask(prompt("Say hello.")))

    @on("stream")
    async def _() -> None:
        texts, chunks = await streamed(prompt("Tell a story."))
        whole = chunks[0]
        for chunk in chunks[1:]:
            whole += chunk
        check.check_chunks(texts, str(whole))
        check.check_count(whole.metadata["usage"].completion_tokens, "completion_tokens")

    @on("tool loop")
    async def _() -> None:
        plugin = Plugin()
        check_answer(await ask(prompt(CALL_WEATHER), plugin))
        plugin.check()

    @on("tool loop, stream")
    async def _() -> None:
        plugin = Plugin()
        texts, _chunks = await streamed(prompt(CALL_WEATHER), plugin)
        plugin.check()
        check.check_chunks(texts, "".join(texts))

    @on("tool loop, required")
    async def _() -> None:
        plugin = Plugin()
        required = FunctionChoiceBehavior.Required(filters={"included_functions": ["plugin-get_weather"]})
        check_answer(await ask(prompt("Hello."), plugin, function_choice_behavior=required))
        plugin.check()

    @on("structured output")
    async def _() -> None:
        answer = await ask(prompt("Describe Oslo."), response_format=City)
        check.check_city(City.model_validate_json(str(answer)))

    @on("structured output, stream")
    async def _() -> None:
        texts, _chunks = await streamed(prompt("Describe Oslo."), response_format=City)
        assert len(texts) > 1, f"the stream had {len(texts)} chunk(s)"
        check.check_city(City.model_validate_json("".join(texts)))

    @on("structured output after a tool loop")
    async def _() -> None:
        plugin = Plugin()
        answer = await ask(prompt(CALL_WEATHER), plugin, response_format=City)
        plugin.check()
        check.check_city(City.model_validate_json(str(answer)))

    @on("second turn after a tool loop")
    async def _() -> None:
        history, plugin = prompt(CALL_WEATHER), Plugin()
        history.add_message(await ask(history, plugin))
        history.add_user_message("Thank you.")
        check_answer(await ask(history, plugin))
        plugin.check()

    @on("image")
    async def _() -> None:
        picture = ImageContent(data=base64.b64decode(check.PNG), data_format="base64", mime_type="image/png")
        history = ChatHistory()
        history.add_message(ChatMessageContent(role="user", items=[TextContent(text="Which colour?"), picture]))
        check_answer(await ask(history))

    @on("usual settings")
    async def _() -> None:
        plain: dict[str, Any] = {"temperature": 0, "top_p": 0.9, "max_tokens": 400, "seed": 7}
        own = plain if kind == "chat" else {"max_completion_tokens": 2000, "reasoning_effort": "low"}
        check_answer(await ask(prompt("Say hello."), **own))

    @on("agent, second turn")
    async def _() -> None:
        plugin, thread = Plugin(), ChatHistoryAgentThread()
        agent = ChatCompletionAgent(service=service(), name="poet", instructions="You are a poet.", plugins=[plugin])
        answer = await agent.get_response("Please call Plugin-get_weather for Oslo.", thread=thread)
        plugin.check()
        check.check_text(str(answer))
        check.check_text(str(await agent.get_response("Thank you.", thread=thread)))

    @on("agent, stream")
    async def _() -> None:
        plugin = Plugin()
        agent = ChatCompletionAgent(service=service(), name="poet", plugins=[plugin])
        chunks = agent.invoke_stream("Please call Plugin-get_weather for Oslo.")
        texts = [str(chunk) async for chunk in chunks if str(chunk)]
        plugin.check()
        check.check_chunks(texts, "".join(texts))

    @on("agent, structured output")
    async def _() -> None:
        arguments = KernelArguments(OpenAIChatPromptExecutionSettings(response_format=City))
        agent = ChatCompletionAgent(service=service(), name="poet", arguments=arguments)
        check.check_city(City.model_validate_json(str(await agent.get_response("Describe Oslo."))))


def register_responses(backend: str, where: str, kind: str) -> None:
    """Responses: an agent."""

    def on(name: str) -> Callable[[check.Run], check.Run]:
        return step(backend, "responses", ("reasoner: " if kind == "reasoner" else "") + name + where, "async")

    def agent(plugin: Plugin | None = None, **settings: Any) -> Any:
        create = AzureResponsesAgent if where == ", api-version" else OpenAIResponsesAgent
        where_and_what = {"ai_model_id": check.MODELS[backend][kind], "client": CLIENTS[where]()}
        plugins = [plugin] if plugin else []
        return create(**where_and_what, name="poet", instructions="You are a poet.", plugins=plugins, **settings)

    call = "Please call Plugin-get_weather for Oslo."

    @on("plain text")
    async def _() -> None:
        answer = await agent().get_response("Say hello.")
        check.check_text(str(answer))
        check.check_count(answer.metadata["usage"]["output_tokens"], "output_tokens")

    @on("stream")
    async def _() -> None:
        texts = [str(chunk) async for chunk in agent().invoke_stream("Tell a story.") if str(chunk)]
        check.check_chunks(texts, "".join(texts))

    @on("tool loop")
    async def _() -> None:
        plugin = Plugin()
        check.check_text(str(await agent(plugin).get_response(call)))
        plugin.check()

    @on("tool loop, stream")
    async def _() -> None:
        plugin = Plugin()
        texts = [str(chunk) async for chunk in agent(plugin).invoke_stream(call) if str(chunk)]
        plugin.check()
        check.check_chunks(texts, "".join(texts))

    @on("structured output")
    async def _() -> None:
        form = OpenAIResponsesAgent.configure_response_format(City)
        check.check_city(City.model_validate_json(str(await agent(text=form).get_response("Describe Oslo."))))

    for name, own in (
        ("second turn, previous_response_id", {}),
        ("second turn, store false", {"store_enabled": False}),
    ):

        @on(name)
        async def _(own: Any = own) -> None:
            plugin = Plugin()
            poet = agent(plugin, **own)
            first = await poet.get_response(call)
            plugin.check()
            check.check_text(str(await poet.get_response("Thank you.", thread=first.thread)))

    @on("image")
    async def _() -> None:
        picture = ImageContent(data=base64.b64decode(check.PNG), data_format="base64", mime_type="image/png")
        message = ChatMessageContent(role="user", items=[TextContent(text="Which colour?"), picture])
        check.check_text(str(await agent().get_response(message)))

    @on("usual settings")
    async def _() -> None:
        own = {"temperature": 0, "top_p": 0.9} if kind == "chat" else {"reasoning": {"effort": "low"}}
        check.check_text(str(await agent(**own).get_response("Say hello.")))


def register_embeddings(backend: str, where: str) -> None:
    """One text, several, and shorter vectors."""

    async def embed(texts: list[str], **settings: Any) -> Any:
        model = check.MODELS[backend]["emb"]
        if where == ", api-version":
            own = {"deployment_name": model, "endpoint": "https://not-asked.example", "api_version": check.API_VERSION}
            service: Any = AzureTextEmbedding(**own, async_client=CLIENTS[where]())
        else:
            service = OpenAITextEmbedding(ai_model_id=model, async_client=CLIENTS[where]())
        vectors = await service.generate_embeddings(texts, OpenAIEmbeddingPromptExecutionSettings(**settings))
        return vectors.tolist()

    @step(backend, "embeddings", f"one{where}", "async")
    async def _() -> None:
        check.check_vectors(await embed(["hello"]), 1)

    @step(backend, "embeddings", f"batch{where}", "async")
    async def _() -> None:
        check.check_vectors(await embed(["sun", "rain", "snow"]), 3)

    @step(backend, "embeddings", f"batch, dimensions{where}", "async")
    async def _() -> None:
        check.check_vectors(await embed(["sun", "rain"], dimensions=256), 2, 256)


for where in CLIENTS:
    backend = "azure" if where else "openai"
    for kind in ("chat", "reasoner"):
        register_chat(backend, where, kind)
        register_responses(backend, where, kind)
    register_embeddings(backend, where)

check.run_steps("semantic-kernel")
