# pip install mlflow openai opentelemetry-exporter-otlp-proto-http
# with OPENAI_API_KEY and the three OTEL_EXPORTER_OTLP_* variables set
import mlflow
from openai import OpenAI
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter()))
trace.set_tracer_provider(provider)
tracer = trace.get_tracer(__name__)

mlflow.openai.autolog()
client = OpenAI()

# MLflow traces each call by itself …
client.chat.completions.create(
    model="gpt-4o-mini",
    messages=[
        {"role": "system", "content": "You are a helpful assistant."},
        {"role": "user", "content": "What is the capital of France?"},
    ],
    temperature=0.1,
    max_tokens=100,
)

# … and a span of yours around one says who asked, and in which session.
question = "What is OpenTelemetry?"
with tracer.start_as_current_span("OpenAI-Trace") as span:
    span.set_attribute("langfuse.user.id", "user-123")
    span.set_attribute("langfuse.session.id", "session-abc")
    span.set_attribute("langfuse.tags", ["staging", "demo"])
    span.set_attribute("input.value", question)
    completion = client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": question}])
    answer = completion.choices[0].message.content
    span.set_attribute("output.value", answer)
print(answer)
