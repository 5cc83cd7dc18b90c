"""The known failure modes of GANs, as a card's sections: the number, that of real images, and what it means.

The sections of evidence.json are what `zoo.defects` and `zoo.evidence` measure, "generated" beside "held_out". One that
holds {"not_measured": why} says so.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from zoo.publish.card.wording import missing, number, percent, plain, rough

VISIBLE = 1.0  # dB by which a checkerboard stands out; our choice
CERTAIN = 3.0  # standard deviations


def sections(facts, picture: Callable[[str, str], str]) -> list[str]:
    """All failure modes of a `zoo.card.Facts`; `picture(file, caption)` shows a file that is there."""
    parts = []
    if facts.evidence:
        how = facts.evidence["measured"]
        parts = [
            f"Measured on {how['images']:,} samples of seed {how['seed']}, in the features of "
            f"{plain(how['extractor'])} where nothing else is said. The number of the {facts.floor} beside each "
            "is what real images score: the best that can be asked for."
        ]
    for key, title, section in MODES:
        found = (facts.evidence or {}).get(key)
        if found is None:
            shown = [missing("the checkpoint has no evidence of it", facts)]
        elif "not_applicable" in found:
            shown = [f"*Not applicable: {plain(found['not_applicable'])}.*"]
        elif "not_measured" in found:
            shown = [f"*Not measured: {plain(found['not_measured'])}.*"]
        else:
            shown = section(found, facts, picture)
        parts += [f"### {title}", *shown]
    return parts


def _classes(found: dict[str, Any], facts, picture) -> list[str]:
    shares, variation, least = found["shares"], found["variation"], found["smallest_ratio"]
    errors = found.get("if_missing", [0.0] * len(found["classes"]))
    rows = list(zip(map(plain, found["classes"]), shares["real"], shares["generated"], errors, strict=True))
    name, real, drawn, error = min((row for row in rows if row[1]), key=lambda row: row[2] / row[1])
    left = (drawn - error) / max(real - error, 1e-9)  # of the class, without what errors give it
    verdict = (
        "is missing"
        if not drawn
        else "may be missing"
        if left <= 0
        else "is all but missing"
        if left < 0.1
        else "is under-represented"
        if left < 0.8
        else "lacks most, and none is missing"
    )
    return [
        f"**{name} {verdict}: {percent(drawn)} of the samples, {percent(real)} of the training images.** "
        f"That is {number(least['generated'])} of its share; the lowest among the {facts.floor} is "
        f"{number(least['held_out'])}. {percent(variation['generated'])} of the samples would have to change class "
        f"for all shares to agree; of the {facts.floor}, {percent(variation['held_out'])}. A classifier tells the "
        f"classes, right on {percent(found['accuracy'])} of held-out images; it finds a class for nonsense too"
        + (f", and would call {percent(error)} {name} by mistake if there were none." if error else "."),
        picture("classes.png", f"Shares of the classes: training images, {facts.floor}, samples"),
    ]


def _low_density(found: dict[str, Any], facts, picture) -> list[str]:
    below, median = found["below_1"], found["median"]
    return [
        f"**{percent(below['generated'])} of the samples lie where training images are sparse or absent, and "
        f"{percent(below['held_out'])} of the {facts.floor}** (realism below 1): the difference is what the "
        f"generator adds. Median realism {number(median['generated'])}, of the {facts.floor} "
        f"{number(median['held_out'])} ([Kynkäänniemi 2019](https://arxiv.org/abs/1904.06991), k = {found['k']}).",
        picture("worst.png", f"The {found['shown']} of {found['count']:,} samples with the lowest realism"),
    ]


def _dropping(found: dict[str, Any], facts, picture) -> list[str]:
    different, divergence, missed = found["different"], found["divergence"], found["missed"]
    text = []
    if facts.evaluation:
        scores = facts.evaluation["evaluations"][0]["scores"]
        coverage, recall = scores["coverage"], scores["recall"]
        text = [
            f"**{percent(1 - coverage['mean'])} of the training images have no sample near them, and "
            f"{percent(1 - coverage['floor'])} none of the {facts.floor}** (1 - coverage). Recall, the share "
            f"of training images that lie among the samples, is {number(recall['mean'])}, of the {facts.floor} "
            f"{number(recall['floor'])}."
        ]
    text += [
        f"Among {found['bins']} clusters of training images, the share of samples is off by more than 3 standard "
        f"errors in {different['generated'] * found['bins']:.0f}, of the {facts.floor} in "
        f"{different['held_out'] * found['bins']:.0f} (NDB, [Richardson 2018](https://arxiv.org/abs/1805.12462)); "
        f"Jensen-Shannon divergence {number(divergence['generated'])}, of the {facts.floor} "
        f"{number(divergence['held_out'])}."
    ]
    shares = " and ".join(
        f"{percent(drawn)} of the samples, {percent(real)} of the training images"
        for real, drawn in zip(missed["real"], missed["generated"], strict=True)
    )
    return [" ".join(text), picture("missed.png", f"Training images of the two clusters that lack most: {shares}")]


def _duplicates(found: dict[str, Any], facts, picture) -> list[str]:
    def support(side: str) -> str:
        return f"{'more than' if found['bounded'][side] else 'about'} {rough(found['support'][side])}"

    pairs, batch = found["pairs"], found["batch"]
    text = [
        f"**{pairs['generated']:,} pairs of near-duplicates among {found['images']:,} samples, "
        f"{pairs['held_out']:,} among as many of the {facts.floor}.** Near-duplicates are nearer to each other "
        f"than 1 % of training images are to their nearest neighbour. A batch of {rough(batch['generated'])} "
        f"samples has such a pair in half of all cases, as if they were drawn from {support('generated')} "
        f"different images, the {facts.floor} from {support('held_out')}: numbers to compare with each other "
        "alone, since that limit sets them ([Arora 2018](https://arxiv.org/abs/1706.08224), where people judged "
        "the pairs)."
    ]
    if facts.evaluation:
        similarity = facts.evaluation["ms_ssim"]
        text += [
            f"MS-SSIM of random pairs is {number(similarity['generated'])}, of real ones "
            f"{number(similarity['real'])}; higher is less varied."
        ]
    return [" ".join(text), picture("duplicates.png", "The nearest pairs among the samples, one above the other")]


def _memorisation(found: dict[str, Any], facts, picture) -> list[str]:
    z, median, closest = found["c_t"], found["median"], found["closest"]
    verdict = (
        "nearer to training images than unseen real images do: signs of copying"
        if z < -CERTAIN
        else "farther from training images than unseen real images do: not copied as a whole, but unlike them"
        if z > CERTAIN
        else "as near to training images as unseen real images do: not copied as a whole"
    )
    return [
        f"**The samples lie {verdict} (C_T = {number(z)}).** Unseen images have 0, below -3 is copying, and it "
        "grows with the number of images ([Meehan 2020](https://arxiv.org/abs/2004.05675)); copies of a few would "
        f"not show in it. The median distance to the nearest of {found['among']:,} training images"
        f"{', mirrored ones among them,' if found.get('mirrored') else ''} is {number(median['generated'])}, of "
        f"{found['held_out']:,} held-out images {number(median['held_out'])}. The sample most like a copy is "
        f"{number(closest['generated'])} times as far from its training image as that is from the next one; of "
        f"held-out images, the lowest is {number(closest['held_out'])}.",
        picture(
            "neighbours.png",
            "First row: the first 8 samples; second: the nearest training image of each. "
            "Third and fourth: the same for the 8 samples most like a copy",
        ),
    ]


def _artefacts(found: dict[str, Any], facts, picture) -> list[str]:
    gap, board = found["high_frequencies"], found["checkerboard"]
    stride, worst = max(board["generated"].items(), key=lambda item: item[1])
    detail = percent(10 ** (gap["generated"] / 10))
    verdict = (
        "fine detail as in real images"
        if abs(gap["generated"]) <= VISIBLE
        else ("noise, or edges too hard" if gap["generated"] > 0 else "fine detail lost")
    )
    return [
        f"**{'A checkerboard' if worst > VISIBLE else 'No checkerboard to speak of'}: {worst:+.1f} dB at the "
        f"frequencies of stride {plain(stride)}, {facts.floor} {board['held_out'][stride]:+.1f} dB** (we take 1 dB "
        "over real images as visible, [Odena 2016](https://distill.pub/2016/deconv-checkerboard)). The top third "
        f"of frequencies has {detail} of the power of real images ({gap['generated']:+.1f} dB, {facts.floor} "
        f"{gap['held_out']:+.1f} dB): {verdict} ([Durall 2020](https://arxiv.org/abs/2003.01826)).",
        picture("spectrum.png", "Power at each frequency, over all directions: training images and samples"),
    ]


def _saturation(found: dict[str, Any], facts, picture) -> list[str]:
    black, white, means, deviations = (found[key] for key in ("black", "white", "means", "deviations"))
    grey = len(means["real"]) == 1
    channels = ["grey"] if grey else ["red", "green", "blue"]
    least, most, where = (
        ("pure black", "pure white", "pixels") if grey else ("level 0", "level 255", "channels' values")
    )

    def verdict(shares: dict, end: str) -> str:
        def off(side: str) -> float:
            return shares[side] / shares["real"] - 1.0 if shares["real"] else 0.0

        word = (
            "as often as it should"
            if abs(off("generated")) <= max(0.05, 2 * abs(off("held_out")))
            else "too often"
            if off("generated") > 0
            else "too seldom"
        )
        return (
            f"{end} occurs {word}, in {percent(shares['generated'])} of the {where} instead of "
            f"{percent(shares['real'])} ({facts.floor}: {percent(shares['held_out'])})"
        )

    def gaps(values: dict) -> str:
        return ", ".join(
            f"{channel} {drawn - real:+.1f} ({held - real:+.1f})"
            for channel, drawn, real, held in zip(
                channels, values["generated"], values["real"], values["held_out"], strict=True
            )
        )

    return [
        f"**{verdict(black, least).capitalize()}; {verdict(white, most)}.** In levels of 255, the mean is off by "
        f"{gaps(means)} and the standard deviation by {gaps(deviations)}, in brackets the {facts.floor}.",
        picture("levels.png", "How often each level of brightness occurs: training images and samples"),
    ]


def _truncation(found: dict[str, Any], facts, picture) -> list[str]:
    rows = [f"| {row['psi']:g} | {number(row['precision'])} | {number(row['recall'])} |" for row in found["psi"]]
    first, last = found["psi"][0], found["psi"][-1]
    shown = ", ".join(f"{row['psi']:g}" for row in found["psi"])
    return [
        f"**From psi {first['psi']:g} to {last['psi']:g}, recall goes from {number(first['recall'])} to "
        f"{number(last['recall'])}, precision from {number(first['precision'])} to {number(last['precision'])}.** "
        "Truncation draws styles towards their mean: fewer failures, and less of what there is to draw.",
        "\n".join(["| psi | precision | recall |", "|---|---|---|", *rows]),
        picture("truncation.png", f"The same 8 latents at psi {shown}, row by row"),
    ]


def _moment(found: dict[str, Any], facts, picture) -> list[str]:
    points, rows, images = found["kid"], found["seeds"], found["images"]
    text = ["The log of the run has no KID to say how the quality moved."]
    if points:
        last, best = points[-5:], min(points, key=lambda point: point[1])
        low, high = min(point[1] for point in last), max(point[1] for point in last)
        text = [
            f"**KID of a small sample was {number(best[1])} at best, after {best[0]:,} images, and between "
            f"{number(low)} and {number(high)} in the last {len(last)} snapshots, each with a standard error of "
            f"{number(last[-1][2])}.** This checkpoint is the one after {images:,} images."
        ]
    score = next(iter(rows[0]["ema"])) if rows else ""
    own = next((row for row in rows if "raw" in row), None)
    if own:
        text += [
            f"{plain(score)} of the averaged weights is {number(own['ema'][score])}, of the raw ones "
            f"{number(own['raw'][score])}."
        ]
    else:
        text += ["The raw weights were not at hand to compare the average with."]
    shown = [" ".join(text), picture("progress.png", "KID over the training, with its standard error")]
    if len(rows) > 1:
        return [*shown, f"{len(rows)} training seeds, each where KID of its own run was lowest:", _seeds(rows)]
    text += ["What another training seed would change was not measured: no second run was at hand."]
    return [" ".join(text), *shown[1:]]


def _seeds(rows: list[dict[str, Any]]) -> str:
    """A table of the runs with other seeds, and their spread."""
    names = [name for name in rows[0]["ema"] if not name.endswith("standard error")]
    values = np.array([[row["ema"][name] for name in names] for row in rows])
    lines = [
        f"| {row['seed']} | {row['images']:,} | {' | '.join(map(number, line))} |"
        for row, line in zip(rows, values, strict=True)
    ]
    spread = " | ".join(map(number, values.std(axis=0, ddof=1)))
    return "\n".join(
        [
            f"| training seed | images | {' | '.join(map(plain, names))} |",
            "|---" * (2 + len(names)) + "|",
            *lines,
            f"| standard deviation | | {spread} |",
        ]
    )


def _findings(found: dict[str, Any], facts, picture) -> list[str]:
    if not found["found"]:
        return ["**Nothing**, in the whole run."]
    return ["\n".join(f"- after {row['images']:,} images: {_finding(row['finding'])}" for row in found["found"][:10])]


def _finding(finding) -> str:
    if not isinstance(finding, dict):
        return plain(finding)
    return ", ".join(
        f"{plain(key)} {plain(value)}" for key, value in finding.items() if isinstance(value, (str, int, float))
    )


MODES = [
    ("classes", "Dropped and under-represented classes", _classes),
    ("low_density", "Samples where the data has none", _low_density),
    ("dropping", "Mode dropping", _dropping),
    ("duplicates", "Duplicates", _duplicates),
    ("memorisation", "Memorised training images", _memorisation),
    ("artefacts", "Checkerboard and fine detail", _artefacts),
    ("saturation", "Saturation and colour", _saturation),
    ("truncation", "Variety lost by truncation", _truncation),
    ("moment", "How narrow the good moment of training was", _moment),
    ("findings", "What the doctor found during training", _findings),
]
