"""What is known of the losses, without Keras; their functions are in `zoo/step/losses.py`, under the same names."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class LossFacts:
    """What is known of a loss.

    Attributes:
        decision: the logit above which D calls an image real, so that it has an accuracy; None where only differences
            of logits mean something.
        lipschitz: the loss is a distance only while D is Lipschitz.
        whole_batch: a term compares with a mean over the batch, which a replica does not see.
    """

    decision: float | None = None
    lipschitz: bool = False
    whole_batch: bool = False


LOSSES = {
    "non-saturating": LossFacts(decision=0.0),
    "least-squares": LossFacts(decision=0.5),
    "wasserstein": LossFacts(lipschitz=True),
    "hinge": LossFacts(decision=0.0),
    "relativistic": LossFacts(whole_batch=True),
    "relativistic-pairing": LossFacts(),
}
