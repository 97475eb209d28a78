"""A client of the Langfuse SDK, whichever major is installed, that does what it is told line by line.

A line of stdin is `{"call": "api.trace.get", "with": {…}}`; the answer, a line of stdout, is `{"returned": …}` or
`{"raised": class, "body": …, "status": …}`. Values that JSON has not: `{"$time": iso}`, `{"$make": class, "with": {…}}` for a
class of `langfuse.api`, `{"$enum": class.member}`. A call that begins with `recipe.` runs a function of this file.
"""

import datetime
import json
import os
import sys

import langfuse

MAJOR = int(os.environ["SDK_MAJOR"])
address = {"host": os.environ["SDK_HOST"]}
client = langfuse.Langfuse(
    public_key=os.environ["SDK_PUBLIC_KEY"], secret_key=os.environ["SDK_SECRET_KEY"], **address, environment="staging"
)
METADATA = {"a": "1", "b": 1, "c": {"d": [1]}}
MESSAGES = [{"role": "user", "content": "What is 2+2?"}]


def full() -> dict:
    """A trace with everything this major's tracing calls can say; what it returns names it."""
    if MAJOR == 2:
        return full_2()
    usage = {"input": 7, "output": 3, "input_cached_tokens": 2}
    generation = {
        "name": "answer",
        "input": MESSAGES,
        "model": "gpt-4o-mini",
        "model_parameters": {"temperature": 0.5},
        "usage_details": usage,
        "cost_details": {"input": 0.25, "output": 0.5, "total": 0.75},
        "metadata": METADATA,
        "version": "v7",
    }
    if MAJOR == 3:
        with client.start_as_current_span(name="conversation", input={"q": [1, 2]}) as root:
            root.update_trace(
                name="talk", user_id="ann", session_id="s-1", tags=["x", "y"], metadata=METADATA, public=True
            )
            with client.start_as_current_generation(**generation) as inner:
                inner.update(output="It is 4.")
            client.create_event(name="clicked", input="button")
            root.update(output={"a": 4}, metadata=METADATA)
            names = {"trace": root.trace_id, "root": root.id, "generation": inner.id}
    else:
        with (
            langfuse.propagate_attributes(
                trace_name="talk", user_id="ann", session_id="s-1", tags=["x", "y"], metadata=METADATA
            ),
            client.start_as_current_observation(name="conversation", as_type="agent", input={"q": [1, 2]}) as root,
        ):
            client.set_current_trace_as_public()
            with client.start_as_current_observation(as_type="generation", **generation) as inner:
                inner.update(output="It is 4.", completion_start_time=datetime.datetime.now(datetime.UTC))
            client.create_event(name="clicked", input="button")
            root.update(output={"a": 4}, metadata=METADATA)
            names = {"trace": root.trace_id, "root": root.id, "generation": inner.id}
    client.flush()
    return names


def full_2() -> dict:
    trace = client.trace(
        name="talk",
        user_id="ann",
        session_id="s-1",
        tags=["x", "y"],
        metadata=METADATA,
        public=True,
        input={"q": [1, 2]},
    )
    root = trace.span(name="conversation", input={"q": [1, 2]}, metadata=METADATA)
    inner = root.generation(
        name="answer",
        input=MESSAGES,
        model="gpt-4o-mini",
        model_parameters={"temperature": 0.5},
        usage_details={"input": 7, "output": 3, "input_cached_tokens": 2},
        cost_details={"input": 0.25, "output": 0.5, "total": 0.75},
        metadata=METADATA,
        version="v7",
    )
    inner.end(output="It is 4.")
    root.event(name="clicked", input="button")
    root.end(output={"a": 4})
    trace.update(output={"a": 4})
    client.flush()
    return {"trace": trace.id, "root": root.id, "generation": inner.id}


def told_2() -> dict:
    """SDK 2's ways to tell a trace: step by step with updates, by decorators, and parts of it that come later."""
    trace = client.trace(name="draft", user_id="ann", metadata={"step": 1, "kept": {"x": [1]}}, tags=["a"])
    outer = trace.span(name="outer", input={"q": 1}, level="WARNING", status_message="slow")
    inner = outer.span(name="inner")
    generation = inner.generation(
        name="call", model="gpt-4o-mini", model_parameters={"temperature": 0.5, "stop": ["x"]}
    )
    generation.update(completion_start_time=datetime.datetime.now(datetime.UTC), input=MESSAGES)
    generation.end(
        output={"role": "assistant", "content": "4"},
        usage={"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10},
        prompt=None,
    )
    inner.event(name="noted", metadata={"n": 1}, input="i", output="o")
    inner.end(output=[1, 2])
    outer.update(metadata={"late": True})
    outer.end()
    trace.score(name="quality", value=0.5, comment="fine")
    generation.score(name="style", value="good", data_type="CATEGORICAL")
    client.flush()
    trace.update(name="final", output="done", tags=["b"], metadata={"step": 2}, session_id="s-2", release="r1")
    client.flush()

    from langfuse.decorators import langfuse_context, observe

    langfuse_context.configure(
        public_key=os.environ["SDK_PUBLIC_KEY"], secret_key=os.environ["SDK_SECRET_KEY"], host=os.environ["SDK_HOST"]
    )

    @observe(as_type="generation")
    def call(text: str) -> str:
        langfuse_context.update_current_observation(model="gpt-4o-mini", usage_details={"input": 2, "output": 1})
        return text.upper()

    @observe()
    def pipeline(text: str) -> str:
        langfuse_context.update_current_trace(user_id="bob", tags=["decorated"])
        langfuse_context.score_current_trace(name="own", value=1)
        seen["decorated"] = langfuse_context.get_current_trace_id()
        return call(text)

    seen: dict = {}
    pipeline("hi")
    langfuse_context.flush()
    return {"trace": trace.id, "outer": outer.id, "inner": inner.id, "generation": generation.id, **seen}


def score(**arguments: object) -> None:
    """The SDK's own way to make a score, in the background, to its end."""
    (client.score if MAJOR == 2 else client.create_score)(**arguments)
    client.flush()


def evaluate(**arguments: object) -> dict:
    """run_batched_evaluation over everything: how many items it saw, and which."""
    seen = []

    def mapper(*, item):
        seen.append(item.id)
        return {"input": item.input, "output": item.output, "expected_output": None, "metadata": {}}

    def evaluator(*, input, output, expected_output, metadata, **more):
        return langfuse.Evaluation(name="length", value=1.0)

    scope = {} if MAJOR == 5 else {"scope": "observations"}
    result = client.run_batched_evaluation(mapper=mapper, evaluators=[evaluator], **scope, **arguments)
    client.flush()
    return {"processed": result.total_items_processed, "failed": result.total_items_failed, "seen": seen}


def revived(value):
    if isinstance(value, list):
        return [revived(entry) for entry in value]
    if not isinstance(value, dict):
        return value
    if "$time" in value:
        return datetime.datetime.fromisoformat(value["$time"])
    if "$make" in value:
        return getattr(langfuse.api, value["$make"])(**revived(value["with"]))
    if "$enum" in value:
        name, _, member = value["$enum"].partition(".")
        return getattr(getattr(langfuse.api, name), member)
    return {key: revived(entry) for key, entry in value.items()}


def plain(value):
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    if isinstance(value, dict):
        return {key: plain(entry) for key, entry in value.items()}
    if isinstance(value, datetime.datetime):
        return value.isoformat()
    for name in ("model_dump", "dict"):
        if hasattr(value, name):
            return plain(getattr(value, name)())
    if hasattr(value, "__dict__") and not isinstance(value, str | int | float | type(None)):
        return plain(vars(value))
    return value


def answer(line: str) -> dict:
    asked = json.loads(line)
    target = sys.modules[__name__] if asked["call"].startswith("recipe.") else client
    for name in asked["call"].removeprefix("recipe.").split("."):
        target = getattr(target, name)
    try:
        return {"returned": plain(target(**revived(asked["with"])))}
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what the test wants to know
        told = {"raised": type(error).__name__, "text": str(error)[:2000]}
        return told | {"status": getattr(error, "status_code", None), "body": plain(getattr(error, "body", None))}


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(answer(line), default=str), flush=True)
