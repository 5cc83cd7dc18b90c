"""The YAML at the top of a card, which the Hugging Face Hub reads: what `huggingface_hub.ModelCardData` would write."""

from __future__ import annotations

from typing import Any

import yaml

TASK = "unconditional-image-generation"


def header(facts, data: dict[str, str]) -> str:
    """The header between its two lines of dashes.

    Args:
        facts: a `zoo.card.Facts`.
        data: what is published of the data set, or nothing.
    """
    model = facts.recipe.model
    fields: dict[str, Any] = {
        # the Hub offers keras.saving.load_model for "keras", which knows no layers of ours
        "library_name": "keras-ganzoo" if model.network == "stylegan-lite" else "keras",
        "license": facts.licence,
        "pipeline_tag": TASK,
        "tags": ["gan", model.network, "keras", "ganzoo", "image-generation"],
    }
    if data:
        fields["datasets"] = [data["hub"]]
    if facts.evaluation:
        fields["model-index"] = [
            {
                "name": facts.name,
                "results": [
                    _result(facts.evaluation, evaluation, data) for evaluation in facts.evaluation["evaluations"]
                ],
            }
        ]
    text = yaml.safe_dump(fields, sort_keys=False, allow_unicode=True, width=1000)
    return f"---\n{text}---"


def _result(whole: dict, evaluation: dict, data: dict[str, str]) -> dict[str, Any]:
    real, generated = evaluation["real"], whole["generated"]
    protocol = (
        f"{evaluation['extractor']['name']}, {evaluation['generated_count']:,} generated against "
        f"{real['count']:,} {real['split']}, {generated['weights'].upper()}, mean of {len(generated['seeds'])} "
        "sampling seeds, floor"
    )
    return {
        "task": {"type": TASK, "name": "Unconditional image generation"},
        "dataset": {"type": data.get("hub", "own"), "name": data.get("name", str(real["source"]))},
        "metrics": [
            {
                "type": name.lower(),
                "value": _rounded(score["mean"]),
                "name": f"{name} ({protocol} {_rounded(score['floor'])})",
            }
            for name, score in evaluation["scores"].items()
            if not name.endswith("standard error")
        ],
    }


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")
