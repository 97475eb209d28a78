"""Who asks, in which session, and when: few users ask most, and most of a month's traffic is that of its last days."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field
from itertools import accumulate

SECOND = 1_000_000_000
DAY = 86_400 * SECOND
DAYS = 30
USERS = 4000
TENANTS = 150

#: In this many days traffic grows by a factor of e.
_GROWTH_DAYS = 5.0
#: How much more is asked by day than by night: the density swings by this share.
_SWING = 0.6
_SESSION_GAP = 1800 * SECOND
_TAGS = (
    "chat",
    "web",
    "mobile",
    "beta",
    "api",
    "internal",
    "eval",
    "vip",
    "slow-path",
    "fallback",
    "cache-miss",
    "demo",
)
_TAG_WEIGHTS = (30, 25, 15, 8, 8, 5, 3, 2, 2, 1, 1, 0.3)
_PLANS = ("free", "pro", "enterprise")
_REGIONS = ("eu-west-1", "us-east-1", "ap-south-1")


@dataclass(frozen=True, slots=True)
class Asker:
    """What a trace says of who asked. Empty: not said."""

    user: str = ""
    session: str = ""
    environment: str = ""
    tags: tuple[str, ...] = ()
    metadata: dict[str, str] = field(default_factory=dict)


def moment(share: float, until_ns: int) -> int:
    """When the part `share` (0 to 1) of all traffic has happened, Unix ns; the whole by `until_ns`."""
    least = math.exp(-DAYS / _GROWTH_DAYS)
    day = _GROWTH_DAYS * math.log(least + share * (1.0 - least))  # 0 is the end, −30 the beginning
    warped = day + _SWING / math.tau * math.sin(math.tau * day)
    return until_ns + int(warped * DAY)


class People:
    """Users with their sessions, in the order of time."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)
        self._reach = list(accumulate(1.0 / (rank + 1) ** 0.9 for rank in range(USERS)))
        self._tenants = list(accumulate(1.0 / (rank + 1) for rank in range(TENANTS)))
        self._open: dict[int, tuple[str, int]] = {}

    def asker(self, now_ns: int) -> Asker:
        """Who asks next."""
        rng = self._rng
        user = session = ""
        number = rng.choices(range(USERS), cum_weights=self._reach)[0]
        if rng.random() < 0.88:
            user = f"user-{number:05d}"
            session = self._session(number, now_ns)
        tags = tuple(sorted(set(rng.choices(_TAGS, _TAG_WEIGHTS, k=rng.choice((0, 1, 1, 2, 3))))))
        tenant = rng.choices(range(TENANTS), cum_weights=self._tenants)[0]
        metadata = {
            "tenant": f"tenant-{tenant:03d}",
            "plan": _PLANS[min(2, number % 7)],
            "region": rng.choice(_REGIONS),
        }
        if rng.random() < 0.02:
            metadata["experiment.arm"] = rng.choice("AB")
        return Asker(user, session, rng.choices(("production", "staging", ""), (80, 15, 5))[0], tags, metadata)

    def _session(self, number: int, now_ns: int) -> str:
        """The user's open one; a new one after half an hour without any, and now and then."""
        known, last = self._open.get(number, ("", 0))
        if not known or now_ns - last > _SESSION_GAP or self._rng.random() < 0.08:
            known = f"session-{self._rng.getrandbits(48):012x}"
        self._open[number] = (known, now_ns)
        return known if self._rng.random() < 0.97 else ""
