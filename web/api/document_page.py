"""The OpenAPI document as a page: one HTML text, no script, nothing from elsewhere. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from html import escape
from importlib.resources import files
from string import Template
from typing import Any

_PAGE = Template(files("web").joinpath("docs.html").read_text("utf-8"))
_SCHEMA = "#/components/schemas/"
_RESPONSE = "#/components/responses/"
#: How keys are called here, by the name of the security scheme.
_KEYS: Mapping[str, str] = {"key": "Basic", "publicKey": "Bearer with the public key"}


def render(document: Mapping[str, Any]) -> str:
    """The page. Everything that comes from the document is escaped."""
    info = document["info"]
    operations = [
        (method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    by_tag = {tag["name"]: [o for o in operations if o[2]["tags"][0] == tag["name"]] for tag in document["tags"]}
    return _PAGE.substitute(
        title=escape(f"{info['title']} API"),
        version=escape(info["version"]),
        description=_prose(info["description"]),
        keys=_keys(document["components"]["securitySchemes"]),
        contents="".join(_contents(tag, found) for tag, found in by_tag.items()),
        operations="".join(
            f'<section><h2 id="tag-{escape(tag)}">{escape(tag)}</h2>'
            + "".join(_operation(method, path, operation) for method, path, operation in found)
            + "</section>"
            for tag, found in by_tag.items()
        ),
        errors="".join(_error(name, answer) for name, answer in document["components"]["responses"].items()),
        schemas="".join(_schema(name, schema) for name, schema in document["components"]["schemas"].items()),
    )


def _contents(tag: str, operations: Iterable[tuple[str, str, Mapping[str, Any]]]) -> str:
    links = "".join(
        f'<li><a href="#{escape(o["operationId"])}"><b>{escape(method.upper())}</b> {_path(path)}</a></li>'
        for method, path, o in operations
    )
    return f'<li><a href="#tag-{escape(tag)}">{escape(tag)}</a><ul>{links}</ul></li>'


def _keys(schemes: Mapping[str, Mapping[str, str]]) -> str:
    return "".join(
        f"<li><b>{escape(_KEYS.get(name, name))}</b>: {_inline(scheme['description'])}</li>"
        for name, scheme in schemes.items()
    )


def _operation(method: str, path: str, operation: Mapping[str, Any]) -> str:
    keys = " or ".join(_KEYS.get(name, name) for one in operation["security"] for name in one) or "no key"
    parts = [
        f'<article id="{escape(operation["operationId"])}">'
        f'<h3><span class="method {escape(method)}">{escape(method.upper())}</span> <code>{_path(path)}</code></h3>'
        f"<p>{_inline(operation['summary'])}</p>",
    ]
    if operation.get("description"):
        parts.append(f"<p>{_inline(operation['description'])}</p>")
    parts.append(f'<p class="faint">Authorization: {escape(keys)}</p>')
    if operation["parameters"]:
        rows = "".join(_parameter(parameter) for parameter in operation["parameters"])
        parts.append(_table(("parameter", "in", "type", "meaning"), rows))
    if "requestBody" in operation:
        body = operation["requestBody"]
        said = f" — {_inline(body['description'])}" if body.get("description") else ""
        parts.append(f"<p>Body: {_content(body['content'])}{said}</p>")
    answers = sorted(operation["responses"].items())
    own = [(status, answer) for status, answer in answers if "$ref" not in answer]
    parts.append(_table(("status", "body", "meaning"), "".join(_answer(*one) for one in own)))
    errors = [(status, answer["$ref"].removeprefix(_RESPONSE)) for status, answer in answers if "$ref" in answer]
    if errors:
        links = " ".join(f'<a href="#error-{escape(name)}">{escape(status)}</a>' for status, name in errors)
        parts.append(f'<p class="faint">Errors: {links}</p>')
    return "".join([*parts, "</article>"])


def _parameter(parameter: Mapping[str, Any]) -> str:
    need = ' <em title="required">*</em>' if parameter["required"] else ""
    return _row(
        f"<code>{escape(parameter['name'])}</code>{need}",
        escape(parameter["in"]),
        f"{_type(parameter['schema'])}{_bounds(parameter['schema'])}",
        _inline(parameter.get("description", "")),
    )


def _answer(status: str, answer: Mapping[str, Any]) -> str:
    return _row(f"<code>{escape(status)}</code>", _content(answer.get("content", {})), _inline(answer["description"]))


def _error(name: str, answer: Mapping[str, Any]) -> str:
    cells = (
        f'<code id="error-{escape(name)}">{escape(name)}</code>',
        _content(answer["content"]),
        _inline(answer["description"]),
    )
    return _row(*cells)


def _content(content: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{_type(told['schema'])}" if media == "application/json" and "schema" in told else f"<i>{escape(media)}</i>"
        for media, told in content.items()
    )


def _schema(name: str, schema: Mapping[str, Any]) -> str:
    head = f'<article id="schema-{escape(name)}"><h3><code>{escape(name)}</code></h3>'
    if schema.get("description"):
        head += f"<p>{_inline(schema['description'])}</p>"
    if "properties" not in schema:
        return f"{head}<p>{_type(schema)}</p></article>"
    required = schema.get("required", ())
    rows = "".join(
        _row(
            f"<code>{escape(key)}</code>{'' if key in required else ' <span class=faint>optional</span>'}",
            f"{_type(told)}{_bounds(told)}",
            _inline(told.get("description", "")),
        )
        for key, told in schema["properties"].items()
    )
    return f"{head}{_table(('key', 'type', 'meaning'), rows)}</article>"


def _type(schema: Any) -> str:
    """A schema in a line, with links to the components."""
    if not isinstance(schema, Mapping):
        return "any"
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(_SCHEMA)
        return f'<a href="#schema-{escape(name)}">{escape(name)}</a>'
    for several, mark in (("anyOf", " or "), ("oneOf", " or "), ("allOf", " and ")):
        if several in schema:
            return mark.join(dict.fromkeys(map(_type, schema[several])))
    if "const" in schema:
        return f"<code>{escape(str(schema['const']))}</code>"
    if "enum" in schema:
        return " ".join(f"<code>{escape(str(value))}</code>" for value in schema["enum"])
    kind = schema.get("type")
    if kind == "array":
        return f"list of {_type(schema.get('items'))}"
    if kind == "object" and "properties" in schema:
        inside = ", ".join(f"{escape(key)}: {_type(told)}" for key, told in schema["properties"].items())
        return f"{{{inside}}}"
    if kind == "object" and isinstance(schema.get("additionalProperties"), Mapping):
        return f"object of {_type(schema['additionalProperties'])}"
    if schema.get("format"):
        return escape(str(schema["format"]))
    return escape(str(kind)) if kind else "any"


def _bounds(schema: Mapping[str, Any]) -> str:
    low = schema.get("minimum", schema.get("exclusiveMinimum"))
    high = schema.get("maximum", schema.get("exclusiveMaximum"))
    said = (
        [f"{'' if low is None else low}–{'' if high is None else high}"] if low is not None or high is not None else []
    )
    if schema.get("default") is not None:
        said.append(f"default {schema['default']}")
    return f' <span class="faint">{escape(", ".join(said))}</span>' if said else ""


def _table(heads: tuple[str, ...], rows: str) -> str:
    row = "".join(f"<th>{head}</th>" for head in heads)
    return f'<div class="wide"><table><thead><tr>{row}</tr></thead><tbody>{rows}</tbody></table></div>'


def _row(*cells: str) -> str:
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _path(path: str) -> str:
    """With places where a line may break."""
    return escape(path).replace("/", "/<wbr>")


def _inline(text: str) -> str:
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


def _prose(text: str) -> str:
    return "".join(f"<p>{_inline(part)}</p>" for part in text.strip().split("\n\n"))
