"""An authored answer, expanded into what the backend would really send."""

from __future__ import annotations

from dataclasses import replace

from mockserver.answers.authored.authored_answer import AnswerContext, AuthoredAnswer, Filter
from mockserver.answers.authored.chat_completions import chat_completion
from mockserver.answers.authored.completions import completion
from mockserver.answers.authored.content_filter import filtered_prompt
from mockserver.answers.authored.ids import Ids
from mockserver.answers.authored.responses import response
from mockserver.answers.authored.transcription import transcription
from mockserver.contract.addresses import AddressForm, Backend
from mockserver.exchange import Answer, Headers
from mockserver.matching.call import Call

#: Operations whose answer is a text or tool calls, so that it can be authored.
AUTHORABLE = {
    "createChatCompletion": chat_completion,
    "createResponse": response,
    "createRealtimeResponse": response,
    "createCompletion": completion,
    "createTranscription": transcription,
    "createTranslation": transcription,
}


def expand(authored: AuthoredAnswer, call: Call, *, seed: str, model: str, at_s: float) -> Answer:
    """The answer to a request that a text can answer, streamed where the request asks for a stream.

    `model` is the model behind the deployment's name; the same `seed` gives the same ids.
    """
    azure = call.address.backend is Backend.AZURE
    if call.address.form is AddressForm.FOUNDRY:  # recorded 2026-06: models of others come without a filter's verdicts
        authored = replace(authored, filter=Filter.NONE)
    if azure and authored.filter in (Filter.PROMPT, Filter.PROMPT_WITHOUT_DETAILS):
        answer = filtered_prompt(authored, call.address)
        return replace(answer, headers=with_headers(answer.headers, authored.headers))
    context = AnswerContext(call.whole_body, azure, model, at_s, Ids(seed))
    answer = AUTHORABLE[call.operation.name if call.operation else "createChatCompletion"](authored, context)
    return replace(answer, headers=with_headers(answer.headers, authored.headers))


def with_headers(headers: Headers, more: Headers) -> Headers:
    """The headers, with those of the same names replaced."""
    names = {name for name, _ in more}
    return (*(header for header in headers if header[0] not in names), *more)
