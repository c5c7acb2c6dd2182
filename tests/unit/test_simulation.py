from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from mockserver.contract.addresses import address_of
from mockserver.contract.violations import answer_violations
from mockserver.exchange import End, Interaction, Request
from mockserver.matching.differences import Difference
from mockserver.simulation.cassette_index import CassetteIndex
from mockserver.simulation.miss_report import miss_report
from mockserver.simulation.model_faults import INSTEAD, MODEL_FAULTS
from mockserver.simulation.settings import OnMiss
from mockserver.simulation.simulation import Simulation
from mockserver.simulation.stub import parse_stub
from tests.unit.examples import FakeClock, answered, chat

AZURE = "/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21"


@pytest.fixture
def simulation(clock: FakeClock) -> Callable[..., Simulation]:
    def made(*recorded: tuple[str, Request, str], **options: object) -> Simulation:
        library = CassetteIndex()
        for name, request, text in recorded:
            library.add(name, Interaction(request, answered(text)))
        return Simulation(library, clock=clock, **options)  # type: ignore[arg-type]  # the tests' own options

    return made


def bodies(simulation: Simulation, *requests: Request) -> list[str]:
    entries = [simulation.answer(request) for request in requests]
    return [entry.answer.body.decode() if entry.answer else "" for entry in entries]


def test_the_same_request_in_one_cassette_is_a_sequence_whose_last_repeats(
    simulation: Callable[..., Simulation],
) -> None:
    told = simulation(("a.yaml#1", chat(), "one"), ("a.yaml#2", chat(), "two"))
    assert bodies(told, chat(), chat(), chat()) == ["one", "two", "two"]
    assert [entry.decided_by for entry in told.journal] == ["a.yaml#1", "a.yaml#2", "a.yaml#2"]
    told.reset()
    assert bodies(told, chat()) == ["one"]


def test_what_is_said_goes_before_what_was_recorded_as_often_as_it_says(simulation: Callable[..., Simulation]) -> None:
    told = simulation(("a.yaml#1", chat(), "recorded"))
    told.scopes.say(parse_stub({"say": "said", "times": 2}, "said#1"))
    for _ in range(3):
        told.answer(chat())
    assert [entry.decided_by for entry in told.journal] == ["said#1", "said#1", "a.yaml#1"]


def test_a_fault_alone_strikes_whatever_would_be_answered(simulation: Callable[..., Simulation]) -> None:
    told = simulation(("a.yaml#1", chat(), "recorded"))
    told.scopes.say(parse_stub({"fault": "dropped", "after": 0, "times": 1}, "said#1"))
    struck, after = told.answer(chat()).answer, told.answer(chat()).answer
    assert struck is not None
    assert (struck.end, struck.events, struck.decided_by) == (End.RESET, (), "a.yaml#1, dropped by said#1")
    assert after is not None
    assert after.end is End.EOF


@pytest.mark.parametrize("kind", MODEL_FAULTS)
def test_what_answers_in_place_of_the_model_needs_no_recording(
    simulation: Callable[..., Simulation], kind: str
) -> None:
    """A limit is met with any question; a stream that breaks has to be there."""
    told = simulation()
    told.scopes.say(parse_stub({"fault": kind, "times": 1}, "said#1"))
    first, second = (told.answer(chat("What nobody has recorded")) for _ in range(2))
    assert (first.miss is None) == (kind in INSTEAD)
    assert second.miss is not None


def test_a_miss_is_a_404_that_explains_itself(simulation: Callable[..., Simulation]) -> None:
    told = simulation(("greeting.yaml#2", chat("Hello."), "x"))
    entry = told.answer(chat("Hello!"))
    assert entry.answer is not None
    error = json.loads(entry.answer.body)["error"]
    assert (entry.answer.status, error["type"], error["nearest"]) == (404, "mockserver_miss", "greeting.yaml#2")
    assert error["differences"] == [{"field": "messages[0].content", "wanted": '"Hello."', "got": '"Hello!"'}]
    assert error["message"].splitlines()[:4] == [
        "No recording fits POST /v1/chat/completions (gpt-4o, 1 message).",
        "Nearest: greeting.yaml, interaction 2. It differs in",
        '  messages[0].content   wanted "Hello."   got "Hello!"',
        '  mock_server.say(…, to="Hello!")   answers it in a test',
    ]


def test_a_stub_that_waits_for_almost_that_prompt_is_the_nearest(simulation: Callable[..., Simulation]) -> None:
    told = simulation(("a.yaml#1", chat("What is the capital of France?"), "x"))
    told.scopes.say(parse_stub({"say": "Rain", "when": {"prompt": "Weather in Oslo?"}}, "said#1"))
    miss = told.answer(chat("Weather in oslo?")).miss
    assert miss is not None
    assert (miss.nearest, miss.differences) == (
        "said#1",
        (Difference("last user message", '"Weather in Oslo?"', '"Weather in oslo?"'),),
    )


def test_what_names_the_prompt_goes_before_what_answers_anything(simulation: Callable[..., Simulation]) -> None:
    told = simulation()
    told.scopes.say(
        parse_stub({"say": "default"}, "said#1"), parse_stub({"say": "special", "when": {"prompt": "Hi"}}, "said#2")
    )
    told.answer(chat("Hi"))
    told.answer(chat("Else"))
    assert [entry.decided_by for entry in told.journal] == ["said#2", "said#1"]


def test_an_operation_this_version_does_not_answer_is_a_miss(simulation: Callable[..., Simulation]) -> None:
    told = simulation(on_miss=OnMiss.GENERATE)
    entry = told.answer(Request("POST", "/v1/assistants", headers=(("authorization", "Bearer k"),)))
    assert [each.number for each in told.journal.misses()] == [entry.number]
    assert entry.miss is not None
    assert b'"mockserver_not_answered"' in entry.answer.body  # type: ignore[union-attr]
    assert "No such operation of OpenAI or Azure OpenAI is known; it can be recorded" in miss_report(entry.miss)


def test_misses_for_one_reason_are_counted_together(simulation: Callable[..., Simulation]) -> None:
    told = simulation(("a.yaml#1", chat(temperature=0), "x"))
    entries = [told.answer(chat()), told.answer(chat()), told.answer(chat("Else", temperature=1))]
    assert "2 requests in this run miss for this one reason." in json.loads(entries[1].answer.body)["error"]["message"]  # type: ignore[union-attr]
    assert "in this run" not in json.loads(entries[2].answer.body)["error"]["message"]  # type: ignore[union-attr]


def test_a_miss_with_nothing_loaded_says_so(simulation: Callable[..., Simulation]) -> None:
    entry = simulation().answer(chat())
    assert entry.miss is not None
    assert "Nothing is loaded for this operation of this backend." in miss_report(entry.miss)


def test_a_made_up_answer_says_that_it_is(simulation: Callable[..., Simulation]) -> None:
    told = simulation(on_miss=OnMiss.GENERATE)
    entry, again = told.answer(chat("What is new?")), told.answer(chat("What is new?"))
    assert entry.answer is not None
    assert again.answer is not None
    first, second = json.loads(entry.answer.body), json.loads(again.answer.body)
    assert first["choices"] == second["choices"]
    assert first["id"] != second["id"]  # as the services': two objects, however alike
    same = simulation(on_miss=OnMiss.GENERATE).answer(chat("What is new?")).answer
    assert entry.answer == same
    assert ("x-mockserver-answer", "made up") in entry.answer.headers
    assert "*Made up by the mock: " in json.loads(entry.answer.body)["choices"][0]["message"]["content"]
    assert entry.miss is None


def test_recording_leaves_the_answer_to_the_upstream(simulation: Callable[..., Simulation]) -> None:
    assert simulation(on_miss=OnMiss.RECORD).answer(chat()).answer is None


DATED = "/openai/deployments/gpt-4o/chat/completions"
EMBED = "/openai/deployments/embed/embeddings?api-version=2024-10-21"


def get(path: str) -> Request:
    raw_path, _, query = path.partition("?")
    return Request("GET", raw_path, query, (("authorization", "Bearer k"), ("api-key", "k")))


@pytest.mark.parametrize(
    ("request_", "status", "text"),
    [
        (chat(key=""), 401, "You didn't provide an API key."),
        (
            chat(path=AZURE, key=""),
            401,
            '{"error":{"code":"401","message":"Access denied due to invalid subscription key',
        ),
        (get("/v1/nowhere"), 404, "Invalid URL (GET /v1/nowhere)"),
        (get("/openai/nowhere"), 404, '{"error":{"code":"404","message": "Resource not found"}}'),
        (chat(path=DATED), 404, '"Resource not found"'),
        (chat(path=f"{DATED}?api-version=latest"), 404, '"Resource not found"'),
        (chat(path=f"{DATED}?api-version=2022-12-01"), 404, '"Resource not found"'),
        (chat(path="/openai/chat/completions?api-version=2024-10-21"), 404, '"Resource not found"'),
        (
            Request("POST", "/openai/responses", "api-version=2024-10-21", (("api-key", "k"),), b"{}"),
            400,
            "Azure OpenAI Responses API is enabled only for api-version 2025-03-01-preview and later",
        ),
        (
            Request("POST", "/v1/chat/completions", headers=(("authorization", "Bearer k"),), body=b"{"),
            400,
            "We could not parse the JSON body of your request.",
        ),
        (chat(path=AZURE.replace("gpt-4o", "embed")), 400, '"code":"OperationNotSupported"'),
        (chat(model="text-embedding-ada-002"), 404, "This is not a chat model"),
        (chat(model="text-embedding-3-small"), 403, "You are not allowed to sample from this model"),
        (chat(model="gpt-5-codex"), 404, "This model is only supported in v1/responses"),
        (chat(temperature=9), 400, '"code": "decimal_above_max_value"'),
        (chat(foo=1), 400, "Unknown parameter: 'foo'."),
        (chat(stream_options={"include_usage": True}), 400, "only allowed when 'stream' is enabled"),
    ],
)
def test_refuses_what_the_backend_refuses_in_its_own_words(
    request_: Request, status: int, text: str, simulation: Callable[..., Simulation]
) -> None:
    told = simulation(on_miss=OnMiss.GENERATE, deployments={"embed": "text-embedding-3-small"})
    answer = told.answer(request_).answer
    assert answer is not None
    assert answer.status == status
    assert text in answer.body.decode()


def test_a_model_that_is_not_there_is_refused_unless_answers_are_made_up(
    simulation: Callable[..., Simulation],
) -> None:
    asked, known = get("/v1/models/nothing"), {"embed": "text-embedding-3-small"}
    refused = simulation(deployments=known).answer(asked).answer
    assert refused is not None
    assert (refused.status, "The model `nothing` does not exist" in refused.body.decode()) == (404, True)
    made = simulation(on_miss=OnMiss.GENERATE, deployments=known).answer(asked).answer
    assert made is not None
    assert json.loads(made.body)["id"] == "nothing"


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("/v1/chat/completions", 404, '"message": "The model `other` does not exist or you do not have access to it."'),
        ("/openai/v1/chat/completions", 400, '{"error":{"code":"unknown_model","message":"Unknown model: other"'),
        ("/openai/deployments/other/chat/completions?api-version=2024-10-21", 404, '"code": "DeploymentNotFound"'),
    ],
)
def test_an_unknown_model_gets_the_backends_refusal_and_is_a_miss_all_the_same(
    path: str, status: int, text: str, simulation: Callable[..., Simulation]
) -> None:
    told = simulation(("a.yaml#1", chat(), "x"), ("b.yaml#1", chat(path=AZURE), "x"))
    entry = told.answer(chat(path=path, model="other"))
    assert entry.answer is not None
    assert (entry.answer.status, text in entry.answer.body.decode()) == (status, True)
    assert entry.miss is not None
    assert "model" in [each.field for each in entry.miss.differences]


def test_what_was_recorded_goes_before_our_own_judgement(simulation: Callable[..., Simulation]) -> None:
    told = simulation(("a.yaml#1", chat(temperature=9), "the service said so"))
    assert bodies(told, chat(temperature=9)) == ["the service said so"]
    assert simulation(on_miss=OnMiss.RECORD).answer(chat(temperature=9)).answer is None


def test_the_model_in_the_body_is_the_one_behind_the_deployment(simulation: Callable[..., Simulation]) -> None:
    told = simulation(deployments={"chat": "gpt-4o-2024-11-20"})
    told.scopes.say(parse_stub({"say": "Hi"}, "said#1"))
    answer = told.answer(chat(path=AZURE.replace("gpt-4o", "chat"))).answer
    assert answer is not None
    assert json.loads(answer.body)["model"] == "gpt-4o-2024-11-20"


def test_lists_the_models_there_are(simulation: Callable[..., Simulation]) -> None:
    told = simulation(("a.yaml#1", chat(), "x"), deployments={"chat": "gpt-4o-2024-11-20"})
    listed, one = told.answer(get("/v1/models")).answer, told.answer(get("/v1/models/chat")).answer
    assert listed is not None
    assert one is not None
    assert [each["id"] for each in json.loads(listed.body)["data"]] == ["gpt-4o", "chat"]
    assert json.loads(one.body)["id"] == "chat"
    for path, answer in (("/v1/models", listed), ("/v1/models/chat", one)):
        assert answer_violations(address_of("GET", path, ""), json.loads(answer.body)) == ()


@pytest.mark.parametrize("more", [{}, {"dimensions": 8}, {"encoding_format": "base64"}])
def test_a_made_up_embedding_is_of_length_one_and_the_same_each_time(
    more: dict[str, object], simulation: Callable[..., Simulation]
) -> None:
    body = {"model": "text-embedding-3-small", "input": ["a", "b", "a"], **more}
    asked = Request("POST", "/v1/embeddings", headers=(("authorization", "Bearer k"),), body=json.dumps(body).encode())
    answer = simulation(on_miss=OnMiss.GENERATE).answer(asked).answer
    assert answer is not None
    made = json.loads(answer.body)
    assert answer_violations(address_of("POST", "/v1/embeddings", ""), made) == ()
    first, second, again = (each["embedding"] for each in made["data"])
    assert first == again != second
    if not more.get("encoding_format"):
        assert len(first) == more.get("dimensions", 1536)
        assert abs(sum(each * each for each in first) - 1) < 1e-9


def test_only_the_given_key_opens_where_one_is_given(simulation: Callable[..., Simulation]) -> None:
    told = simulation(("a.yaml#1", chat(), "x"), api_key="right")
    assert bodies(told, chat(key="right")) == ["x"]
    refused = told.answer(chat(key="secret-key-0123")).answer
    assert refused is not None
    assert (refused.status, refused.decided_by) == (401, "wrong key")
    assert b"secret-key" not in refused.body


def test_models_are_those_of_the_recordings_the_most_asked_first(simulation: Callable[..., Simulation]) -> None:
    told = simulation(("a#1", chat("1", model="rare"), "x"), ("a#2", chat("2"), "x"), ("a#3", chat("3"), "x"))
    assert told.index.models("openai") == ("gpt-4o", "rare")  # type: ignore[arg-type]  # a Backend is its text
    assert told.index.models("azure") == ()  # type: ignore[arg-type]
