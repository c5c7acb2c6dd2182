"""A value for any schema that a request may bring: no schema stops the mock, whatever it asks for."""

from __future__ import annotations

import json
import warnings
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from mockserver.answers.generated.schema_instance import instance

KINDS = st.sampled_from(["object", "array", "string", "integer", "number", "boolean", "null"])
NAMES = st.sampled_from("abcd")
#: Any bound, and any count; JSON Schema lets a count be 2.0 too.
BOUNDS = st.integers(-(10**400), 10**400) | st.floats(allow_nan=False, allow_infinity=False)
COUNTS = st.integers(0, 10**12) | st.integers(0, 50).map(float)
STEPS = st.integers(1, 10**12) | st.floats(min_value=1e-300, max_value=1e300)
PATTERNS = st.sampled_from(
    ["(", "a{200}", r"[^\x00-\U0010ffff]", "(?<!a)b", r"\p{L}+", "(?=x)", "((a*)*)*", "^.{1,9}$", "(?i)x", "[[:alpha:]]", "$^", r"\d{1000}", "(a|b|)*?c", r"(?P<n>a)\1"]
)  # fmt: skip
REFERENCES = st.sampled_from(["#", "#/properties/a", "#/nowhere", "#/anyOf/0", "#/allOf/0"])


def objects(inner: SearchStrategy[Any]) -> SearchStrategy[dict[str, Any]]:
    parts = st.lists(inner, min_size=1, max_size=2)
    bounds = dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), BOUNDS)
    counts = dict.fromkeys(("minProperties", "minItems", "maxItems", "minLength", "maxLength"), COUNTS)
    keywords: dict[str, SearchStrategy[Any]] = {
        "type": KINDS | st.lists(KINDS, min_size=1, unique=True),
        "enum": st.lists(st.none() | st.integers() | st.text(max_size=3), max_size=3),
        "const": st.none() | st.integers(),
        "properties": st.dictionaries(NAMES, inner, max_size=3),
        "required": st.lists(NAMES, unique=True, max_size=3),
        "additionalProperties": inner,
        "items": inner,
        "prefixItems": parts,
        "uniqueItems": st.booleans(),
        "pattern": PATTERNS,
        "format": st.sampled_from(["date", "email", "x"]),
        "multipleOf": STEPS,
        "allOf": parts,
        "anyOf": parts,
        "oneOf": parts,
        "$ref": REFERENCES,
    }
    return st.fixed_dictionaries({}, optional={**keywords, **bounds, **counts})


@settings(max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(objects(st.recursive(st.booleans() | objects(st.booleans()), objects, max_leaves=6)))
def test_no_schema_stops_the_mock(schema: dict[str, Any]) -> None:
    with warnings.catch_warnings(action="error"):
        assert len(json.dumps(instance(schema, "seed"))) < 1_000_000
