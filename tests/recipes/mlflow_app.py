"""The recipe's neighbours: an answer that is streamed, a call that fails, and spans that use every field of OpenTelemetry."""

import mlflow
import openai
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, SpanKind, Status, StatusCode

resource = Resource.create({"service.name": "assistant", "service.replicas": 3, "service.cost": 0.5, "canary": True})
provider = TracerProvider(resource=resource)
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
trace.set_tracer_provider(provider)
tracer = trace.get_tracer(
    "assistant.chat", "1.2.3", schema_url="https://example.org/schema", attributes={"team": "blue", "level": 2}
)

mlflow.openai.autolog()
client = openai.OpenAI(max_retries=0)


def ask(question: str, **more):
    return client.chat.completions.create(messages=[{"role": "user", "content": question}], **more)


with tracer.start_as_current_span("conversation", kind=SpanKind.SERVER) as conversation:
    conversation.set_attributes(
        {
            "turns": 2,
            "ratio": 0.1,
            "big": 2**62,
            "done": True,
            "text": "naïve — 東京 🗼",
            "empty": "",
            "scores": [1, 2, 3],
        }
    )
    conversation.add_event("asked", {"turn": 1, "language": "en"})
    stream = ask("What is OpenTelemetry?", model="gpt-4o", stream=True, stream_options={"include_usage": True})
    print("".join(choice.delta.content or "" for chunk in stream for choice in chunk.choices))

with tracer.start_as_current_span(
    "failure", kind=SpanKind.CLIENT, links=[Link(conversation.get_span_context(), {"why": "asked again"})]
) as failure:
    try:
        ask("What is OpenTelemetry?", model="no-such-model")
    except openai.NotFoundError as error:
        failure.record_exception(error)
        failure.set_status(Status(StatusCode.ERROR, str(error)))

provider.shutdown()
