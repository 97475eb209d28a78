"""Tools that take what they are given as it is, or refuse it in a sentence that an agent can mend it by.

The package mcp leaves out arguments that it does not know, and reads JSON out of texts. An agent that says `user` for
`user_id`, or looks for the user `null`, would be shown everybody's traces, and not be told.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, get_args, get_origin

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError, UnexpectedToolError
from mcp.server.mcpserver.tools import Tool
from mcp.server.mcpserver.utilities.func_metadata import FuncMetadata
from mcp.types import ToolAnnotations
from pydantic import ValidationError, create_model

_READS = ToolAnnotations(read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False)
_SHOWN = 50


def reading_tool(function: Callable[..., Any]) -> Tool:
    """A tool that reads: its name, description and arguments are those of the function."""
    made = _Tool.from_function(function, annotations=_READS)
    loose = made.fn_metadata
    strict = create_model(loose.arg_model.__name__, __base__=loose.arg_model, __cls_kwargs__={"extra": "forbid"})
    made.fn_metadata = _Arguments(
        arg_model=strict,
        output_schema=loose.output_schema,
        output_model=loose.output_model,
        wrap_output=loose.wrap_output,
    )
    made.parameters = strict.model_json_schema(by_alias=True)
    return made


class _Arguments(FuncMetadata):
    def pre_parse_json(self, data: dict[str, Any]) -> dict[str, Any]:
        """Some programs send a list as text: read where a list belongs, and nowhere else."""
        fields = self.arg_model.model_fields
        return {
            name: _list(value) if name in fields and _takes_list(fields[name].annotation) else value
            for name, value in data.items()
        }


class _Tool(Tool):
    async def run(self, arguments: dict[str, Any], context: Context[Any, Any], convert_result: bool = False) -> Any:
        try:
            return await super().run(arguments, context, convert_result)
        except UnexpectedToolError:
            raise
        except ToolError as error:
            wrong = error.__cause__
            if not isinstance(wrong, ValidationError):
                raise
            said = "; ".join(complaints(wrong, self.fn_metadata.arg_model.model_fields))
            raise ToolError(f"Error executing tool {self.name}: {said}") from wrong


def complaints(error: ValidationError, known: Iterable[str]) -> list[str]:
    """What is wrong with each argument, and what there is; `known` are the arguments' names."""
    return [_complaint(issue, list(known)) for issue in error.errors(include_url=False, include_context=False)]


def _complaint(issue: Mapping[str, Any], known: list[str]) -> str:
    place = ".".join(str(step) for step in issue["loc"])
    if issue["type"] == "extra_forbidden":
        close = difflib.get_close_matches(place, known, n=1)
        meant = f"; did you mean {close[0]}? There" if close else "; there"
        return f"no argument {place[:_SHOWN]!r}{meant} are {', '.join(known)}"
    if issue["type"] == "missing":
        return f"{place}: is missing"
    message = str(issue["msg"]).removeprefix("Input ")
    given = f", not {str(issue['input'])[:_SHOWN]!r}" if issue["type"] == "literal_error" else ""
    return f"{place}: {message[0].lower()}{message[1:]}{given}"


def _takes_list(annotation: Any) -> bool:
    return any(get_origin(each) is list for each in (annotation, *get_args(annotation)))


def _list(value: Any) -> Any:
    """The list that a text is in JSON; anything else as it is."""
    if not isinstance(value, str) or not value.lstrip().startswith("["):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value
