"""What a span means, field by field, as the columns of the table `spans` (schemas/migrations/0002) hold it."""

from __future__ import annotations

from dataclasses import dataclass, field

from worker.map.usage import Tokens


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool that the model asked for. `arguments` is JSON text."""

    id: str
    name: str
    arguments: str
    type: str = ""
    index: int = 0


@dataclass(slots=True)
class Mapped:
    """The LLM values of one span. Empty text, empty maps and None mean: not said.

    Costs are picodollars (10⁻¹² USD, whole numbers, so that sums are exact); `usage` counts tokens or other units;
    `completion_start_ns` is Unix ns; `model_parameters`, `metadata` and `trace_metadata` are flat, name → text.
    """

    type: str = "SPAN"
    observation_name: str = ""
    level: str = "DEFAULT"
    level_message: str = ""
    environment: str = "default"
    app_version: str = ""
    release: str = ""
    model: str = ""
    provider: str = ""
    model_parameters: dict[str, str] = field(default_factory=dict)
    input: str = ""
    output: str = ""
    input_preview: str = ""
    output_preview: str = ""
    usage: dict[str, int] = field(default_factory=dict)
    tokens: Tokens | None = None
    cost: dict[str, int] = field(default_factory=dict)
    cost_source: str = ""
    price: str = ""
    completion_start_ns: int | None = None
    prompt_name: str = ""
    prompt_version: int | None = None
    tool_definitions: dict[str, str] = field(default_factory=dict)
    tool_calls: list[ToolCall] = field(default_factory=list)
    user_id: str = ""
    session_id: str = ""
    session_is_conversation: bool = False
    tags: list[str] = field(default_factory=list)
    metadata: dict[str, str] = field(default_factory=dict)
    is_root: bool = False
    is_app_root: bool = False
    trace_name: str = ""
    trace_input: str = ""
    trace_output: str = ""
    trace_public: bool | None = None
    trace_metadata: dict[str, str] = field(default_factory=dict)
    release_is_own: bool = False
    app_version_is_own: bool = False
    experiment: dict[str, str] = field(default_factory=dict)
    mapping_error: str = ""
