"""How SDKs write providers and models, and what the catalogue calls them (docs/prices.md, "Which price")."""

from __future__ import annotations

import re
from collections.abc import Iterator

#: Models that run on somebody's own machines: nobody bills their tokens, whatever the model is called.
LOCAL = frozenset(
    (
        *(
            "ollama",
            "ollama_chat",
            "vllm",
            "hosted_vllm",
            "lmstudio",
            "lm_studio",
            "lm-studio",
            "llamafile",
            "llama.cpp",
        ),
        *("llama_cpp", "llamacpp", "localai", "sglang", "tgi", "mlx", "xinference", "transformers", "local"),
    )
)
#: Word → id in the catalogue, beside those that it knows itself.
ALIASES = {
    "az": "azure",
    "microsoft": "azure",
    "amazon": "aws",
    "amazon_bedrock": "aws",
    "bedrock_converse": "aws",
    "sagemaker": "aws",
    "gcp": "google",
    "gemini": "google",
    "palm": "google",
    "vertex": "google",
    "vertex_ai": "google",
    "vertexai": "google",
    "googleai": "google",
    "x_ai": "x-ai",
    "xai": "x-ai",
    "mistral_ai": "mistral",
    "mistralai": "mistral",
    "moonshot": "moonshotai",
    "moonshot_ai": "moonshotai",
    "together_ai": "together",
    "togetherai": "together",
    "fireworks_ai": "fireworks",
    "fireworksai": "fireworks",
    "deepseek_ai": "deepseek",
    "open_router": "openrouter",
    "github_copilot": "github-copilot",
    "voyage": "voyageai",
    "voyage_ai": "voyageai",
    "z_ai": "zai",
    "z-ai": "zai",
    "zhipu": "zhipuai",
    "zhipu_ai": "zhipuai",
    "cohere_chat": "cohere",
    "text-completion-openai": "openai",
}
#: Providers whose client is used for other services too, so that a model they lack is looked for elsewhere.
FRONTS = frozenset(("openai", "anthropic"))

#: Beginning of a name → who makes such models, where the catalogue does not say it.
MAKERS = (
    ("text-embedding-", ("openai", "google")),
    ("gemini-embedding", ("google",)),
    ("chatgpt-", ("openai",)),
    ("embed-", ("cohere",)),
)

_BEDROCK = re.compile(
    r"^(?:[a-z]{2,6}(?:-gov)?\.)?(?:ai21|amazon|anthropic|cohere|deepseek|luma|meta|minimax|mistral|moonshot|moonshotai|nvidia"
    r"|openai|qwen|stability|twelvelabs|writer)\."
)
_COMPACT_DATE = re.compile(r"-(20\d\d)(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(?=-|:|@|$)")
_MONTH, _DAY = r"(?:0[1-9]|1[0-2])", r"(?:0[1-9]|[12]\d|3[01])"
#: What tells one release of a model from another: a day (in Bedrock's names with a version behind it), a month, `latest`, a
#: number such as 001.
_RELEASE = re.compile(
    rf"(?:[-@]20\d\d(?:-{_MONTH}-{_DAY}|{_MONTH}{_DAY})(?:-v\d+(?::\d+)?)?|-{_MONTH}-(?:{_DAY}|20\d\d)"
    rf"|-(?:{_MONTH}{_DAY}|2[3-9]{_MONTH}|00\d)|[-@:]latest|@default)$"
)
#: What stands before a model's name in Google's and Bedrock's paths.
_PATHS = ("models/", "publishers/", "projects/", "arn:")
#: Longer names are no models.
MAX_NAME = 256


def words(provider: str) -> Iterator[str]:
    """What of a provider's name may say who it is, the best first: all of it, then its parts before dots and slashes."""
    word = provider.strip().lower()
    if word.startswith("az.") or "azure" in word:  # az.ai.openai, azure_openai, AzureChatOpenAI: not OpenAI itself
        yield "azure"
        return
    yield word
    for mark in (".", "/", ":"):
        head, found, _ = word.partition(mark)
        if found and head:
            yield head


def in_bedrock_form(model: str) -> bool:
    """`us.anthropic.claude-…`, `meta.llama3-…`: a name as Amazon Bedrock gives it."""
    return _BEDROCK.match(model) is not None


def variants(model: str) -> list[str]:
    """Spellings of a model's name (lower case) to look for, the one as sent first."""
    found = [model]
    if model.startswith(_PATHS):
        found.append(model.rpartition("/")[2])
    for name in tuple(found):
        if "@" in name:  # Vertex: claude-3-5-sonnet@20240620
            found.append(name.replace("@", "-"))
    for name in tuple(found):
        dashed = _COMPACT_DATE.sub(r"-\1-\2-\3", name)
        if dashed != name:  # gpt-5.2-20251211
            found.append(dashed)
    return list(dict.fromkeys(name for name in found if name))


def undated(model: str) -> str:
    """The model's name (lower case) without the date or `latest` at its end; "" when it has none."""
    found = _RELEASE.search(model)
    return model[: found.start()] if found else ""


def tuned(model: str) -> str | None:
    """The catalogue's id for a fine-tuned model without a date, `ft:gpt-4o-mini:org::id`; None for other names. It has its
    own price: that of the model it was made from would be too low."""
    head, _, rest = model.partition(":")
    return f"ft:{rest.partition(':')[0]}" if head == "ft" and rest else None
