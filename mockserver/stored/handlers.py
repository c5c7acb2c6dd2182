"""What answers a request about stored objects, by operation."""

from __future__ import annotations

from mockserver.stored import batches, chat_completions, conversations, files, responses, vector_stores
from mockserver.stored.stored_call import Handler

HANDLERS: dict[str, Handler] = {
    **responses.HANDLERS,
    **chat_completions.HANDLERS,
    **conversations.HANDLERS,
    **files.HANDLERS,
    **vector_stores.HANDLERS,
    **batches.HANDLERS,
}
