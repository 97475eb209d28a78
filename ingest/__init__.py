"""The front door: OTLP over HTTP into the log (architecture sections 1, 4 and 5).

traces     the way of a request, from its headers to its answer: read this first
auth       whose key it is
body       the body, within bounds
inflight   bytes in flight, within bounds
plan       which spans are kept, and what goes into the log
batch      small requests of one project into one record
publish    into the log, within a deadline
answer     what OTLP says the answer looks like
app        routes, start and stop
"""
