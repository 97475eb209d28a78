"""The public REST API, under /api/public: what SDKs and scripts read, and what they say about traces besides spans.

- routes.py        every route, in one table: the server, the OpenAPI document and the tests go by it
- route.py         one route as a value; Call: what a handler is given
- serve.py         around each handler: key, parameters, errors, JSON
- parameters.py    query parameters, declared as dataclasses
- errors.py        the one error shape, and which status an error of ClickHouse becomes
- values.py        times, costs and users' JSON as they go out
- openapi.py      the OpenAPI document (document.py; others.py has what other roles serve) and its page (document_page.py)
- filters.py       the filter language
- the rest         a file a resource: its parameters, answers and handlers

Statements are made and run by web/queries.
"""
