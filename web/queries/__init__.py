"""What the API and the UI ask of ClickHouse: each question a pure function that writes one statement, and a thin async
function that runs it.

- statement.py     a statement with its parameters; the one place that binds the project
- conditions.py    filters as values, and as SQL
- merge.py         traces as SQL: parts put together, and what filters leave of them
- traces.py        lists of traces, walked back in time; counts
- trace_pages.py   the same by page number
- numbers.py       what is counted and summed of a trace, from spans without their copies
- texts.py         input and output of traces in full
- observations.py  one trace's observations, one by its id, and what lists of them are made of
- observation_pages.py  lists of observations, walked back in time: by cursor, and by page number
- contexts.py      what traces say of their observations
- sessions.py      sessions and users
- totals.py        how many there are in all, beside a page
- bounded.py       a store whose reads are bounded
- metrics.py       calls of models by hour or day
- metric_views.py  what metrics of the API can be asked for, as tables
- metric_query.py  a query of metrics as a value; metric_sql.py as one statement; metric_time.py its buckets
- metric_rows.py   its rows as the answer has them
- daily.py         numbers by day and model

Times are Unix nanoseconds, durations nanoseconds, costs Decimal USD. All raise litefuse.errors.StoreError as the store
does, and QueryError for a filter or a limit that cannot be.
"""
