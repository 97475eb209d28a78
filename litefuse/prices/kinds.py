"""Kinds of usage and the rates that price them.

A rate is named after what it prices (`input`, `cache_read`, `output_audio` …). Each has a place, and the rates of a price
are a tuple of whole picodollars (10⁻¹² USD) a unit in the order of the places, `NONE` where there is none. Python and SQL
(litefuse.prices.sql) work with the same places. What kind of usage takes which rate is data: `PLACE_OF`, and for names that
are not in it their beginning, `input_` or `output_` (otel-mapping.md section 11.2: `input_<detail>`, `output_<detail>`).
"""

from __future__ import annotations

from collections.abc import Mapping

#: No rate.
NONE = -1

#: Rate of tokens → rates asked in its stead when a price has not got it, in order.
TOKENS: dict[str, tuple[str, ...]] = {
    "input": (),
    "output": (),
    "cache_read": ("input",),
    "cache_write": ("input",),
    "cache_write_5m": ("cache_write", "input"),
    "cache_write_1h": ("cache_write", "input"),
    "input_audio": ("input",),
    "output_audio": ("output",),
    "cache_read_audio": ("cache_read", "input_audio", "input"),
    "input_image": ("input",),
    "output_image": ("output",),
    "cache_read_image": ("cache_read", "input_image", "input"),
    "input_video": ("input",),
    "output_video": ("output",),
    "output_reasoning": ("output",),
    "output_citation": ("output",),
}
#: Rate of anything else → how many units its price in the catalogue is for. Nothing stands in for them.
UNITS: dict[str, int] = {
    "web_searches": 1_000,
    "storage_searches": 1_000,
    "social_searches": 1_000,
    "code_executions": 1_000,
    "rerank_searches": 1_000,
    "input_characters": 1_000_000,
    "input_pixels": 1_000_000_000,
    "audio_seconds": 3_600,
    "input_audio_seconds": 3_600,
    "output_audio_seconds": 3_600,
    "input_document_pages": 1_000,
    "input_annotated_document_pages": 1_000,
    "input_text_messages": 1_000,
}
#: What each call costs whatever it uses; its price in the catalogue is for a thousand.
REQUESTS = "requests"
#: Tokens that a price is for.
MILLION = 1_000_000

NAMES: tuple[str, ...] = (*TOKENS, *UNITS, REQUESTS)
PLACES: Mapping[str, int] = {name: place for place, name in enumerate(NAMES)}
INPUT = PLACES["input"]
OUTPUT = PLACES["output"]
#: Places before it are of tokens.
TOKENS_END = len(TOKENS)
#: A kind that no rate is for: whatever it counts is not in the cost.
UNKNOWN = len(NAMES)
#: A kind that repeats or splits what others count, or is their total.
REPEATED = len(NAMES) + 1

#: Names of the same count: the first that is there counts, the others repeat it.
INPUT_NAMES = ("input", "input_tokens", "prompt_tokens")
OUTPUT_NAMES = ("output", "output_tokens", "completion_tokens")
#: The total, priced only where it is all that is known and nothing that comes out has a price (embeddings).
TOTAL_NAMES = ("total", "total_tokens")

_KINDS: dict[str, tuple[str, ...]] = {
    "input": INPUT_NAMES,
    "output": OUTPUT_NAMES,
    "cache_read": (
        *("input_cached_tokens", "input_cached", "input_cache_read", "input_cache_read_tokens"),
        *("cache_read_input_tokens", "cached_input_tokens", "cache_read_tokens"),
    ),
    "cache_write": (
        *("input_cache_creation", "input_cache_write", "input_cache_creation_tokens", "input_cache_write_tokens"),
        *("cache_creation_input_tokens", "cache_write_input_tokens", "cache_write_tokens"),
    ),
    "cache_write_5m": ("input_cache_creation_5m", "cache_write_5m_tokens"),
    "cache_write_1h": ("input_cache_creation_1h", "cache_write_1h_tokens"),
    "input_audio": ("input_audio_tokens", "input_audio"),
    "output_audio": ("output_audio_tokens", "output_audio"),
    "cache_read_audio": ("input_cached_audio_tokens", "cache_audio_read_tokens"),
    "input_image": ("input_image_tokens", "input_image"),
    "output_image": ("output_image_tokens", "output_image"),
    "cache_read_image": ("input_cached_image_tokens", "cache_image_read_tokens"),
    "input_video": ("input_video_tokens", "input_video"),
    "output_video": ("output_video_tokens", "output_video"),
    "output_reasoning": ("output_reasoning_tokens", "output_reasoning"),
    "output_citation": ("output_citation_tokens", "output_citation"),
    **{name: (name,) for name in UNITS},
}
#: Counts of SDKs that are inside others: Vercel's of predictions, PydanticAI's `details` of Google.
_REPEATED = (
    *TOTAL_NAMES,
    *("accepted_prediction_tokens", "rejected_prediction_tokens"),
    *("text_prompt_tokens", "text_candidates_tokens", "text_cache_tokens", "text_tool_use_prompt_tokens"),
    *("thoughts_tokens", "cached_content_tokens", "tool_use_prompt_tokens"),
)
#: Kind of usage → place of its rate, UNKNOWN and REPEATED included.
PLACE_OF: Mapping[str, int] = {
    **{kind: PLACES[name] for name, kinds in _KINDS.items() for kind in kinds},
    **dict.fromkeys(_REPEATED, REPEATED),
}
#: Places of tokens that go in; their number decides about the tier.
INPUT_PLACES = frozenset(place for name, place in PLACES.items() if name in TOKENS and not name.startswith("output"))
_SECOND_NAMES = frozenset((*INPUT_NAMES[1:], *OUTPUT_NAMES[1:]))


def place(kind: str, usage: Mapping[str, int]) -> int:
    """The place of the rate for a kind of this usage."""
    if kind in _SECOND_NAMES:
        names = INPUT_NAMES if kind in INPUT_NAMES else OUTPUT_NAMES
        if any(name in usage for name in names[: names.index(kind)]):
            return REPEATED
    found = PLACE_OF.get(kind)
    if found is not None:
        return found
    if kind.startswith("input_"):
        return INPUT
    return OUTPUT if kind.startswith("output_") else UNKNOWN


def completed(rates: Mapping[str, int]) -> tuple[int, ...]:
    """The rates in the order of the places, those that stand in for missing ones included."""
    return tuple(next((rates[n] for n in (name, *TOKENS.get(name, ())) if n in rates), NONE) for name in NAMES)
