"""Generated images: a plain picture of the wanted size and format that says what was asked for."""

from __future__ import annotations

import base64
import io
import json
import random
import re
import textwrap
from collections.abc import Callable, Mapping
from typing import Any

from mockserver import tokens
from mockserver.answers.authored.authored_answer import Pace
from mockserver.exchange import Answer, Event, json_answer

#: Keeps a picture, and gives the address at which a browser finds it.
Publish = Callable[[bytes, str], str]
_KINDS = ("png", "jpeg", "webp")
#: More than these only `--lenient` lets through. Source: `maximum` of `n` and `partial_images` in the published schemas.
_MOST_IMAGES, _MOST_PARTS = 10, 3
_SIZE, _LONGEST_SIDE = re.compile("([0-9]{1,9})x([0-9]{1,9})"), 4096


def picture(text: str, size: str, kind: str, *, transparent: bool = False) -> bytes:
    """A PNG, JPEG or WebP image (`kind`) of a size such as `1024x1024`, the same for the same text.

    A size that no service draws, which `--lenient image-size` lets through, becomes the nearest that fits in memory.
    """
    from PIL import Image, ImageDraw, ImageFont  # 60 ms of imports, for those who ask for images

    sides = _SIZE.fullmatch(size)
    width, height = (max(1, min(int(side), _LONGEST_SIDE)) for side in sides.groups()) if sides else (1024, 1024)
    chance = random.Random(text)  # noqa: S311  a colour, not a secret
    colour = tuple(chance.randrange(40, 140) for _ in range(3))
    image = Image.new("RGBA", (width, height), (*colour, 0 if transparent else 255))
    lines = ["Made up by the mock.", "", *textwrap.wrap(text[:400], 32)]
    letters = max(10, width // 24)
    ImageDraw.Draw(image).multiline_text(
        (width // 12, height // 12), "\n".join(lines), "white", ImageFont.load_default(letters)
    )
    data = io.BytesIO()
    (image.convert("RGB") if kind == "jpeg" else image).save(data, kind.upper())
    return data.getvalue()


def images(body: Mapping[str, Any], model: str, at_s: float, pace: Pace, publish: Publish, *, edit: bool) -> Answer:
    """The answer to a request for images: as base64, as addresses (DALL-E's default), or as a stream of events.

    Source: API reference, 2026-11; the fields of GPT image models and of DALL-E differ.
    """
    prompt, count = str(body.get("prompt") or "a variation"), max(1, min(body.get("n") or 1, _MOST_IMAGES))
    size, kind = body.get("size") or "auto", body.get("output_format")
    kind = kind if kind in _KINDS else "png"
    size = "1024x1024" if size == "auto" else size
    transparent = body.get("background") == "transparent" and kind != "jpeg"
    pictures = [
        picture(prompt if number == 0 else f"{prompt} ({number + 1})", size, kind, transparent=transparent)
        for number in range(count)
    ]
    if model.startswith("dall-e"):
        revised = {"revised_prompt": prompt} if model.startswith("dall-e-3") else {}
        data = [{**_shown(each, kind, body.get("response_format"), publish), **revised} for each in pictures]
        return _after(json_answer(200, {"created": int(at_s), "data": data}), pace)
    quality = body.get("quality") if body.get("quality") in ("low", "medium", "high") else "high"
    background = "transparent" if transparent else "opaque"
    about = {"background": background, "output_format": kind, "quality": quality, "size": size}
    asked, drawn = tokens.count(prompt, model), 1056 * count
    usage: dict[str, Any] = {
        "input_tokens": asked,
        "input_tokens_details": {"text_tokens": asked, "image_tokens": 0},
        "output_tokens": drawn,
        "total_tokens": asked + drawn,
    }
    if body.get("stream") is True:
        return _stream(pictures[0], body, {**about, "created_at": int(at_s)}, usage, pace, edit=edit)
    data = [{"b64_json": base64.b64encode(each).decode()} for each in pictures]
    return _after(json_answer(200, {"created": int(at_s), **about, "data": data, "usage": usage}), pace)


def _shown(data: bytes, kind: str, wanted: str | None, publish: Publish) -> dict[str, str]:
    if wanted == "b64_json":
        return {"b64_json": base64.b64encode(data).decode()}
    return {"url": publish(data, f"image/{kind}")}


def _stream(
    data: bytes, body: Mapping[str, Any], about: dict[str, Any], usage: dict[str, Any], pace: Pace, *, edit: bool
) -> Answer:
    name, encoded = "image_edit" if edit else "image_generation", base64.b64encode(data).decode()
    kinds: list[tuple[str, dict[str, Any]]] = [
        (f"{name}.partial_image", {"partial_image_index": number})
        for number in range(min(body.get("partial_images") or 0, _MOST_PARTS))
    ]
    kinds.append((f"{name}.completed", {"usage": usage}))
    events = []
    for kind, more in kinds:
        payload = json.dumps({"type": kind, "b64_json": encoded, **about, **more})
        events.append(Event(pace.each_ms, f"event: {kind}\ndata: {payload}\n\n".encode()))
    headers = (("content-type", "text/event-stream; charset=utf-8"),)
    return Answer(200, headers, tuple(events), head_after_ms=pace.first_ms)


def _after(answer: Answer, pace: Pace) -> Answer:
    return Answer(answer.status, answer.headers, answer.events, head_after_ms=pace.first_ms)
