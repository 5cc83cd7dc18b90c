"""The card: what a reader finds in it, what the Hub reads, and that nothing is said that was not measured."""

import copy
import json
import re
import tomllib
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from huggingface_hub import ModelCard, metadata_load

from zoo import networks
from zoo import recipe as recipes
from zoo.checkpoints import checkpoint, resolve
from zoo.cli import main
from zoo.evaluation import format_1, results
from zoo.evaluation.sections import Evidence
from zoo.files.errors import ZooError
from zoo.publish import card
from zoo.publish.card import wording

WEIGHTS = "ab" * 32


def score(name, mean, floor, better="higher", **values):
    numbers = {"values": [mean], "mean": mean, "spread": 0.125, "floor": floor, "ratio": mean / floor}
    return {"name": name, "better": better, **numbers, **values}


def both(generated, held_out):
    return {"generated": generated, "held_out": held_out}


EVALUATION = {
    "format": 2,
    "generated": {
        "kind": "samples",
        "network": "dcgan",
        "images_seen": 600_000,
        "name": "dcgan-fashion-mnist",
        "weights": "ema",
        "truncation": 1.0,
        "seeds": [0, 1],
        "generator_sha256": WEIGHTS,
    },
    "evaluations": [
        {
            "extractor": {
                "name": "efficientnet-lite0",
                "weights_sha256": "12" * 32,
                "resizer": "bilinear",
                "dimensions": 1280,
            },
            "real": {
                "source": "tfds:fashion_mnist",
                "split": "training images",
                "floor": "held-out images",
                "fingerprint": "cd" * 32,
                "count": 9_876,
                "floor_count": 9_765,
            },
            "generated_count": 9_999,
            "settings": {
                "kernel_subsets": 100,
                "kernel_subset_size": 1_000,
                "precision_recall_k": 3,
                "density_coverage_k": 5,
                "inception_score_splits": 10,
            },
            "scores": [
                score("FD-lite0", 19.02, 1.25, "lower"),
                score("KID-lite0", 0.0123, 0.0001, "lower", ratio=None, standard_error=0.0002),
                score("precision", 0.611, 0.712),
                score("recall", 0.413, 0.714),
                score("density", 0.55, 0.99),
                score("coverage", 0.615, 0.916),
            ],
        }
    ],
    "ms_ssim": {
        "pairs": 2_000,
        "generated": 0.2175,
        "generated_standard_error": 0.001,
        "real": 0.2318,
        "real_standard_error": 0.001,
    },
    "warnings": [],
    "versions": {"keras": "3.15.1"},
}
EVIDENCE = {
    "format": 2,
    "checkpoint": {"generator_sha256": WEIGHTS, "images": 600_000},
    "measured": {
        "images": 9_999,
        "seed": 0,
        "extractor": "efficientnet-lite0",
        "floor": "held-out images",
        "warnings": [],
    },
    "command": "ganzoo train dcgan-fashion-mnist",
    "interpolation": {"steps": 16, "stops": 4, "seed": 0},
    "training": {
        "hours": 0.75,
        "run_images": 800_000,
        "run_hours": 1.0,
        "findings": None,
        "kid": [[500_000, 0.0311, 0.0021], [600_000, 0.0301, 0.0022], [700_000, 0.0388, 0.0023]],
    },
    "classes": {
        "classes": ["Trouser", "Bag"],
        "accuracy": 0.915,
        "shares": {"real": [0.5, 0.5], "held-out": [0.49, 0.51], "generated": [0.61, 0.39]},
        "variation": both(0.111, 0.012),
        "smallest_ratio": both(0.78, 0.98),
    },
    "low_density": {"k": 3, "count": 9_999, "shown": 16, "below_1": both(0.473, 0.274), "median": both(1.017, 1.135)},
    "dropping": {
        "bins": 100,
        "different": both(0.431, 0.022),
        "divergence": both(0.0312, 0.0043),
        "missed": {"real": [0.0141, 0.0152], "generated": [0.0013, 0.0024]},
    },
    "duplicates": {
        "images": 9_999,
        "pairs": both(321, 45),
        "support": both(155_732.0, 1_110_889.0),
        "bounded": both(False, False),
        "batch": both(464.0, 1241.0),
    },
    "memorisation": {
        "among": 60_000,
        "held_out": 9_765,
        "c_t": 7.25,
        "z": 9.5,
        "median": both(6.5, 5.75),
        "closest": both(0.812, 0.723),
    },
    "artefacts": {
        "high_frequencies": both(-3.1, 0.2),
        "checkerboard": both({"2": 1.7, "4": 0.3}, {"2": 0.1, "4": -0.1}),
    },
    "saturation": {
        "black": {"real": 0.51, **both(0.412, 0.513)},
        "white": {"real": 0.004, **both(0.0052, 0.0043)},
        "means": {"real": [73.0], **both([71.5], [73.25])},
        "deviations": {"real": [90.0], **both([88.5], [90.25])},
    },
    "truncation": {"kind": "not_applicable", "reason": "dcgan has no truncation"},
    "moment": {
        "images": 600_000,
        "kid": [[500_000, 0.0311, 0.0021], [600_000, 0.0301, 0.0022], [700_000, 0.0388, 0.0023]],
        "seeds": [
            {"seed": 0, "images": 600_000, "ema": {"FD-lite0": 19.02}, "raw": {"FD-lite0": 24.03}},
            {"seed": 1, "images": 500_000, "ema": {"FD-lite0": 21.04}},
        ],
    },
    "findings": {"found": [{"images": 25_600, "finding": {"name": "checkerboard", "value": 0.31}}]},
}
SECTIONS = {
    "classes": "Dropped and under-represented classes",
    "low_density": "Samples where the data has none",
    "dropping": "Mode dropping",
    "duplicates": "Duplicates",
    "memorisation": "Memorised training images",
    "artefacts": "Checkerboard and fine detail",
    "saturation": "Saturation and colour",
    "truncation": "Variety lost by truncation",
    "moment": "How narrow the good moment of training was",
    "findings": "What the doctor found during training",
}
EVIDENCE |= {name: {"kind": name, **EVIDENCE[name]} for name in SECTIONS}
INFO = {
    "name": "dcgan-fashion-mnist",
    "images": 600_000,
    "parameters": {"generator": 1_066_881, "discriminator": 661_313},
    "data": {"source": "tfds:fashion_mnist", "images": 60_000},
    "device": {"kind": "cpu", "name": "AMD EPYC", "count": 2},
    "precision": "mixed_bfloat16",
    "versions": {"keras": "3.15.1"},
    "license": "apache-2.0",
    "files": {name: {} for name in ("samples.png", *checkpoint.EVIDENCE)},
}


def facts(network="dcgan", data="fashion-mnist", evaluation=EVALUATION, evidence=EVIDENCE, info=(), **overrides):
    recipe = recipes.load(f"{network}-{data}").replace(**overrides)
    found = {"name": recipe.name, "data": {"source": recipe.data.source, "images": 60_000}}
    documents = {"evaluation.json": evaluation, "evidence.json": evidence}
    documents = {file: document for file, document in documents.items() if document is not None}
    return card.decode({**INFO, **found, **dict(info)}, recipe, documents)


def changed(section, **values):
    return {**EVIDENCE, section: {**EVIDENCE[section], **values}}


def render(*args, handle="dcgan-fashion-mnist", pictures="", **options):
    return card.render(facts(*args, **options), handle, pictures)


def section(text, title):
    """The text below a heading, up to the next one."""
    return re.search(rf"^#+ {re.escape(title)}\n\n(.*?)(?=^#+ |\Z)", text, re.DOTALL | re.MULTILINE).group(1)


def test_the_header_is_what_the_hub_reads(tmp_path):
    text = render()
    parsed = ModelCard(text).data
    assert (parsed.library_name, parsed.license, parsed.pipeline_tag) == (
        "keras",
        "apache-2.0",
        "unconditional-image-generation",
    )
    assert parsed.datasets == ["zalando-datasets/fashion_mnist"]
    results = {result.metric_type: result for result in parsed.eval_results}
    assert results["fd-lite0"].metric_value == 19.02
    assert results["recall"].dataset_name == "Fashion-MNIST"
    assert "fid" not in results, "only the network that FID is defined on gives a FID"
    assert not any("error" in name for name in results)
    for part in (
        "9,999 generated",
        "9,876 training images",
        "efficientnet-lite0",
        "EMA",
        "2 sampling seeds",
        "floor 1.25",
    ):
        assert part in results["fd-lite0"].metric_name
    (tmp_path / "README.md").write_text(text)
    assert metadata_load(tmp_path / "README.md") == yaml.safe_load(text.split("---\n")[1])


@pytest.mark.parametrize("network", networks.NAMES)
def test_every_network_has_a_card_that_names_it_and_what_loads_it(network):
    text, known = render(network), networks.configs()[network].facts
    assert f"\n{known.title} (" in text
    loaded_by = "keras" if known.plain_keras else "keras-ganzoo"
    assert yaml.safe_load(text.split("---\n")[1])["library_name"] == loaded_by


def test_how_to_use_it():
    text = render(handle="hf://org/name@v1")
    assert 'generator = zoo.load_generator("hf://org/name@v1")' in text
    assert "uint8 [64, 32, 32, 1]" in text


def test_data_and_training():
    text = render()
    assert "60,000 training images; licence: MIT, Zalando SE" in text
    assert "Nobody can be recognised" in text
    training = section(text, "Training")
    assert "`ganzoo train dcgan-fashion-mnist`" in training
    assert "600,000, of 800,000 in the run: the snapshot with the lowest KID" in training
    assert "0.75 hours" in training
    assert "AMD EPYC, 2 cores, computing in mixed_bfloat16 |" in training
    assert "about 15 Wh, an estimate: 0.75 h x 20 W, with 10 W assumed for a core; nothing was metered" in training


def by_class(*rows, mean=(25.5, 1.5)):
    """The scores of classes: (name, count, FD, floor, accuracy)."""
    classes = [
        {
            "name": name,
            "share": 0.1,
            "count": count,
            "scores": [] if distance is None else [score("FD-lite0", distance, floor, "lower")],
            **({} if accuracy is None else {"accuracy": accuracy, "held_out_accuracy": 0.95}),
        }
        for name, count, distance, floor, accuracy in rows
    ]
    return {"mean": [score("intra-FD-lite0", *mean, "lower")] if mean else [], "classes": classes}


def with_classes(found):
    (part,) = EVALUATION["evaluations"]
    return {**EVALUATION, "evaluations": [{**part, "by_class": found}]}


def conditional(found, **more):
    """A card of a model with 10 classes, of which the first are these."""
    names = [row["name"] for row in found["classes"]] + [f"kind {i}" for i in range(10 - len(found["classes"]))]
    return render(
        evaluation=with_classes(found) | more,
        info={"data": {"source": "tfds:fashion_mnist", "images": 60_000, "classes": names}},
        **{"model.classes": 10},
    )


def test_a_conditional_model_has_a_row_for_each_class():
    text = conditional(
        by_class(("Bag", 970, 20.0, 1.0, 0.9), ("Coat", 1_010, 31.0, 2.0, 0.5), ("Rare", 8, None, 0, 0.25))
    )
    scores = section(text, "Scores")
    for row in (
        "| class | share | FD-lite0 | accuracy |\n|---|---|---|---|\n",
        "| Bag | 10.0 % | 20.00 (1.000) | 90.0 % (95.0 %) |\n",
        "| Coat | 10.0 % | 31.00 (2.000) | 50.0 % (95.0 %) |\n",
        "| Rare | 10.0 % | | 25.0 % (95.0 %) |\n",
        "| mean | | 25.50 (1.500) | 55.0 % (95.0 %) |\n",
    ):
        assert row in scores
    assert "Share is that of the class in the training images." in scores
    assert "8 to 1,010 on each side" in scores and "FD-lite0 is too large, of samples and floor alike" in scores
    assert "Its mean is the intra-FD-lite0" in scores
    assert "![by_class](by_class.png)" in scores
    assert "a class-conditional generator" in text and "It draws 10 classes: Bag, Coat, Rare, kind 0" in text
    assert 'generator.sample(16, label="kind 6")' in text
    assert "follow no request but for a class" in text
    header = yaml.safe_load(text.split("---\n")[1])
    assert "class-conditional" in header["tags"]
    assert ModelCard(text).data.eval_results[0].task_name == "Class-conditional image generation"


def test_a_table_of_very_many_classes_ends():
    found = by_class(*((f"kind {i}", 20, 20.0, 1.0, 0.9) for i in range(130)))
    text = section(render(evaluation=with_classes(found), **{"model.classes": 130}), "Scores")
    assert text.count("| kind ") == 100 and "| kind 99 |" in text
    assert "The other 30 classes are in `evaluation.json`." in text


def test_classes_without_a_classifier_or_without_scores():
    text = section(conditional(by_class(("Bag", 970, 20.0, 1.0, None), ("Coat", 990, 31.0, 2.0, None))), "Scores")
    assert "| Bag | 10.0 % | 20.00 (1.000) |\n" in text and "Accuracy is" not in text
    text = section(conditional(by_class(("Bag", 7, None, 0, 0.9), ("Coat", 5, None, 0, 0.9), mean=None)), "Scores")
    assert "No class has enough images to be scored" in text and "| Bag" not in text
    missing = render(**{"model.classes": 10})
    assert "Not measured: the scores of each class" in section(missing, "Scores")


def test_what_samples_are_worth_as_training_data():
    def side(mean):
        return {"values": [mean, mean], "mean": mean, "spread": 0.0021}

    protocol = {"images": 60_000, "tested_on": 10_000, "seeds": [0, 1], "steps": 2_345, "batch_size": 128}
    sides = {"real": side(0.921), "generated": side(0.801), "both": side(0.925), "ratio": side(0.87)}
    cas = {**sides, **protocol, "network": "small", "drawn": "once for each seed"}
    text = section(conditional(by_class(("Bag", 970, 20.0, 1.0, 0.9)), cas=cas), "Scores")
    assert "right on 80.1 % of 10,000 real held-out images if it was trained on 60,000 samples, on 92.1 %" in text
    assert "on 92.5 % if on both. The ratio of the first to the second is 0.8700 ± 0.0021, over 2 seeds" in text


def test_an_unconditional_card_says_nothing_of_classes_that_one_may_ask_for():
    text = render(info={"data": {"source": "tfds:fashion_mnist", "images": 60_000, "classes": ["Bag", "Coat"]}})
    assert "an unconditional generator" in text
    for word in ("class-conditional", "label=", "by_class", "intra-", "As training data"):
        assert word not in text


def test_an_accelerator_is_estimated_by_its_maximum():
    device = {"kind": "gpu", "name": "NVIDIA H200", "count": 1}
    assert "0.75 h x 700 W, with 700 W assumed for the device's stated maximum" in render(info={"device": device})
    device = {"kind": "gpu", "name": "unheard of", "count": 2}
    assert "0.75 h x 600 W, with 300 W assumed for a GPU" in render(info={"device": device})


def test_a_run_on_two_machines_has_the_time_and_energy_of_both():
    cpu = {"device": INFO["device"], "precision": "float32", "hours": 2.0}
    gpu = {"device": {"kind": "gpu", "name": "NVIDIA H200", "count": 1}, "precision": "mixed_bfloat16", "hours": 0.5}
    told = {**EVIDENCE["training"], "hours": 2.5, "machines": [cpu, gpu], "run_images": 600_000}
    text = section(render(evidence={**EVIDENCE, "training": told}, precision="float32"), "Training")
    assert "AMD EPYC, 2 cores, computing in float32, then NVIDIA H200, 1 accelerator" in text
    assert "1 accelerator, computing in mixed_bfloat16 where the recipe has float32 |" in text
    assert "about 390 Wh, an estimate: 2.00 h x 20 W, with 10 W assumed for a core; 0.50 h x 700 W" in text


def test_a_run_that_was_not_finished_is_said_to_be_so():
    told = {**EVIDENCE["training"], "run_images": 700_000}
    for planned, unfinished in ((1_500_000, True), (700_000, False)):
        text = render(evidence={**EVIDENCE, "training": told}, **{"schedule.images": planned})
        assert ("was not finished, its recipe asks for 1,500,000" in text) == unfinished


def test_unknown_data_is_said_to_be_unknown():
    text = render(**{"data.source": "photos"}, info={"data": {"source": "photos", "images": 500}})
    assert "500 training images of `photos`" in section(text, "Data")
    assert "does not know their licence" in section(text, "Data")
    assert "datasets" not in yaml.safe_load(text.split("---\n")[1])


def test_a_known_folder_of_images_is_known_by_their_fingerprint():
    """And not by its name, which anybody's folder may have."""
    same, another = (
        section(render(**{"data.source": data["source"]}, info={"data": data}), "Data")
        for data in (
            {"source": "photos", "images": 500, "fingerprint": next(iter(card.PUBLISHED["images"]))},
            {"source": "clothing", "images": 500, "fingerprint": "0" * 64},
        )
    )
    assert "clothing-dataset-small" in same and "500 training images; licence: CC0 1.0" in same
    assert "does not know their licence" in another


def test_a_teacher_who_judges_is_named():
    moment = "How narrow the good moment of training was"
    taught, others = (
        section(render(network, data), moment) for network, data in (("projected-gan", "cifar10"), ("dcgan", "cifar10"))
    )
    assert "efficientnet-lite0, which taught the discriminator, also judged this KID" in taught
    assert "taught" not in others


def test_scores_stand_beside_their_floor_with_their_protocol():
    scores = section(render(), "Scores")
    assert "| FD-lite0 | 19.02 ± 0.12 | 1.250 | 15.22 |" in scores
    assert "| KID-lite0 | 0.0123 ± 0.12 | 0.0001 |  |" in scores
    assert "standard error |" not in scores
    for part in (
        "9,999 samples",
        "seeds 0, 1",
        "with 9,876 of the training images",
        "9,765 real images",
        "held-out images",
        "k = 3",
        "k = 5",
        "121212121212...",
    ):
        assert part in scores


def test_a_classifier_of_the_data_is_a_line_and_inception_is_fid():
    inception, classifier = (copy.deepcopy(EVALUATION["evaluations"][0]) for _ in range(2))
    inception["scores"] = [score("FID", 29.3, 3.2, "lower")]
    inception["extractor"]["name"] = "inception"
    classifier["scores"] = [score("FD-classifier", 6.1, 2.1, "lower")]
    classifier["class_shares"] = {"accuracy": 0.9, "classes": ["a"], "real": [1.0], "generated": [1.0]}
    evaluations = [*EVALUATION["evaluations"], inception, classifier]
    text = render(evaluation={**EVALUATION, "evaluations": evaluations, "warnings": ["few images"]})
    assert "| FID | 29.30 ± 0.12 | 3.200 | 9.16 |" in text
    assert "FD-classifier is 6.100 ± 0.12, floor 2.100." in text
    assert "Warnings of these measurements: few images." in text
    assert {result.metric_type for result in ModelCard(text).data.eval_results} >= {"fid", "fd-lite0", "fd-classifier"}


NETWORKS = sorted({row["network"] for row in card.PUBLISHED["scores"]})


@pytest.mark.parametrize("network", NETWORKS)
def test_published_scores_are_of_the_same_network_and_data(network):
    scores = section(render(network, "cifar10"), "Scores")
    rows = [row for row in card.PUBLISHED["scores"] if row["network"] == network]
    assert rows
    assert all(f"| {row['fid']} | {row['protocol']} |" in scores for row in rows)
    assert scores.count("| [") == len(rows)
    assert "do not compare" in scores
    assert "no score of this network on this data set" in section(render(network, "fashion-mnist"), "Scores")


def test_what_is_published_names_its_source():
    for row in card.PUBLISHED["scores"]:
        assert f"{row['network']}-cifar10" in recipes.names()
        assert row["data"] in card.PUBLISHED["data"]
        assert re.match(r"\[.+\]\(https://", row["source"])
        assert "[K]" not in str(row)


NUMBERS = {
    "Dropped and under-represented classes": (
        "Bag is under-represented: a classifier finds it in 39.0 %",
        "50.0 %",
        "0.7800",
        "0.9800",
        "11.1 %",
        "1.2 %",
        "91.5 %",
    ),
    "Samples where the data has none": ("47.3 % of the samples", "27.4 %", "1.017", "1.135"),
    "Mode dropping": (
        "38.5 %",
        "8.4 %",
        "0.4130",
        "0.7140",
        "100 clusters",
        "in 43,",
        "in 2 ",
        "0.0312",
        "0.0043",
        "0.13 % of the samples, 1.4 % of the training images",
    ),
    "Duplicates": (
        "about 160,000 different",
        "about 1,100,000",
        "321 pairs",
        "9,999 samples, 45 among",
        "batch of 460",
        "0.2175",
        "0.2318",
    ),
    "Memorised training images": (
        "C_T = 7.25",
        "60,000 training images",
        "0.8120",
        "0.7230",
        "9,765",
        "6.500",
        "5.750",
    ),
    "Checkerboard and fine detail": ("+1.7 dB", "+0.1 dB", "-3.1 dB", "+0.2 dB", "49.0 % of the power"),
    "Saturation and colour": (
        "Pure black occurs too seldom, in 41.2 %",
        "51.0 %",
        "51.3 %",
        "white occurs too often, in 0.52 %",
        "0.40 %",
        "0.43 %",
        "mean is off by grey -1.5 (+0.2)",
        "deviation by grey -1.5 (+0.2)",
    ),
    "How narrow the good moment of training was": (
        "0.0301",
        "0.0388",
        "0.0023",
        "600,000",
        "24.03",
        "| 1 | 500,000 | 21.04 |",
        "| standard deviation | | 1.428 |",
    ),
    "What the doctor found during training": ("25,600 images", "checkerboard", "0.31"),
}


@pytest.mark.parametrize("title", NUMBERS)
def test_every_failure_mode_has_its_number_and_its_floor(title):
    found = section(render(), title)
    assert not [part for part in NUMBERS[title] if part not in found], found
    assert "Not measured" not in found


def test_every_failure_mode_has_its_picture():
    text = render(pictures="../zoo/checkpoints/shipped/x/")
    pictures = re.findall(r"\]\(\.\./zoo/checkpoints/shipped/x/(.+?)\)", text)
    assert sorted(pictures) == sorted(
        {"samples.png", *checkpoint.EVIDENCE} - {"evaluation.json", "evidence.json", "truncation.png", "by_class.png"}
    )


@pytest.mark.parametrize(
    ("decibels", "verdict"),
    [(-3.1, "fine detail lost"), (-0.1, "fine detail as in real images"), (2.0, "noise, or edges too hard")],
)
def test_less_than_one_decibel_is_not_called_lost(decibels, verdict):
    artefacts = {**EVIDENCE["artefacts"], "high_frequencies": both(decibels, 0.0)}
    assert f"): {verdict} (" in section(
        render(evidence={**EVIDENCE, "artefacts": artefacts}), "Checkerboard and fine detail"
    )


def test_a_picture_that_is_not_there_is_not_shown():
    assert ".png" not in render(info={"files": {}})


def test_truncation_is_a_table_where_there_is_one():
    rows = [{"psi": psi, "precision": 0.7, "recall": recall} for psi, recall in ((1.0, 0.51), (0.5, 0.21))]
    evidence = {**EVIDENCE, "truncation": {"kind": "truncation", "psi": rows}}
    found = section(render("stylegan-lite", evidence=evidence), "Variety lost by truncation")
    assert "recall goes from 0.5100 to 0.2100" in found
    assert "| 0.5 | 0.7000 | 0.2100 |" in found
    assert "Not applicable: dcgan has no truncation" in render()


@pytest.mark.parametrize(
    ("section_", "values", "said"),
    [
        (
            "classes",
            {"shares": {"real": [0.5, 0.5], "held-out": [0.5, 0.5], "generated": [0.0, 1.0]}},
            "Trouser is missin",
        ),
        ("memorisation", {"c_t": -8.0}, "signs of copying"),
        (
            "classes",
            {
                "if_missing": [0.4, 0.4],
                "shares": {"real": [0.5, 0.5], "held-out": [0.5, 0.5], "generated": [0.39, 0.61]},
            },
            "Trouser may be missing",
        ),
        ("classes", {"if_missing": [0.2, 0.02]}, "of the class Bag, it would still put 2.0 % of them there"),
        ("memorisation", {"c_t": 0.5}, "not copied as a whole"),
        ("memorisation", {"mirrored": True}, "60,000 training images, mirrored ones among them, is"),
        ("saturation", {"black": {"real": 0.5, **both(0.51, 0.5)}}, "Pure black occurs as often as it should"),
        (
            "saturation",
            {key: {"real": [1.0] * 3, **both([1.0] * 3, [1.0] * 3)} for key in ("means", "deviations")},
            "Level 0 occurs too seldom, in 41.2 % of the channels' values",
        ),
        ("duplicates", {"bounded": both(True, True)}, "more than 160,000 different"),
        ("artefacts", {"checkerboard": both({"2": 0.2, "4": 0.1}, {"2": 0.0, "4": 0.0})}, "No checkerboard"),
        ("findings", {"found": []}, "**Nothing**"),
    ],
)
def test_the_words_follow_the_numbers(section_, values, said):
    assert said in render(evidence=changed(section_, **values))


def test_without_evidence_nothing_is_claimed():
    text = render(evaluation=None, evidence=None, info={"files": {"samples.png": {}}, "device": None, "training": None})
    assert "model-index" not in text
    for title in SECTIONS.values():
        found = section(text, title)
        assert found.startswith("*Not measured: the checkpoint has no evidence of it. `ganzoo card ")
        assert not re.search(r"\d", found.replace("dcgan-fashion-mnist", ""))
    assert "Not measured" in section(text, "Scores")
    training = section(text, "Training")
    for part in ("not recorded; every number is in `recipe.toml`", "not recorded in the checkpoint", "not estimated"):
        assert part in training


@pytest.mark.parametrize("name", SECTIONS)
def test_one_missing_section_says_why_and_leaves_the_others(name):
    text = render(evidence={**EVIDENCE, name: {"kind": "not_measured", "reason": "the moon was full"}})
    assert text.count("*Not measured: the moon was full.*") == 1


@pytest.mark.parametrize(
    ("broken", "where"),
    [
        (changed("classes", shares=None), r"\$\.classes\.shares"),
        (changed("classes", classes=["Trouser"]), r"every class needs a share - at `\$\.classes"),
        (changed("low_density", below_1=None), r"\$\.low_density\.below_1"),
        (changed("moment", kid=[[]]), r"\$\.moment\.kid"),
        (changed("moment", seeds=[]), r"\$\.moment"),
        (changed("artefacts", checkerboard=both({}, {})), r"\$\.artefacts"),
        (changed("saturation", means={"real": [1.0], **both([1.0, 2.0], [1.0])}), r"\$\.saturation"),
        (changed("dropping", missed={"real": [0.1], "generated": []}), r"\$\.dropping\.missed"),
        ({**EVIDENCE, "duplicates": {"support": "many"}}, r"\$\.duplicates"),
        ({**EVIDENCE, "duplicates": EVIDENCE["dropping"]}, r"\$\.duplicates"),
        ({**EVIDENCE, "findings": []}, r"\$\.findings"),
        ({**EVIDENCE, "format": 3}, r"\$\.format"),
    ],
)
def test_evidence_of_another_form_is_named(broken, where):
    with pytest.raises(ZooError, match=rf"^evidence\.json .* measure again with `ganzoo card .* Received: .*{where}"):
        render(evidence=broken)


@pytest.mark.parametrize(
    "broken",
    [
        {**EVALUATION, "evaluations": []},
        {**EVALUATION, "evaluations": {}},
        {**EVALUATION, "format": 1, "evaluations": [3]},
        {**EVALUATION, "format": 1, "evaluations": [{"scores": {"FD": 3}}]},
        {**EVALUATION, "generated": {"kind": "images", "images": None, "count": 3, "sha256": "0"}},
    ],
)
def test_an_evaluation_of_another_form_is_named(broken):
    with pytest.raises(ZooError, match=r"^evaluation\.json .* measure again with `ganzoo card .* Received: "):
        render(evaluation=broken)


@pytest.mark.parametrize(
    "broken", [{"images": "many"}, {"parameters": {"generator": 3}}, {"training": []}, {"device": 1}]
)
def test_a_ganzoo_json_of_another_form_is_named(broken):
    with pytest.raises(ZooError, match=r"^ganzoo\.json .* Received: .*\$"):
        render(info=broken)


def test_any_numbers_can_be_rendered():
    support = both(float("inf"), float("nan"))
    assert "from about inf different images, the held-out images from about nan" in render(
        evidence=changed("duplicates", support=support)
    )
    assert "inf" not in render(evidence=changed("artefacts", high_frequencies=both(1e9, 0.0)))


FORMAT_1 = [
    name
    for name in resolve.shipped()
    if json.loads((resolve.resolve(name) / "evidence.json").read_text(encoding="utf-8"))["format"] == 1
]


@pytest.mark.parametrize("name", FORMAT_1)
def test_files_of_format_1_are_read_whole(name):
    """Every number of the shipped evidence is in what is read of it, and is the same after it was written again."""
    opened = checkpoint.open_checkpoint(resolve.resolve(name))
    found = card.read(opened.path)
    for file, record, kind in (
        ("evaluation.json", found.evaluation, results.OfCheckpoint),
        ("evidence.json", found.evidence, Evidence),
    ):
        assert json.loads(opened.content(file))["format"] == 1
        assert results.decode(json.loads(results.encode(record)), kind, file) == record
    first = json.loads(opened.content("evaluation.json"))["evaluations"][0]["scores"]
    for score in found.evaluation.evaluations[0].scores:
        assert (score.values, score.mean, score.floor, score.ratio) == tuple(
            first[score.name][key] for key in ("values", "mean", "floor", "ratio")
        )
        assert score.standard_error == first.get(score.name + format_1.ERROR, {}).get("mean")
        assert score.better == ("lower" if score.name in ("FD-lite0", "KID-lite0") else "higher")
    before = json.loads(opened.content("evidence.json"))
    again = json.loads(results.encode(found.evidence))
    for name_, section_ in before.items():
        if isinstance(section_, dict) and not {"not_measured", "not_applicable"} & section_.keys():
            assert section_.items() <= again[name_].items(), name_


def test_the_command_is_shown_whole():
    long = """ganzoo train x --set 'augment.diffaugment=["color", "cutout"]'""" + " --set seed=1" * 30
    assert f"| command | `{long}`; " in render(evidence={**EVIDENCE, "command": long})
    hostile = "x` <script>|\x1b[31m\n# y"
    text = render(evidence={**EVIDENCE, "command": hostile})
    assert "| command | `x script [31m # y`; " in text.replace("  ", " ")


def test_commands_are_quoted_for_the_shell(saved):
    text = render(evidence=None, info={"name": "my gan"})
    assert "`ganzoo card 'my gan' --measure`" in text
    folder = saved(weights="cd" * 32)
    spaced = folder.rename(folder.with_name("my gan"))
    with pytest.raises(ZooError, match=re.escape(f"with: ganzoo card '{spaced}' --measure. Received: ")):
        card.read(spaced)


def test_text_from_files_stays_text():
    names = ["<script>alert(1)</script>", "a|b\n# c ![x](y)"]
    text = render(evidence=changed("classes", classes=names), info={"name": "x\n---\n# y<b>"})
    assert not re.search(r"<script|<b>|!\[x\]|^# c|a\|b", text, re.MULTILINE)
    assert ModelCard(text).data.license == "apache-2.0"


def test_text_from_an_evaluation_stays_text_in_the_header_too():
    evaluation = copy.deepcopy(EVALUATION)
    evaluation["evaluations"][0]["extractor"]["name"] = "<b>bold</b>\x1b[31m\u202e"
    evaluation["evaluations"][0]["scores"][0]["name"] = "<i>FD</i>"
    text = render(evaluation=evaluation)
    assert not re.search("<b>|<i>|\x1b|\u202e|x1b|u202e", text, re.IGNORECASE)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.00123, "0.0012"),
        (0.7315, "0.7315"),
        (19.023, "19.02"),
        (-3.5, "-3.500"),
        (123456.0, "123,456"),
        (0, "0.0000"),
    ],
)
def test_numbers_are_read_without_thinking(value, text):
    assert wording.number(value) == text


@pytest.fixture
def saved(small, tmp_path):
    """A checkpoint folder with the evidence above."""

    def write(weights=None, evidence=EVIDENCE):
        info = {key: value for key, value in INFO.items() if key != "files"}
        nothing = {"generator": {}, "discriminator": {}}
        folder = checkpoint.save(tmp_path / "saved", small("dcgan-fashion-mnist"), nothing, info)
        own = weights or checkpoint.open_checkpoint(folder).info["files"]["generator.safetensors"]["sha256"]
        of = {
            "evaluation.json": {**EVALUATION, "generated": {**EVALUATION["generated"], "generator_sha256": own}},
            "evidence.json": {**evidence, "checkpoint": {"generator_sha256": own}},
        }
        checkpoint.renew(folder, {name: json.dumps(content).encode() for name, content in of.items()})
        return folder

    return write


def test_a_folder_is_read_whole(saved):
    found = card.read(saved())
    assert found.evidence.duplicates.pairs.generated == 321
    assert found.evaluation.ms_ssim.generated == 0.2175


@pytest.mark.parametrize("file", ["evaluation.json", "evidence.json"])
@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"null", b'"x"', b"\xff", b"[" * 100_000, b'{"format": %s}' % (b"9" * 400), b'{"format": 1}'],
)
def test_a_file_that_holds_anything_else_is_one_line_that_names_it(saved, file, content):
    folder = saved()
    checkpoint.renew(folder, {file: content})
    with pytest.raises(ZooError, match=rf"^{re.escape(file)} is [^\n]{{1,400}}$"):
        card.read(folder)


def test_a_whole_number_too_long_to_compute_with_is_refused(saved):
    folder = saved(evidence=changed("dropping", bins=10**400))
    with pytest.raises(ZooError, match=r"^evidence\.json is corrupt \(.* 401 digits\); .* Received: "):
        card.read(folder)


def test_evidence_of_other_weights_is_refused(saved):
    with pytest.raises(ValueError, match=r"evaluation.json was measured of other weights; measure again"):
        card.read(saved(weights="cd" * 32))


def test_the_command_prints_or_writes(saved, tmp_path):
    folder = saved()
    printed = CliRunner().invoke(main, ["card", str(folder)])
    assert printed.exit_code == 0
    assert printed.stdout == card.render(card.read(folder), str(folder))
    out = tmp_path / "cards" / "mine.md"
    assert CliRunner().invoke(main, ["card", str(folder), "-o", str(out)]).exit_code == 0
    assert out.read_text() == card.render(card.read(folder), str(folder), "../saved/")
    beside = folder / "README.md"
    assert CliRunner().invoke(main, ["card", str(folder), "-o", str(beside)]).exit_code == 0
    assert beside.read_text() == printed.stdout


def test_the_command_explains_errors(tmp_path):
    for arguments in (["card", "dcgan-fashon-mnist"], ["card", "dcgan-fashion-mnist", "-o", str(tmp_path)]):
        result = CliRunner().invoke(main, arguments)
        assert (result.exit_code, result.stdout) == (1, "")
        assert re.fullmatch(r"Error: .* Received: .*\n", result.stderr)


CARDS = Path(__file__).parents[2] / "model_cards"


@pytest.mark.parametrize("name", resolve.shipped())
def test_shipped_cards_are_what_their_evidence_renders(name):
    rendered = card.render(card.read(resolve.resolve(name)), name, f"../zoo/checkpoints/shipped/{name}/")
    card_ = (CARDS / f"{name}.md").read_text("utf-8")
    assert card_ == rendered, f"`ganzoo card {name} -o model_cards/{name}.md` renews it"


def test_every_card_has_a_checkpoint():
    assert {path.stem for path in CARDS.glob("*.md")} <= set(resolve.shipped())


def test_the_published_file_is_toml_that_ships():
    assert tomllib.loads((Path(card.__file__).parent / "published.toml").read_text("utf-8")) == card.PUBLISHED
