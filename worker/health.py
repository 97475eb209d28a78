"""What keeps this worker from doing its work, for readiness and for stopping consumption."""

from __future__ import annotations

from litefuse.errors import Outcome, outcome


class Health:
    """Reasons by subject; a later success takes them back."""

    def __init__(self) -> None:
        self._reasons: dict[str, str] = {}
        self._stops: set[str] = set()

    @property
    def stopped(self) -> bool:
        """True while an operator has to act (wrong password, missing column): nothing more is consumed."""
        return bool(self._stops)

    def store_ok(self) -> None:
        """ClickHouse has done what it was asked for, so whatever it refused before is mended."""
        self.ok("insert")
        self.ok("look")

    def store_failed(self, error: BaseException) -> None:
        self.failed("insert", error)

    def failed(self, what: str, error: BaseException) -> None:
        self._reasons[what] = f"{what}: {error}"
        if outcome(error) is Outcome.STOP:
            self._stops.add(what)

    def ok(self, what: str) -> None:
        self._reasons.pop(what, None)
        self._stops.discard(what)

    def reasons(self) -> list[str]:
        return sorted(self._reasons.values())
