"""Traffic of LLM applications, for benchmarks and tests: OTLP requests as several SDKs would send them.

- words.py      text to read: questions, answers, documents
- people.py     who asks, in which session, when; tags and metadata
- step.py       what a trace is made of, in nobody's convention
- stories.py    what applications do: agents with tools, answers from documents, chats, embeddings
- dialects.py   how each convention writes a step as attributes
- traffic.py    all of it together: `requests(spans, seed)`

Deterministic: the same `spans`, `seed` and `until_ns` give the same bytes.
"""
