"""Text that packs about as well as people's: sentences of common words, frequent ones often."""

from __future__ import annotations

import random
from bisect import bisect_right

_TEXT = """
the of and to in is for with on that this as are by be it from or an at we you can not which if when our your has have will
was each one all more other than then into their only also used new may time data order account invoice customer service
request answer model system report team change policy refund delivery status update error message plan price product region
document section contract clause term payment date number total amount user access password reset setting option feature
release version issue ticket support agent tool call result search query index table column row value field type list page
file upload download import export schedule meeting calendar event reminder email address phone office project task owner
deadline budget cost estimate risk review approval manager employee department training onboarding holiday leave salary
benefit insurance claim coverage form signature legal compliance audit security incident response network server database
storage backup restore cluster node region zone latency throughput memory processor capacity limit quota rate usage metric
alert dashboard chart graph trend forecast analysis summary detail example step guide manual instruction question topic
language translation draft paragraph sentence word style tone audience goal context background reason decision alternative
recommendation conclusion reference source link figure quarter month week day hour minute today tomorrow yesterday annual
market sales revenue margin profit growth campaign channel lead conversion retention churn segment cohort survey feedback
rating score quality defect return warranty repair replacement part supplier shipment warehouse inventory stock item unit
weather forecast temperature rain wind travel flight hotel booking train ticket route distance map location city country
"""
_WORDS = tuple(_TEXT.split())
_SENTENCES = 6000


class Words:
    """A long text once, and pieces of it, which begin with a sentence."""

    def __init__(self, seed: int) -> None:
        rng = random.Random(seed)
        weights = [1.0 / (place + 3) for place in range(len(_WORDS))]
        self._starts = [0]
        pieces: list[str] = []
        for _ in range(_SENTENCES):
            sentence = " ".join(rng.choices(_WORDS, weights, k=rng.randint(5, 22))).capitalize() + ". "
            if rng.random() < 0.15:  # names, numbers and ids do not pack
                sentence = f"{sentence[:-2]} {rng.randint(1, 10**6)} ({rng.getrandbits(40):010x}). "
            pieces.append(sentence)
            self._starts.append(self._starts[-1] + len(sentence))
        self._text = "".join(pieces)

    def text(self, rng: random.Random, characters: int) -> str:
        """About so many characters, at least a sentence."""
        first = rng.randrange(_SENTENCES)
        begin = self._starts[first]
        end = self._starts[min(_SENTENCES, bisect_right(self._starts, begin + characters, lo=first + 1))]
        return self._text[begin : end - 1]

    def question(self, rng: random.Random) -> str:
        """A short one."""
        return self.text(rng, rng.choice((20, 60, 60, 120, 400)))[:-1] + "?"
