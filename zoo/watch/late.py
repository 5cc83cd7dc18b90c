"""Rules for what begins in the middle of a run: the images became worse than they were, and what changed with them.

Each compares a signal with the run's own past (`past.Past`) while the images are worse; what comes first names the
cause, and "declined" is what is left. A change alone is no failure: rates decay, augmentation comes on, runs go on.
What is certain, because it is exact, is a note as long as the images do not suffer. While a run is young, nothing is
compared.
"""

from __future__ import annotations

from zoo.watch import conditions
from zoo.watch.findings import ABOVE, BELOW, Rule
from zoo.watch.past import WORSE, YOUNG, change_of

CALIBRATED = "calibrated: benchmarks/late_failures.py"
EXACT = "by definition"

CERTAIN = (
    ("data_changed", "the images on the disk are not those that training began with", "data_changes", 0.91),
    ("penalty_gone", "D's penalty has become 0, which the recipe does not want", "penalty_gone", 0.5),
    ("weights_changed", "a network's weights were multiplied by a number", "weights_jump", 0.83),
    ("augmentation_gone", "ADA has ended at once, which it does not do by itself", "augmentation_gone", 0.67),
)
STOPPED = (
    ("average_stopped", "the average of the weights does not move", "ema_update", 1e-8, 0.75),
    ("statistics_stopped", "the moving statistics of the generator do not move", "statistics_update", 1e-6, 0.75),
)
COMPARING = (
    ("g_too_fast", "the generator moves farther in a step than it did", change_of("g_step"), ABOVE, 9.3, 0.8),
    ("d_too_fast", "D moves farther in a step than it did", change_of("d_step"), ABOVE, 9.3, 0.6),
    ("d_weak", "D moves less in a step than it did", change_of("d_step"), BELOW, -8.0, 0.75),
    ("swapped", "D rates generated images above real ones, which it did not", "separation", BELOW, 0.1, 0.75),
    ("carried_on", "both players keep the direction of their updates", "direction", ABOVE, 0.92, 0.75),
)
ALSO = {"d_weak": conditions.worse_and_d_moves, "swapped": conditions.worse_and_so_trained}


def _comparing(name: str, meaning: str, signal: str, side: str, threshold: float, confidence: float) -> Rule:
    also = ALSO.get(name, conditions.worse)
    return Rule(
        name, "stop", meaning, signal, side, threshold, 2, CALIBRATED, confidence, also=also, since=YOUNG, late=True
    )


LATE: tuple[Rule, ...] = (
    *(
        Rule(
            name, "stop", meaning, signal, ABOVE, 0.5, 2, EXACT, right, also=conditions.unusual, since=YOUNG, late=True
        )
        for name, meaning, signal, right in CERTAIN
    ),
    *(
        Rule(name, "warn", meaning, signal, BELOW, threshold, 2, EXACT, right, also=conditions.g_moves)
        for name, meaning, signal, threshold, right in STOPPED
    ),
    *(_comparing(*row) for row in COMPARING),
    Rule(
        "declined",
        "stop",
        "the images have become worse than they were",
        "decline",
        ABOVE,
        WORSE,
        3,
        CALIBRATED,
        0.5,
        since=YOUNG,
        late=True,
    ),
    *(Rule(name, "note", meaning, signal, ABOVE, 0.5, 2, EXACT, right) for name, meaning, signal, right in CERTAIN),
)
