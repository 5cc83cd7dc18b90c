"""The first form of evaluation.json and evidence.json, "format": 1, turned into that of today.

A part of a document that has another form is left as it is: decoding it then says what is wrong.
"""

from __future__ import annotations

from typing import Any

ERROR = " standard error"  # ended the name of an entry that belonged to the score named before it
SECTIONS = (
    "classes",
    "low_density",
    "dropping",
    "duplicates",
    "memorisation",
    "artefacts",
    "saturation",
    "truncation",
    "moment",
    "findings",
)


def evaluation(document: dict[str, Any]) -> dict[str, Any]:
    """What was scored had no kind, and scores were {name: score}, with errors between them."""
    generated, parts = document.get("generated"), document.get("evaluations")
    if isinstance(generated, dict):
        generated = {"kind": "images" if "sha256" in generated else "samples", **generated}
    if isinstance(parts, list):
        parts = [_part(part) if isinstance(part, dict) else part for part in parts]
    return document | {"format": 2, "generated": generated, "evaluations": parts}


def _part(part: dict[str, Any]) -> dict[str, Any]:
    found = part.get("scores")
    if not isinstance(found, dict) or not all(isinstance(score, dict) for score in found.values()):
        return part
    scores = []
    for name, score in found.items():
        if name.endswith(ERROR):
            continue
        error = found.get(name + ERROR, {})
        scores.append(
            {
                "name": name,
                "better": "lower" if name.startswith(("FID", "FD", "KID")) else "higher",
                **score,
                "standard_error": error.get("mean"),
                "floor_standard_error": error.get("floor"),
            }
        )
    return part | {"scores": scores}


def evidence(document: dict[str, Any]) -> dict[str, Any]:
    """Sections had no kind; a missing one had its reason under "not_measured" or "not_applicable"."""
    found = {name: document[name] for name in SECTIONS if isinstance(document.get(name), dict)}
    return document | {"format": 2} | {name: _section(name, section) for name, section in found.items()}


def _section(name: str, section: dict[str, Any]) -> dict[str, Any]:
    for kind in ("not_measured", "not_applicable"):
        if kind in section:
            return {"kind": kind, "reason": section[kind]}
    return {"kind": name, **section}


UPGRADES = {"evaluation.json": evaluation, "evidence.json": evidence}
