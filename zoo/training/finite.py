"""Training stops where a value is not finite."""

from __future__ import annotations

import numpy as np

from zoo.files.errors import ZooError
from zoo.step.gan import GAN


class NonFinite(ZooError):
    """Training stopped because a value was not finite; the message names the steps and the tensors."""


def require_finite(gan: GAN, numbers: dict[str, float], first: int, last: int, weights: bool) -> None:
    """Raises NonFinite when a log, or with `weights` a variable, is not finite; steps count from 1."""
    broken = [name for name, value in numbers.items() if not np.isfinite(value)]
    if not (broken or weights):
        return
    for file, variables in gan.saved().items():
        tensors = [name for name, variable in variables.items() if not np.isfinite(np.asarray(variable)).all()]
        if tensors:
            broken.append(f"{file}: {tensors[0]}" + (f" and {len(tensors) - 1} more" if len(tensors) > 1 else ""))
    if broken:
        raise NonFinite(
            f"values are not finite in steps {first + 1} to {last}; the checkpoints before them stay. "
            f'Lower the learning rates, or use precision = "float32". Received: {", ".join(broken)}'
        )
