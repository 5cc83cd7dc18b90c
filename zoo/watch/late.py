"""Rules for what begins in the middle of a run: the images became worse than they were, and what changed with them.

Each compares a signal with the run's own past (`past.Past`) while the images are worse; what comes first names the
cause, and "declined" is what is left. A change alone is no failure: rates decay, augmentation comes on, runs go on.
"""

from __future__ import annotations

from zoo.watch import conditions
from zoo.watch.findings import ABOVE, BELOW, Rule
from zoo.watch.past import WORSE

CALIBRATED = "calibrated: benchmarks/late_failures.py"
EXACT = "by definition"

WITH_WORSE_IMAGES = (
    ("data_changed", "the images on the disk are not those that training began with", "data_changes", ABOVE, 0.5),
    ("penalty_gone", "D's penalty has become 0, which the recipe does not want", "penalty_gone", ABOVE, 0.5),
    ("augmentation_gone", "D's images are not augmented any more", "augmentation_gone", ABOVE, 0.5),
    ("g_too_fast", "the generator moves farther in a step than it did", "g_step_change", ABOVE, 8.0),
    ("d_too_fast", "D moves farther in a step than it did", "d_step_change", ABOVE, 8.0),
    ("weights_changed", "D's weights have another size than they had", "d_weights_change", ABOVE, 20.0),
    ("weights_changed", "the generator's weights have another size than they had", "g_weights_change", ABOVE, 20.0),
    ("weights_changed", "D's weights have another size than they had", "d_weights_change", BELOW, -20.0),
    ("weights_changed", "the generator's weights have another size than they had", "g_weights_change", BELOW, -20.0),
    ("d_weak", "D moves less in a step than it did", "d_step_change", BELOW, -8.0),
    ("swapped", "D rates generated images above real ones, which it did not", "separation_change", BELOW, -20.0),
    ("exploding", "D's gradient has grown", "d_gradient_change", ABOVE, 8.0),
)

LATE: tuple[Rule, ...] = (
    *(
        Rule(name, "stop", meaning, signal, side, threshold, 2, CALIBRATED, 0.5, also=conditions.worse, late=True)
        for name, meaning, signal, side, threshold in WITH_WORSE_IMAGES
    ),
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
        late=True,
    ),
    Rule(
        "average_stopped",
        "warn",
        "the average of the weights does not move",
        "ema_update",
        BELOW,
        1e-8,
        2,
        EXACT,
        0.5,
        also=conditions.g_moves,
    ),
    Rule(
        "statistics_stopped",
        "warn",
        "the moving statistics of the generator's normalisation do not move",
        "statistics_update",
        BELOW,
        1e-6,
        2,
        EXACT,
        0.5,
        also=conditions.g_moves,
    ),
    Rule("data_changed", "note", "the images on the disk have changed", "data_changes", ABOVE, 0.5, 1, EXACT, 0.5),
    Rule("penalty_gone", "note", "D's penalty has become 0", "penalty_gone", ABOVE, 0.5, 2, EXACT, 0.5),
    Rule("augmentation_gone", "note", "ADA has ended", "augmentation_gone", ABOVE, 0.5, 2, EXACT, 0.5),
)
