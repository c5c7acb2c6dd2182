"""Merges two versions of a cassette that have one ancestor: what both added is there, and what only one changed is changed."""

from __future__ import annotations

from dataclasses import replace

from mockserver.cassettes.cassette import Cassette
from mockserver.exchange import Interaction
from mockserver.matching.call import Call


def merge(base: Cassette | None, ours: Cassette, theirs: Cassette) -> tuple[Cassette, tuple[int, ...]]:
    """The merged cassette, and the numbers of its interactions, from 1, that both sides changed differently: there ours stands.

    The same request again and again is a sequence, and belongs together in its order.
    """
    before, one, other = (_by_request(side) for side in (base, ours, theirs))
    merged: list[Interaction] = []
    conflicts: list[int] = []
    for request in dict.fromkeys((*one, *other)):
        old, mine, yours = (side.get(request, ()) for side in (before, one, other))
        chosen = mine
        if mine == old:
            chosen = yours
        elif yours not in (old, mine):
            if mine[: len(old)] == old == yours[: len(old)]:
                chosen = (*mine, *(each for each in yours[len(old) :] if each not in mine))
            else:
                conflicts += range(len(merged) + 1, len(merged) + 1 + len(mine or yours))
                chosen = mine or yours
        merged += chosen
    allowed = tuple(dict.fromkeys((*ours.allowed, *theirs.allowed)))
    newest = max(ours, theirs, key=lambda side: side.date)
    return replace(newest, interactions=tuple(merged), allowed=allowed), tuple(conflicts)


def _by_request(cassette: Cassette | None) -> dict[str, tuple[Interaction, ...]]:
    by_request: dict[str, tuple[Interaction, ...]] = {}
    for interaction in cassette.interactions if cassette else ():
        fingerprint = Call(interaction.request).canonical.fingerprint
        by_request[fingerprint] = (*by_request.get(fingerprint, ()), interaction)
    return by_request
