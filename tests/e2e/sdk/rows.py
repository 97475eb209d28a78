"""Every call of an SDK that reads (public-api.md section 10), as data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

#: A range that has everything.
SINCE, UNTIL = {"$time": "2026-01-01T00:00:00+00:00"}, {"$time": "2027-01-01T00:00:00+02:00"}
V2_FIELDS = "core,basic,time,io,metadata,model,usage,prompt,metrics,trace_context"
V3_FIELDS = "core,details,subject,annotation"


def metrics(view: str = "observations", **more: Any) -> str:
    query = {
        "view": view,
        "metrics": [{"measure": "count", "aggregation": "count"}],
        "dimensions": [{"field": "name"}],
        "filters": [],
        "fromTimestamp": "2026-01-01T00:00:00Z",
        "toTimestamp": "2027-01-01T00:00:00Z",
        **more,
    }
    return json.dumps(query)


@dataclass(frozen=True, slots=True)
class Read:
    """`one`: asks for this one object, `{trace}`, `{root}`, `{session}` or `{score}`: unknown ids are not found."""

    call: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    one: str = ""

    def filled(self, ids: Mapping[str, str]) -> dict[str, Any]:
        """Its arguments, with these ids for their names in brackets."""
        named = {f"{{{name}}}": value for name, value in ids.items()}
        return {
            name: named.get(value, value) if isinstance(value, str) else value for name, value in self.arguments.items()
        }


_BASIC = (Read("auth_check"), Read("api.projects.get"), Read("api.health.health"))
_SESSIONS = (
    Read("api.sessions.list", {"from_timestamp": SINCE, "to_timestamp": UNTIL}),
    Read("api.sessions.get", {"session_id": "{session}"}, "session"),
)
_TRACES = (
    Read("api.trace.list", {"from_timestamp": SINCE, "to_timestamp": UNTIL, "order_by": "timestamp.desc"}),
    Read("api.trace.get", {"trace_id": "{trace}"}, "trace"),
)
_V1 = {"from_start_time": SINCE, "to_start_time": UNTIL}

READS: Mapping[int, tuple[Read, ...]] = {
    5: (
        *_BASIC,
        Read("get_trace_url", {"trace_id": "{trace}"}),
        Read("api.observations.get_many"),
        Read("api.observations.get_many", {"fields": V2_FIELDS, "from_start_time": SINCE, "to_start_time": UNTIL}),
        Read("api.scores.get_many"),
        Read("api.scores.get_many", {"fields": V3_FIELDS, "from_timestamp": SINCE, "to_timestamp": UNTIL}),
        Read("api.metrics.metrics", {"query": metrics()}),
        Read("recipe.evaluate"),
    ),
    4: (
        *_BASIC,
        Read("get_trace_url", {"trace_id": "{trace}"}),
        *_TRACES,
        *_SESSIONS,
        Read("api.observations.get_many"),
        Read("api.observations.get_many", {"fields": V2_FIELDS}),
        Read("api.legacy.observations_v1.get_many", _V1),
        Read("api.legacy.observations_v1.get", {"observation_id": "{root}"}, "root"),
        Read("api.metrics.metrics", {"query": metrics()}),
        Read("api.legacy.metrics_v1.metrics", {"query": metrics("traces")}),
        Read("api.scores.get_many"),
        Read("api.scores.get_by_id", {"score_id": "{score}"}, "score"),
        Read("api.scores_v3.get_many_v3", {"fields": V3_FIELDS}),
        Read("recipe.evaluate"),
    ),
    3: (
        *_BASIC,
        Read("get_trace_url", {"trace_id": "{trace}"}),
        *_TRACES,
        *_SESSIONS,
        Read("api.observations.get_many", _V1),
        Read("api.observations.get", {"observation_id": "{root}"}, "root"),
        Read("api.observations_v_2.get_many", {"fields": V2_FIELDS}),
        Read("api.metrics.metrics", {"query": metrics("traces")}),
        Read("api.metrics_v_2.metrics", {"query": metrics()}),
        Read("api.score_v_2.get"),
        Read("api.score_v_2.get_by_id", {"score_id": "{score}"}, "score"),
        Read("recipe.evaluate"),
    ),
    2: (
        *_BASIC,
        *_TRACES,
        *_SESSIONS,
        Read("api.observations.get_many", _V1),
        Read("api.observations.get", {"observation_id": "{root}"}, "root"),
        Read("api.metrics.daily", {"from_timestamp": SINCE, "to_timestamp": UNTIL}),
        Read("api.score.get"),
        Read("api.score.get_by_id", {"score_id": "{score}"}, "score"),
        Read("fetch_traces"),
        Read("fetch_trace", {"id": "{trace}"}, "trace"),
        Read("fetch_observations"),
        Read("fetch_observation", {"id": "{root}"}, "root"),
        Read("fetch_sessions"),
    ),
}
