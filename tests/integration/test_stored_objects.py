"""What the official SDK makes is there when it asks again, continues what was said, and is gone when it is deleted."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import openai
import pytest

from mockserver.answers.latency import Latency
from mockserver.simulation.settings import OnMiss
from mockserver.simulation.simulation import Simulation
from tests.integration.conftest import Serve
from tests.unit.examples import FakeClock

STORY = b"The lighthouse of Oslo was built in 1876 by Ada.\n"
WEATHER = {
    "type": "function",
    "name": "get_weather",
    "parameters": {"type": "object", "properties": {}},
    "strict": False,
}
Served = tuple[Simulation, Any]


@pytest.fixture(params=["openai", "azure", "azure v1"])
def served(serve_front: Serve, request: pytest.FixtureRequest) -> Served:
    simulation = Simulation(on_miss=OnMiss.GENERATE, latency=Latency(0, 0, 100_000), clock=FakeClock(1_700_000_000))
    url = serve_front(simulation)
    if request.param == "azure":
        version = "2025-04-01-preview"
        return simulation, openai.AzureOpenAI(azure_endpoint=url, api_key="any", api_version=version, max_retries=0)
    path = "/v1" if request.param == "openai" else "/openai/v1"
    return simulation, openai.OpenAI(base_url=url + path, api_key="any", max_retries=0)


def has(client: Any, part: str) -> None:
    """Skip what Azure's dated addresses do not have."""
    if isinstance(client, openai.AzureOpenAI):
        pytest.skip(f"no {part} at Azure's dated addresses")


@pytest.mark.parametrize("stream", [False, True])
def test_a_response_is_read_back_as_it_was_and_then_deleted(served: Served, stream: bool) -> None:
    _, client = served
    if stream:
        with client.responses.stream(model="gpt-4o", input="Tell a story.") as events:
            made = events.get_final_response()
    else:
        made = client.responses.create(model="gpt-4o", input="Tell a story.")
    assert client.responses.retrieve(made.id).output_text == made.output_text
    asked = client.responses.input_items.list(made.id).data
    assert [(item.role, item.content[0].text) for item in asked] == [("user", "Tell a story.")]
    client.responses.delete(made.id)
    for ask in (client.responses.retrieve, client.responses.delete, client.responses.input_items.list):
        with pytest.raises(openai.NotFoundError, match=f"Response with id '{made.id}' not found."):
            ask(made.id)
    with pytest.raises(openai.BadRequestError, match=f"Previous response with id '{made.id}' not found.") as raised:
        client.responses.create(model="gpt-4o", input="And then?", previous_response_id=made.id)
    assert (raised.value.code, raised.value.param) == ("previous_response_not_found", "previous_response_id")


def test_a_response_continues_what_was_said_before(served: Served) -> None:
    simulation, client = served
    simulation.scopes.say_entries({"when": {"turn": 3}, "say": "The third."}, name="test")
    first = client.responses.create(model="gpt-4o", input="One.")
    second = client.responses.create(model="gpt-4o", input="Two.", previous_response_id=first.id)
    third = client.responses.create(model="gpt-4o", input="Three.", previous_response_id=second.id)
    assert third.output_text == "The third."
    assert first.usage.input_tokens < second.usage.input_tokens < third.usage.input_tokens


def test_a_call_must_be_answered_before_the_next_turn(served: Served) -> None:
    _, client = served
    first = client.responses.create(model="gpt-4o", input="get weather", tools=[WEATHER])
    call = first.output[0]
    with pytest.raises(openai.BadRequestError, match=f"No tool output found for function call {call.call_id}."):
        client.responses.create(model="gpt-4o", input="And now?", previous_response_id=first.id)
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "rain"}
    second = client.responses.create(model="gpt-4o", input=[result], tools=[WEATHER], previous_response_id=first.id)
    assert second.output_text
    wrong = {**result, "call_id": "call_other"}
    with pytest.raises(
        openai.BadRequestError, match="No tool call found for function call output with call_id call_other"
    ):
        client.responses.create(model="gpt-4o", input=[wrong], previous_response_id=first.id)


def test_what_was_not_to_be_stored_cannot_be_named(served: Served) -> None:
    _, client = served
    made = client.responses.create(model="gpt-5-mini", input="Think.", store=False)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(made.id)
    with pytest.raises(openai.BadRequestError, match="Previous response"):
        client.responses.create(model="gpt-5-mini", input="More.", previous_response_id=made.id)
    said = [item.to_dict() for item in made.output]
    with pytest.raises(openai.NotFoundError, match="Items are not persisted when `store` is set to false"):
        client.responses.create(model="gpt-5-mini", input=[*said, {"role": "user", "content": "More."}])


def test_a_response_in_the_background_completes_by_the_clock(served: Served) -> None:
    simulation, client = served
    simulation.scopes.say_entries({"say": "Done.", "pace": {"first_ms": 5000}}, name="test")
    made = client.responses.create(model="gpt-4o", input="Work.", background=True)
    states = [made.status]
    for seconds in (1, 3, 2):
        simulation.clock.now_s += seconds  # type: ignore[attr-defined]
        states.append(client.responses.retrieve(made.id).status)
    assert states == ["queued", "in_progress", "in_progress", "completed"]
    done = client.responses.retrieve(made.id)
    assert (done.output_text, done.background) == ("Done.", True)
    stopped = client.responses.create(model="gpt-4o", input="Work again.", background=True)
    assert client.responses.cancel(stopped.id).status == "cancelled"
    simulation.clock.now_s += 60  # type: ignore[attr-defined]
    assert client.responses.retrieve(stopped.id).status == "cancelled"
    assert client.responses.cancel(made.id).status == "completed"
    with pytest.raises(openai.BadRequestError, match="Cannot cancel a synchronous response"):
        client.responses.cancel(client.responses.create(model="gpt-4o", input="x").id)


def test_a_stream_of_the_background_is_read_again(served: Served) -> None:
    simulation, client = served
    made = list(client.responses.create(model="gpt-4o", input="Tell.", background=True, stream=True))
    again = list(client.responses.retrieve(made[0].response.id, stream=True, starting_after=3))
    assert again == made[4:]
    simulation.clock.now_s += 301  # type: ignore[attr-defined]
    with pytest.raises(openai.BadRequestError, match="more than 5 minutes old"):
        client.responses.retrieve(made[0].response.id, stream=True)
    waited = client.responses.create(model="gpt-4o", input="x")
    with pytest.raises(openai.BadRequestError, match=r"not created with background=true"):
        client.responses.retrieve(waited.id, stream=True)


def test_a_conversation_grows_with_its_responses(served: Served) -> None:
    _, client = served
    has(client, "conversations")
    conversation = client.conversations.create(metadata={"who": "Ada"}, items=[{"role": "user", "content": "Hello."}])
    answer = client.responses.create(model="gpt-4o", input="Who are you?", conversation=conversation.id)
    assert answer.conversation.id == conversation.id
    items = list(client.conversations.items.list(conversation.id, order="asc"))
    assert [item.role for item in items] == ["user", "user", "assistant"]
    assert items[2].content[0].text == answer.output_text
    assert client.conversations.items.retrieve(items[0].id, conversation_id=conversation.id).content[0].text == "Hello."
    pages = client.conversations.items.list(conversation.id, order="asc", limit=2)
    assert (len(pages.data), pages.has_more, len(list(pages))) == (2, True, 3)
    client.conversations.items.delete(items[0].id, conversation_id=conversation.id)
    client.conversations.items.create(conversation.id, items=[{"role": "user", "content": "Again."}])
    assert len(list(client.conversations.items.list(conversation.id))) == 3
    assert client.conversations.update(conversation.id, metadata={"who": "Bob"}).metadata == {"who": "Bob"}
    assert client.conversations.delete(conversation.id).deleted is True
    with pytest.raises(openai.NotFoundError, match=f"Conversation with id '{conversation.id}' not found."):
        client.responses.create(model="gpt-4o", input="x", conversation=conversation.id)


@pytest.mark.parametrize("stream", [False, True])
def test_a_chat_completion_is_stored_where_that_is_asked_for(served: Served, stream: bool) -> None:
    _, client = served
    has(client, "stored chat completions")
    messages: Any = [{"role": "user", "content": "Say hello."}]
    made = client.chat.completions.create(
        model="gpt-4o", messages=messages, store=True, metadata={"a": "b"}, stream=stream
    )
    chunks = list(made) if stream else []
    name = chunks[-1].id if stream else made.id
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    text = text if stream else made.choices[0].message.content
    client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "Not this."}])
    kept = client.chat.completions.retrieve(name)
    assert (kept.choices[0].message.content, kept.metadata) == (text, {"a": "b"})
    assert [each.id for each in client.chat.completions.list(metadata={"a": "b"})] == [name]
    assert list(client.chat.completions.list(model="other")) == []
    assert [each.content for each in client.chat.completions.messages.list(name)] == ["Say hello."]
    assert client.chat.completions.update(name, metadata={"c": "d"}).metadata == {"c": "d"}
    client.chat.completions.delete(name)
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.retrieve(name)


def test_a_file_is_searched_and_cited(served: Served) -> None:
    simulation, client = served
    story = client.files.create(file=("story.txt", STORY), purpose="user_data")
    other = client.files.create(file=("other.txt", b"Nothing of interest."), purpose="user_data")
    assert client.files.content(story.id).content == STORY
    assert {file.id for file in client.files.list(purpose="user_data")} == {story.id, other.id}
    store = client.vector_stores.create(name="docs", file_ids=[story.id])
    assert store.status == "in_progress"
    attached = client.vector_stores.files.create(store.id, file_id=other.id, attributes={"kind": "dull"})
    assert attached.status == "in_progress"
    simulation.clock.now_s += 1  # type: ignore[attr-defined]
    store = client.vector_stores.retrieve(store.id)
    assert (store.status, store.file_counts.completed) == ("completed", 2)
    tool: Any = {"type": "file_search", "vector_store_ids": [store.id]}
    answer = client.responses.create(
        model="gpt-4o", input="Who built the lighthouse?", tools=[tool], include=["file_search_call.results"]
    )
    search, message = answer.output
    assert (search.type, search.results[0].filename) == ("file_search_call", "story.txt")
    assert message.content[0].annotations[0].file_id == story.id
    assert "built in 1876 by Ada" in answer.output_text
    if not isinstance(client, openai.AzureOpenAI):
        found = client.vector_stores.search(store.id, query="lighthouse")
        assert [each.file_id for each in found] == [story.id]
        unfit = {"type": "eq", "key": "kind", "value": "dull"}
        assert list(client.vector_stores.search(store.id, query="lighthouse", filters=unfit)) == []
    client.vector_stores.files.delete(story.id, vector_store_id=store.id)
    assert [file.id for file in client.vector_stores.files.list(store.id)] == [other.id]
    client.vector_stores.delete(store.id)
    with pytest.raises(openai.NotFoundError, match="Vector store with id"):
        client.vector_stores.retrieve(store.id)
    client.files.delete(story.id)
    with pytest.raises(openai.NotFoundError, match=f"No such File object: {story.id}"):
        client.files.content(story.id)


def test_a_batch_answers_each_line_as_if_it_came_alone(served: Served) -> None:
    simulation, client = served
    bodies: list[dict[str, Any]] = [
        {"model": "gpt-4o", "messages": [{"role": "user", "content": text}]} for text in ("One.", "Two.")
    ]
    bodies.append({"model": "gpt-4o", "messages": [], "nonsense": 1})
    url = "/v1/chat/completions"
    lines = [
        json.dumps({"custom_id": f"r{number}", "method": "POST", "url": url, "body": body})
        for number, body in enumerate(bodies)
    ]
    file = client.files.create(file=("in.jsonl", "\n".join(lines).encode()), purpose="batch")
    batch = client.batches.create(input_file_id=file.id, endpoint=url, completion_window="24h")
    states = [batch.status]
    for seconds in (0.3, 1):
        simulation.clock.now_s += seconds  # type: ignore[attr-defined]
        batch = client.batches.retrieve(batch.id)
        states.append(batch.status)
    assert states == ["validating", "in_progress", "completed"]
    assert batch.request_counts.to_dict() == {"total": 3, "completed": 2, "failed": 1}
    output = [json.loads(line) for line in client.files.content(batch.output_file_id).text.splitlines()]
    alone = client.chat.completions.create(**bodies[0])
    said = output[0]["response"]["body"]["choices"][0]["message"]["content"]
    assert (output[0]["custom_id"], said) == ("r0", alone.choices[0].message.content)
    failed = json.loads(client.files.content(batch.error_file_id).text)
    assert (failed["custom_id"], failed["response"]["status_code"]) == ("r2", 400)
    broken = client.files.create(file=("in.jsonl", b"{no json\n"), purpose="batch")
    batch = client.batches.create(input_file_id=broken.id, endpoint=url, completion_window="24h")
    simulation.clock.now_s += 1  # type: ignore[attr-defined]
    batch = client.batches.retrieve(batch.id)
    assert (batch.status, batch.errors.data[0].code, batch.errors.data[0].line) == ("failed", "invalid_json_line", 1)


def test_nobody_sees_what_another_scope_made(serve_front: Serve) -> None:
    simulation = Simulation(on_miss=OnMiss.ERROR, clock=FakeClock())
    url = serve_front(simulation)
    simulation.scopes.say_entries({"say": "Hello."}, name="test")
    clients = []
    for name in ("a", "b"):
        simulation.scopes.open(name=name)
        headers = {"x-mockserver-scope": name}
        clients.append(openai.OpenAI(base_url=f"{url}/v1", api_key="k", default_headers=headers, max_retries=0))
    made = clients[0].responses.create(model="gpt-4o", input="Hi.")
    assert clients[0].responses.retrieve(made.id).output_text == "Hello."
    with pytest.raises(openai.NotFoundError, match="Response with id"):
        clients[1].responses.retrieve(made.id)
    assert [miss.request.raw_path for miss in simulation.journal.misses()] == [f"/v1/responses/{made.id}"]
    simulation.reset()
    simulation.scopes.open(name="a")
    with pytest.raises(openai.NotFoundError, match="Response with id"):
        clients[0].responses.retrieve(made.id)


def test_equal_requests_make_objects_of_their_own(served: Served) -> None:
    simulation, client = served
    one, two = (client.responses.create(model="gpt-4o", input="yes", metadata={"n": str(n)}) for n in (1, 2))
    assert (one.id == two.id, one.output_text == two.output_text) == (False, True)
    assert client.responses.retrieve(one.id).metadata == {"n": "1"}
    simulation.scopes.say_entries({"when": {"prompt": "work"}, "say": "x", "pace": {"first_ms": 500}}, name="test")
    background = [client.responses.create(model="gpt-4o", input="work", background=True) for _ in range(2)]
    client.responses.cancel(background[0].id)
    simulation.clock.now_s += 1  # type: ignore[attr-defined]
    assert [client.responses.retrieve(each.id).status for each in background] == ["cancelled", "completed"]
    client.responses.create(model="gpt-4o", input="yes", metadata={"n": "1"}, store=False)
    assert client.responses.retrieve(one.id).status == "completed"
    if not isinstance(client, openai.AzureOpenAI):
        conversation = client.conversations.create().id
        for _ in range(15):
            client.responses.create(model="gpt-4o", input="yes", conversation=conversation)
        assert len({item.id for item in client.conversations.items.list(conversation)}) == 30


def test_a_stub_answers_what_continues_an_unknown_response(serve_front: Serve) -> None:
    simulation = Simulation(on_miss=OnMiss.ERROR, clock=FakeClock())
    client = openai.OpenAI(base_url=f"{serve_front(simulation)}/v1", api_key="k", max_retries=0)
    simulation.scopes.say_entries({"when": {"contains": "continue"}, "say": "x"}, name="test")
    asked: list[dict[str, Any]] = [{"previous_response_id": "resp_x"}, {"conversation": "conv_from_env"}]
    for more in asked:
        assert client.responses.create(model="gpt-4o", input="continue", **more).output_text == "x"
    with pytest.raises(openai.NotFoundError, match="Conversation with id 'conv_from_env' not found"):
        client.responses.create(model="gpt-4o", input="else", conversation="conv_from_env")


def test_files_of_any_name_and_purpose_are_there(served: Served) -> None:
    _, client = served
    for name, purpose in (("отчёт.txt", "user_data"), ('a"b.txt', "evals"), ("x\r\ny.txt", "batch")):
        made = client.files.create(file=(name, b"data"), purpose=purpose)
        assert client.files.content(made.id).content == b"data"
    assert len(list(client.files.list())) == 3


@pytest.mark.slow
@pytest.mark.parametrize(
    ("line", "code"),
    [
        ({"method": "POST", "body": {}}, "missing_required_parameter"),
        ({"custom_id": ["a"], "method": "POST", "body": {}}, "missing_required_parameter"),
        ({"custom_id": "a", "method": "GET", "body": {}}, "invalid_method"),
        ({"custom_id": "a", "method": "POST", "body": {"stream": True}}, "invalid_request"),
        ({"custom_id": "a", "method": "POST", "body": []}, "invalid_json_line"),
    ],
)
def test_a_wrong_line_fails_its_batch_and_no_other(served: Served, line: dict[str, Any], code: str) -> None:
    simulation, client = served
    file = client.files.create(
        file=("in.jsonl", json.dumps({"url": "/v1/responses", **line}).encode()), purpose="batch"
    )
    batch = client.batches.create(input_file_id=file.id, endpoint="/v1/responses", completion_window="24h")
    simulation.clock.now_s += 2  # type: ignore[attr-defined]
    assert [each.status for each in client.batches.list()] == ["failed"]
    assert client.batches.retrieve(batch.id).errors.data[0].code == code


def test_a_long_batch_is_answered_in_parts_and_azures_paths_are_taken(served: Served) -> None:
    simulation, client = served
    endpoint = "/v1/embeddings" if "/openai/" not in str(client.base_url) else "/embeddings"
    body = {"model": "text-embedding-3-small", "input": "x", "dimensions": 8}
    lines = [
        json.dumps({"custom_id": str(number), "method": "POST", "url": endpoint, "body": body}) for number in range(450)
    ]
    file = client.files.create(file=("in.jsonl", "\n".join(lines).encode()), purpose="batch")
    batch = client.batches.create(input_file_id=file.id, endpoint=endpoint, completion_window="24h")
    done = []
    for _ in range(4):
        simulation.clock.now_s += 1  # type: ignore[attr-defined]
        batch = client.batches.retrieve(batch.id)
        done.append((batch.status, batch.request_counts.completed))
    assert done == [("in_progress", 200), ("in_progress", 400), ("completed", 450), ("completed", 450)]


def test_what_nobody_made_is_made_up_whole(served: Served) -> None:
    simulation, client = served
    store = client.vector_stores.create(file_ids=["file-typo"])
    batch = client.vector_stores.file_batches.create(store.id, file_ids=["file-a", "file-b"])
    simulation.clock.now_s += 1  # type: ignore[attr-defined]
    polled = client.vector_stores.file_batches.retrieve(batch.id, vector_store_id=store.id)
    assert (polled.status, polled.file_counts.completed) == ("completed", 2)
    assert client.vector_stores.retrieve("vs_nobody").id == "vs_nobody"
    assert client.files.wait_for_processing("file-nobody").status == "processed"
    client.files.delete("file-a")
    assert {file.id for file in client.vector_stores.files.list(store.id)} == {"file-typo", "file-b"}


def test_a_conversation_gets_what_runs_in_the_background_when_it_is_done(served: Served) -> None:
    simulation, client = served
    has(client, "conversations")
    simulation.scopes.say_entries({"say": "Done.", "pace": {"first_ms": 5000}}, name="test")
    conversation = client.conversations.create().id
    client.responses.create(model="gpt-4o", input="Work.", background=True, conversation=conversation)
    stopped = client.responses.create(model="gpt-4o", input="Stop.", background=True, conversation=conversation)
    client.responses.cancel(stopped.id)
    assert list(client.conversations.items.list(conversation)) == []
    simulation.clock.now_s += 6  # type: ignore[attr-defined]
    roles = [item.role for item in client.conversations.items.list(conversation, order="asc")]
    assert roles == ["user", "assistant", "user"]


def test_tokens_are_counted_with_what_is_continued(served: Served) -> None:
    _, client = served
    has(client, "counting")
    first = client.responses.create(model="gpt-4o", input="A long story about lighthouses, please.")
    alone = client.responses.input_tokens.count(model="gpt-4o", input="And?").input_tokens
    more = client.responses.input_tokens.count(model="gpt-4o", input="And?", previous_response_id=first.id).input_tokens
    assert more > alone + 50


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("responses", {"input": "\ud800", "model": "gpt-4o"}),
        ("responses", {"input": [{"type": "item_reference", "id": "\ud800"}], "model": "gpt-4o"}),
        ("responses", {"model": "\ud800", "input": "x"}),
        ("conversations", {"items": [{"type": "item_reference", "id": "\ud800"}]}),
        ("conversations", {"items": [{"role": "user", "content": "x", "id": ["a"]}]}),
        ("completions", {"model": "m", "prompt": [], "echo": True}),
        ("moderations", {"input": [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": "https://x.example/"}}]}),
        ("images/generations", {"model": "dall-e-2", "prompt": "x", "size": "0x0"}),
        ("images/generations", {"model": "gpt-image-2", "prompt": "x", "size": "1536x864"}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_odd_bodies_end_in_an_answer_of_the_service(served: Served, path: str, body: dict[str, Any]) -> None:
    simulation, client = served
    if "/openai/" in str(client.base_url):
        pytest.skip("once is enough")
    answer = _post(client, path, body)
    assert answer in (200, 400, 404)
    assert not [entry for entry in simulation.journal if entry.decided_by == "violation"]
    assert _get(client, "files?limit=" + "9" * 5000) == 400
    assert _get(client, "responses/%22%00") == 200


def _post(client: Any, path: str, body: dict[str, Any]) -> int:
    url = f"{str(client.base_url).rstrip('/')}/{path}"
    return httpx2.post(url, content=json.dumps(body).encode(), headers={"authorization": "Bearer k"}).status_code


def _get(client: Any, path: str) -> int:
    url = f"{str(client.base_url).rstrip('/')}/{path}"
    return httpx2.get(url, headers={"authorization": "Bearer k"}).status_code
