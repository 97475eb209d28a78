"""How often something is measured: a number of rounds, or fewer when the time is up."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator


class Rounds:
    """Iterating gives 0, 1, 2 … and stops after `count`, or at `deadline` (monotonic seconds). The first round is always
    given. `say` is told what is being done."""

    def __init__(self, count: int, deadline: float, say: Callable[[str], None]) -> None:
        self.count = count
        self.deadline = deadline
        self._say = say
        self._number = 0

    def __iter__(self) -> Iterator[int]:
        for number in range(self.count):
            if number and time.monotonic() > self.deadline:
                self._say(f"time is up: {number} of {self.count} rounds")
                return
            self._number = number
            yield number

    def say(self, text: str) -> None:
        self._say(f"round {self._number + 1} of {self.count}: {text}")
