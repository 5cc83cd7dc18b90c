"""The YAML at the top of a card, which the Hugging Face Hub reads."""

from __future__ import annotations

from huggingface_hub import EvalResult, ModelCardData

from zoo.evaluation.results import Part, Samples, Score
from zoo.publish.card.wording import plain

TASK = "unconditional-image-generation"  # the Hub has no task for classes


def header(facts, data: dict[str, str]) -> str:
    """The header between its two lines of dashes.

    Args:
        facts: a `zoo.publish.card.facts.Facts`.
        data: what is published of the data set, or nothing.
    """
    network, evaluation = facts.recipe.model.network, facts.evaluation
    results = [
        _result(part, evaluation.generated, score, data, "Class-conditional" if facts.classes else "Unconditional")
        for part in (evaluation.evaluations if evaluation else ())
        for score in part.scores
    ]
    fields = ModelCardData(
        # the Hub offers keras.saving.load_model for "keras", which knows no layers of ours
        library_name="keras" if facts.network.plain_keras else "keras-ganzoo",
        license=facts.licence,
        pipeline_tag=TASK,
        tags=["gan", network, "keras", "ganzoo", "image-generation", *(["class-conditional"] if facts.classes else [])],
        datasets=[data["hub"]] if "hub" in data else None,
        model_name=facts.name if results else None,
        eval_results=results or None,
    )
    return f"---\n{fields.to_yaml()}\n---"


def _result(part: Part, generated: Samples, score: Score, data: dict[str, str], kind: str) -> EvalResult:
    name, extractor = plain(score.name), plain(part.extractor.name)
    protocol = (
        f"{extractor}, {part.generated_count:,} generated against {part.real.count:,} {plain(part.real.split)}, "
        f"{generated.weights.upper()}, mean of {len(generated.seeds)} sampling seeds, floor {_rounded(score.floor)}"
    )
    return EvalResult(
        task_type=TASK,
        task_name=f"{kind} image generation",
        dataset_type=data.get("hub", "own"),
        dataset_name=data.get("name", plain(part.real.source)),
        metric_type=name.lower(),
        metric_value=_rounded(score.mean),
        metric_name=f"{name} ({protocol})",
    )


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")
