"""Evidence: what is measured, on which side it stands, and how it reaches the checkpoint's folder."""

import dataclasses
import io
import json
import operator
import shlex
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from zoo import data
from zoo import recipe as recipes
from zoo.backend import device
from zoo.checkpoints import checkpoint
from zoo.checkpoints.run import Run
from zoo.checkpoints.run_history import history, upgraded
from zoo.cli import main
from zoo.evaluation import evaluate, evidence, failure_modes, features, judges
from zoo.evaluation.measurement import Measurement, Reference, Subject, balls
from zoo.evaluation.metrics import scores
from zoo.evaluation.sections import NotMeasured
from zoo.files.errors import ZooError
from zoo.networks import build
from zoo.publish import card, export
from zoo.publish.card import wording

COUNT = 1_500  # 2 % of them are held out


class Projection:
    """A stand-in for an extractor: 12 random directions of the images."""

    name, label, resizer, weights_sha256, dimensions = "projection", "projection", "none", "0" * 64, 12

    def __call__(self, images):
        flat = images.reshape(len(images), -1) / 127.5 - 1.0
        values = (flat @ np.random.default_rng(0).standard_normal((flat.shape[1], 12)) / 8).astype(np.float32)
        return values, values[:, :3]


class Classifier(Projection):
    name, label, classes, accuracy = "classifier", "classifier", ("left", "right", "neither"), 0.9


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Few subsets, and an answer on copies from few held-out images."""
    monkeypatch.setitem(scores.SETTINGS, "kernel_subsets", 3)
    monkeypatch.setattr(failure_modes, "LEAST_UNSEEN", 20)


def squares(count):
    """Images of one bright square each, and in which third it is."""
    rng = np.random.default_rng(0)
    images = np.zeros((count, 32, 32, 1), np.uint8)
    corners = rng.integers(2, 20, (count, 2))
    for image, (top, left), level in zip(images, corners, rng.integers(100, 240, count), strict=True):
        image[top : top + 8, left : left + 8] = level
    return images, corners[:, 1] // 7


@pytest.fixture
def source(tmp_path):
    """An .npz file of labelled squares."""
    images, labels = squares(COUNT)
    np.savez(tmp_path / "squares.npz", images=images, labels=labels)
    return str(tmp_path / "squares.npz")


@pytest.fixture(scope="module")
def store():
    images, labels = squares(6_000)
    images = images + np.random.default_rng(1).integers(0, 8, images.shape).astype(np.uint8)  # so that all differ
    return data.Store(
        Path("nowhere"), "squares", images[:5_800], images[5_800:], labels[:5_800], labels[5_800:], (), "f" * 64, ()
    )


@pytest.fixture
def run(small, source, tmp_path):
    """A function that makes the folder of a run of an untrained network: `run(seed=1)`."""

    store = data.prepare(source, resolution=32, channels=1)

    def make(seed=0, name="dcgan-fashion-mnist", reached=3, fingerprint=None, **overrides) -> Run:
        recipe = small(name, **{"data.source": source, "seed": seed, "schedule.images": 12, **overrides})
        made = Run(tmp_path / f"run-{seed}")
        made.start(recipe)
        for step, kid in ((1, 0.5), (2, 0.25), (3, 0.75))[:reached]:
            made.log({"step": step, "images": 100 * step, "images_per_second": 50.0 * step, "findings": []})
            made.log({"step": step, "images": 100 * step, "kid": kid, "kid_error": 0.01})
        generator, discriminator = build(recipe)
        arrays = {
            file: {v.path: np.asarray(v).copy() for v in network.variables}
            for file, network in (("generator", generator), ("discriminator", discriminator))
        }
        arrays["training"] = {f"generator/{path}": 2 * array for path, array in arrays["generator"].items()}
        checkpoint.save(
            made.checkpoint_path(2),
            recipe,
            arrays,
            {
                "name": recipe.name,
                "step": 2,
                "images": 200,
                "kid": 0.25,
                "device": device.device(),
                "data": {
                    "source": source,
                    "images": len(store.images),
                    "fingerprint": fingerprint or store.fingerprint,
                },
            },
        )
        return made

    return make


@pytest.fixture
def exported(run, tmp_path):
    return export.export(run().path, "checkpoint", tmp_path / "mine")


def measured(folder, source, **options):
    judges = [Projection(), Classifier()]
    evidence.measure(folder, data_source=source, images=200, seeds=(0, 1), extractor=judges, **options)
    return card.read(folder)


def test_the_history_of_a_run_is_in_its_log(run):
    told = history(run(), images=200)
    assert told["hours"] == pytest.approx((100 / 50 + 100 / 100) / 3600, abs=1e-3)
    assert told["run_hours"] == pytest.approx((2 + 1 + 2 / 3) / 3600, abs=1e-3)
    assert told["run_images"] == 300
    assert told["kid"] == [[100, 0.5, 0.01], [200, 0.25, 0.01], [300, 0.75, 0.01]]
    assert told["findings"] == []


def test_a_history_without_a_watcher_or_a_clock_says_so(tmp_path):
    old = Run(tmp_path)
    assert history(old, 0)["hours"] is None
    old.log({"step": 1, "images": 64, "d_loss": 1.0})
    assert (history(old, 64)["hours"], history(old, 64)["findings"], history(old, 64)["kid"]) == (None, None, [])
    old.log({"step": 2, "images": 128, "separation": 0.75})
    assert history(old, 128)["findings"] == []
    named = {"name": "drift", "value": 0.3}
    old.log({"step": 3, "images": 192, "findings": ["collapse: all alike", named]})
    old.log({"step": 4, "images": 256, "findings": ["collapse: all alike still", named | {"value": 0.4}]})
    assert history(old, 256)["findings"] == [
        {"images": 192, "kind": "finding", "text": "collapse: all alike"},
        {"images": 192, "kind": "finding", "text": "name drift, value 0.3"},
    ]


def test_hours_are_those_of_the_rates(tmp_path):
    run = Run(tmp_path)
    for images in (36_000, 72_000):
        run.log({"step": images, "images": images, "images_per_second": 10.0})
    assert (history(run, 36_000)["hours"], history(run, 36_000)["run_hours"]) == (1.0, 2.0)


def test_hours_belong_to_the_machine_that_spent_them(tmp_path):
    run = Run(tmp_path)
    a, b = ({"backend": "jax", "device": {"name": name}, "precision": "float32"} for name in "ab")
    for images, what in (
        (0, {"machine": a}),
        (36_000, {"images_per_second": 10.0}),
        (36_000, {"machine": b}),
        (72_000, {"images_per_second": 20.0}),
        (72_000, {"machine": a}),
        (108_000, {"images_per_second": 5.0}),
    ):
        run.log({"step": images, "images": images, **what})
    told = history(run, 108_000)
    assert told["machines"] == [{**a, "hours": 3.0}, {**b, "hours": 0.5}]
    assert told["hours"] == 3.5
    assert history(run, 72_000)["machines"] == [{**a, "hours": 1.0}, {**b, "hours": 0.5}]


def test_a_rollback_is_told(tmp_path):
    run = Run(tmp_path)
    run.log({"step": 9, "images": 36, "rollback": {"from_step": 1_200, "why": "collapse: all alike"}})
    (row,) = history(run, 100)["findings"]
    assert (row["images"], row["kind"]) == (36, "rollback")
    assert "collapse: all alike" in row["text"] and "from step 1,200" in row["text"]


def test_a_history_that_an_older_version_wrote_gets_kinds():
    rows = [
        {"images": 1, "finding": "collapse: all alike"},
        {"images": 2, "finding": "the recipe changed here: schedule.images: 1 -> 2"},
        {"images": 3, "finding": {"name": "drift", "value": 0.3, "steps": [1]}},
        {"images": 4, "finding": 5},
    ]
    today = upgraded({"hours": 1.0, "findings": rows})
    assert today == {
        "hours": 1.0,
        "findings": [
            {"images": 1, "kind": "finding", "text": "collapse: all alike"},
            {"images": 2, "kind": "change", "text": "schedule.images: 1 -> 2"},
            {"images": 3, "kind": "finding", "text": "name drift, value 0.3"},
            {"images": 4, "finding": 5},
        ],
    }
    assert upgraded(today) == today
    assert [upgraded(other) for other in (None, 3, [], {"findings": None})] == [None, 3, [], {"findings": None}]


def test_the_device_has_a_name():
    found = device.device()
    assert found["kind"] in ("cpu", "gpu", "tpu")
    assert found["name"] and found["count"] >= 1


def test_cores_are_those_that_a_process_may_use(monkeypatch):
    monkeypatch.setattr("keras.distribution.list_devices", lambda: ["CPU:0"])
    monkeypatch.setattr("os.sched_getaffinity", lambda process: {3}, raising=False)
    assert device.device()["count"] == 1


def test_the_command_gives_the_recipe_again():
    recipe = recipes.load("sngan-cifar10").replace(
        **{
            "schedule.images": 1_000,
            "augment.diffaugment": ["color", "cutout"],
            "augment.flip": False,
            "optimizer.g.learning_rate": {"from": 1e-4, "to": 1e-5, "images": 500},
            "data.source": "my pictures",
            "seed": 7,
        }
    )
    words = shlex.split(evidence.command(recipe))
    assert words[:3] == ["ganzoo", "train", "sngan-cifar10"]
    settings = tuple(word for before, word in pairwise(words) if before == "--set")
    overrides = recipes.parse_overrides(settings) | {"data.source": words[words.index("--data") + 1]}
    assert recipes.load("sngan-cifar10", overrides) == recipe
    assert evidence.command(recipes.load("sngan-cifar10")) == "ganzoo train sngan-cifar10"
    assert evidence.command(recipe.replace(name="own")) == "ganzoo train recipe.toml"
    assert evidence.command(recipe.replace(name="x-finetuned", start="hf://org/x")) == "ganzoo train recipe.toml"


def test_a_rolled_back_run_is_the_checkpoints_own(run, tmp_path):
    made = run(watch="rollback")
    rates = recipes.load("dcgan-fashion-mnist").optimizer
    recipe = made.recipe.slower(1)
    assert recipe.optimizer.d.learning_rate.start == rates.d.learning_rate.start / 2
    before = checkpoint.open_checkpoint(made.best())
    after = dataclasses.replace(before, recipe=recipe)
    with pytest.raises(ValueError, match=r"differs in optimizer\.d\.learning_rate"):
        evidence._require_same(after, [made])
    made.log({"step": 1, "images": 100, "rollback": {"from_step": 3, "why": "collapse"}})
    evidence._require_same(after, [made])
    evidence._require_same(before, [made])  # its best moment was before it went back
    evidence._require_same(dataclasses.replace(before, recipe=before.recipe.replace(paper="cited otherwise")), [made])


def test_a_checkpoint_from_before_a_change_is_its_runs_own(exported, run, source):
    """Its run was lengthened afterwards, and got another rate later on."""
    made = run()
    first = made.recipe
    made.start(first.replace(**{"schedule.images": 16}), resume=True)
    made.log({"step": 4, "images": 400, "images_per_second": 50.0})
    longer = made.recipe
    made.start(longer.replace(**{"optimizer.g.learning_rate": 1e-4}), resume=True)
    assert Run(made.path).recipes_so_far() == [made.recipe, longer, first]

    facts = measured(exported, source, runs=[made.path])
    assert facts.evidence.training.run_images == 400
    assert facts.evidence.moment.seeds[0].raw
    text = card.render(facts, "mine")
    assert "the recipe changed here: schedule.images: 12 to " in text
    assert "train dcgan-fashion-mnist" in facts.evidence.command
    assert "schedule.images=12" in facts.evidence.command

    renamed = made.recipe.replace(name="a -> b")
    made.start(renamed, resume=True)
    assert Run(made.path).recipes_so_far() == [renamed, longer.replace(name="a -> b"), first.replace(name="a -> b")]


def test_what_a_run_never_had_is_another_recipe(run):
    made = run()
    other = made.recipe.replace(**{"optimizer.g.learning_rate": 3e-4})
    opened = dataclasses.replace(checkpoint.open_checkpoint(made.best()), recipe=other)
    made.start(made.recipe.replace(**{"optimizer.g.learning_rate": 1e-4}), resume=True)
    with pytest.raises(ZooError, match=r"differs in optimizer\.g\.learning_rate: 0\.0003 -> .*\. Received: "):
        evidence._require_same(opened, [made])


def test_a_change_that_an_older_version_wrote_down_is_refused_in_one_line(run):
    made = run()
    opened = checkpoint.open_checkpoint(made.best())
    made.start(made.recipe.replace(**{"optimizer.g.learning_rate": 1e-4}), resume=True)
    file = made.path / "log.jsonl"
    file.write_text(file.read_text().replace("{ from = 0.0004,", "{'from': 0.0004,"))
    assert len(made.recipes_so_far()) == 1
    with pytest.raises(ZooError, match=r"differs in optimizer\.g\.learning_rate: [^\n]*\. Received: "):
        evidence._require_same(opened, [made])


def test_an_export_carries_the_history_of_its_run(exported):
    info = checkpoint.open_checkpoint(exported).info
    assert info["training"]["run_images"] == 300
    assert info["device"] == device.device()


def test_measuring_fills_the_folder_and_the_card_and_an_export_keeps_it(exported, source):
    before = checkpoint.open_checkpoint(exported).info
    facts = measured(exported, source)
    opened = checkpoint.open_checkpoint(exported)
    assert {*opened.info["files"]} >= {*before["files"], *checkpoint.EVIDENCE} - {"truncation.png", "by_class.png"}
    for file in opened.info["files"]:
        opened.content(file)
    assert {key: value for key, value in opened.info.items() if key != "files"} == {
        key: value for key, value in before.items() if key != "files"
    }
    text = card.render(facts, "mine")
    assert "Not measured" not in text.replace("was not measured", "")
    assert "Not applicable: dcgan has no truncation" in text
    written = text + "".join((exported / file).read_text() for file in ("evidence.json", "evaluation.json"))
    assert str(Path(source).parent) not in written, "a path of this machine"
    assert facts.evidence.measured.floor == "other training images"
    assert facts.evidence.memorisation.among == 1_470
    assert [part.extractor.name for part in facts.evaluation.evaluations] == ["projection", "classifier"]
    sizes = {}
    for file in exported.glob("*.png"):
        with Image.open(file) as picture:
            picture.load()
            sizes[file.name] = picture.size
            assert {"Checkpoint", "Software"} <= picture.text.keys(), file.name
    assert sizes["worst.png"] == (8 * 64, 2 * 64)
    assert sizes["neighbours.png"] == (8 * 64, 4 * 64 + 4)
    assert sum(file.stat().st_size for file in exported.glob("*.png")) < 200_000

    stale = exported / "truncation.png"
    stale.write_bytes(b"of another time")
    assert measured(exported, source) == facts, "the same numbers again"
    assert not stale.exists()
    again = export.export(exported, "checkpoint", exported.with_name("again"))
    assert card.read(again).evidence == facts.evidence


def test_a_conditional_checkpoint_has_a_row_for_each_class(run, source, tmp_path, monkeypatch):
    monkeypatch.setattr(Classifier, "classes", ("0", "1", "2"))
    folder = export.export(run(**{"model.classes": 3}).path, "checkpoint", tmp_path / "conditional")
    facts = measured(folder, source)
    found = facts.evaluation.by_class
    assert [row.name for row in found.classes] == ["0", "1", "2"]
    assert all(0 <= row.accuracy <= 1 and 0 <= row.held_out_accuracy <= 1 for row in found.classes)
    assert min(row.count for row in found.classes) >= 30
    with Image.open(folder / "by_class.png") as picture:
        assert picture.size == (8 * 64, 3 * 64)
    text = card.render(facts, "mine")
    assert "a class-conditional generator" in text
    for row in found.classes:
        assert f"| {row.name} | {wording.percent(row.share)} | {wording.number(row.scores[0].mean)} (" in text


def test_raw_weights_and_other_seeds_come_from_runs(exported, run, source):
    facts = measured(exported, source, runs=[run(0).path, run(1).path])
    rows = facts.evidence.moment.seeds
    assert [row.seed for row in rows] == [0, 1]
    assert rows[0].ema["FD-projection"] != rows[0].raw["FD-projection"]
    assert rows[1].raw is None
    assert facts.evidence.training.run_images == 300
    text = card.render(facts, "mine")
    values = [row.ema["FD-projection"] for row in rows]
    assert f"| 1 | 200 | {wording.number(values[1])} |" in text
    assert f"| standard deviation | | {wording.number(np.std(values, ddof=1))} |" in text
    assert str(Path(source).parent) not in text + (exported / "evidence.json").read_text(), "a path of this machine"


def test_runs_beside_a_checkpoint_are_whole_and_of_its_images(exported, run, source):
    def refused(*runs, match):
        with pytest.raises(ValueError, match=match):
            measured(exported, source, runs=[made.path for made in runs])

    own = run()
    refused(own, own, match=r"of each training seed one run is enough. Received: runs of the seeds \[0, 0\]")
    refused(own, run(1, reached=2), match=r"when it has ended; go on with: .* one of 2 of 3 steps")
    refused(run(2, fingerprint="of others"), match="trained on the same images, and this one on others")
    refused(run(3, start="elsewhere"), match="differs in start")
    with pytest.raises(ValueError, match=r"export the best first, with: ganzoo export .*run-0"):
        evidence.measure(own.path)


def test_what_is_not_at_hand_is_not_measured(exported):
    opened = checkpoint.open_checkpoint(exported)
    del opened.info["training"]
    found, drawn = evidence._training_history(opened, [], None, None)
    absent = NotMeasured(reason="the checkpoint says nothing of its run, and the run was not at hand")
    assert (found["moment"], found["findings"]) == (absent, absent)
    assert set(found) == {"command", "moment", "findings"}
    assert not drawn


def test_without_labels_and_held_out_images_these_questions_stay_open(store):
    few = data.Store(store.path, store.source, store.images[:600], store.heldout[:12], None, None, (), "f", ())
    assert failure_modes.classes(None, few, None)[0] == NotMeasured(
        reason="the training images have no labels, or none that a classifier learns"
    )
    found, pictures = failure_modes.memorisation(Projection(), few, samples(few.images[:100]), False)
    assert "only 12 are held out" in found.reason
    assert not pictures


def samples(images):
    return failure_modes.Samples(images, Projection()(images)[0])


def near(train, fake):
    """Precision, recall and realism of samples beside training images."""
    return balls(*(features.Features(side.features, side.features) for side in (train, fake)))


@pytest.mark.parametrize(("accuracy", "learned"), [(0.6, False), (0.7, True)])
def test_a_classifier_that_does_no_better_than_the_most_frequent_label_is_left_out(said, accuracy, learned):
    store = SimpleNamespace(heldout=np.zeros((10, 2, 2, 1)), heldout_labels=np.arange(10) // 6)
    assert judges.tells_more_than_a_guess(SimpleNamespace(accuracy=accuracy), store) == learned
    line = "a classifier is right on 60% of the held-out images and guessing on 60%: left out"
    assert said == ([] if learned else [line])


def test_real_images_stand_at_the_floor(store):
    """With held-out images in place of samples, both columns are equal, whatever is measured."""
    train, held = samples(store.images[:2_000]), samples(store.images[2_000:4_000])
    balls_ = near(train, held)
    for found, _ in (
        failure_modes.low_density(held.images, balls_, balls_),
        failure_modes.dropping(train, held, held),
        failure_modes.duplicates(train, held, held),
        failure_modes.artefacts(train, held, held),
        failure_modes.saturation(train, held, held),
    ):
        compared = [
            value for value in msgspec.to_builtins(found).values() if isinstance(value, dict) and "held_out" in value
        ]
        assert compared and all(value["generated"] == value["held_out"] for value in compared), found


def test_defects_are_told_from_real_images(store):
    rng = np.random.default_rng(0)
    train, held = samples(store.images[:2_000]), samples(store.images[2_000:4_000])

    def worse(section, fake, pick):
        found, _ = section(train, held, samples(fake))
        generated, floor = pick(found)
        assert generated > floor, found

    noise = rng.integers(0, 255, held.images.shape).astype(np.uint8)
    half = held.images[(held.images[..., 16:, 0] > 50).any(axis=(1, 2))][:1_000]
    board = np.where(np.indices((32, 32)).sum(axis=0)[..., None] % 2, np.minimum(held.images, 223) + 32, held.images)
    below = failure_modes.low_density(noise, near(train, samples(noise)), near(train, held))[0].below_1
    assert below.generated > below.held_out
    both = operator.attrgetter("generated", "held_out")
    worse(failure_modes.dropping, half, lambda found: both(found.different))
    worse(failure_modes.duplicates, np.repeat(held.images[:200], 5, axis=0), lambda found: both(found.pairs))
    worse(
        failure_modes.artefacts, board.astype(np.uint8), lambda found: [side["2"] for side in both(found.checkerboard)]
    )
    worse(
        failure_modes.saturation, np.where(held.images > 99, 255, 0).astype(np.uint8), lambda found: both(found.white)
    )


def test_the_worst_samples_are_shown(store):
    fake = store.images[2_000:3_000].copy()
    fake[::100] = np.random.default_rng(0).integers(0, 255, (10, 32, 32, 1))
    balls_ = near(samples(store.images[:2_000]), samples(fake))
    _, drawn = failure_modes.low_density(fake, balls_, balls_)
    with Image.open(io.BytesIO(drawn["worst.png"])) as picture:
        shown = np.asarray(picture)
    assert np.mean(shown[:64] > 0) > 0.5, "noise is in the first row"


def test_copies_are_found_and_shown_beside_their_originals(store):
    copies, drawn = failure_modes.memorisation(Projection(), store, samples(store.images[:400]), False)
    assert copies.c_t < -3
    assert copies.closest.generated == 0 < copies.closest.held_out
    with Image.open(io.BytesIO(drawn["neighbours.png"])) as picture:
        rows = np.asarray(picture)
    np.testing.assert_array_equal(rows[:64], rows[64:128])
    honest, _ = failure_modes.memorisation(Projection(), store, samples(store.heldout), False)
    assert abs(honest.c_t) < 3
    assert honest.closest.generated == honest.closest.held_out


def test_copies_of_mirrored_images_and_of_images_that_come_twice_are_found(store):
    fake = store.heldout[:100].copy()
    fake[0] = store.images[7, :, ::-1]
    for flipped in (False, True):
        found, _ = failure_modes.memorisation(Projection(), store, samples(fake), flipped)
        assert (found.closest.generated == 0) == flipped
        assert (found.among, found.mirrored) == ((1 + flipped) * 5_800, flipped)
    fake[0] = store.images[7]
    twice = dataclasses.replace(store, images=np.concatenate([store.images, store.images[7:8]]), fingerprint="e" * 64)
    found, _ = failure_modes.memorisation(Projection(), twice, samples(fake), False)
    assert found.closest.generated == 0


def test_a_class_that_is_missing_still_has_its_share_of_the_classifiers_errors(store):
    """A classifier that takes every second image of class 0 for one of class 1."""

    class Mistaken(Classifier):
        def __call__(self, images):
            thirds = np.argmax((images > 50).any(axis=(1, 3)), axis=1) // 7
            even = images.astype(int).sum(axis=(1, 2, 3)) % 2 == 0
            return super().__call__(images)[0], np.eye(3, dtype=np.float32)[np.where((thirds == 0) & even, 1, thirds)]

    none = store.images[store.labels != 1][:2_000]
    found, _ = failure_modes.classes(Mistaken(), store, Mistaken()(none)[1])
    assert 0.05 < found.if_missing[1] == pytest.approx(found.shares.generated[1], abs=0.1)
    assert found.if_missing[0] == 0


def test_training_images_and_their_features_are_in_one_order(store):
    """Where few are held out, half of them stand for the training images, as in an evaluation before."""
    few = dataclasses.replace(store, images=store.images[:600], heldout=store.heldout[:12])
    for side in failure_modes.sides(Reference.of_store(few, "squares", "crop", 200), Projection()):
        np.testing.assert_array_equal(Projection()(side.images)[0], side.features)


class Drawn:
    """A generator of given images, which draws one of them the more often the smaller psi is."""

    info, weights, classes = {}, "ema", ()

    def __init__(self, images, recipe):
        self.drawn, self.recipe, self.seeds = images, recipe, []

    def batches(self, count, seed, psi, batch_size):
        self.seeds.append(seed)
        images = np.roll(self.drawn, seed, axis=0)[:count]
        images[: round((1 - psi) * count)] = images[0]
        yield from features.in_batches(images)


def test_each_seed_is_drawn_once_and_seen_once_by_each_extractor(store):
    """8 drawings of the same samples made a card before."""

    class Counting(Classifier):
        seen = 0

        def __call__(self, images):
            self.seen += len(images)
            return super().__call__(images)

    judges = [Counting(), Counting()]
    judges[1].name = "another"
    generator = Drawn(store.images[:1_000], recipes.load("dcgan-fashion-mnist"))
    reference = Reference.of_store(store, "squares", "crop", 1_000)
    for judge in judges:
        reference.floor(judge)
    before = judges[0].seen
    measurement = Measurement.take(Subject.of_generator(generator, seeds=(0, 1, 2)), reference, judges)
    evaluate.evaluation(measurement)
    failure_modes.sides(reference, judges[0])
    assert generator.seeds == [0, 1, 2]
    assert [judge.seen - before for judge in judges] == [3_000, 3_000]
    np.testing.assert_array_equal(measurement.images, store.images[:1_000])


def test_truncation_takes_recall(store):
    generator = Drawn(store.images[1_000:2_000], recipes.load("stylegan-lite-fashion-mnist"))
    train = dataclasses.replace(store, images=store.images[:2_000], heldout=store.heldout[:12])
    reference = Reference.of_store(train, "squares", "crop", 1_000)
    measurement = Measurement.take(Subject.of_generator(generator), reference, [Projection()])
    fake = failure_modes.Samples(measurement.images, measurement.features["projection"][0].features)
    (psi_1,) = measurement.balls(Projection())
    found, drawn = failure_modes.truncation(generator, Projection(), reference, fake, psi_1, 0)
    assert [row.psi for row in found.psi] == [1.0, 0.7, 0.5]
    recalls = [row.recall for row in found.psi]
    assert recalls == sorted(recalls, reverse=True) and recalls[0] > recalls[-1]
    assert "truncation.png" in drawn


def test_training_images_that_are_mostly_copies_leave_two_questions_open(store):
    """And the card of what could be measured is rendered."""
    copies = np.repeat(store.images[:20], 100, axis=0)
    few = dataclasses.replace(store, images=copies, heldout=store.heldout[:12], labels=None)
    generator = Drawn(store.images[1_000:2_000], recipes.load("stylegan-lite-fashion-mnist"))
    reference = Reference.of_store(few, "squares", "crop", 1_000)
    measurement = Measurement.take(Subject.of_generator(generator), reference, [Projection()])
    scores = evaluate.evaluation(measurement)
    assert "precision" not in scores.evaluations[0].by_name
    found, drawn = failure_modes.measure(measurement, generator)
    open_ = {name for name, section in found.items() if isinstance(section, NotMeasured)}
    assert open_ == {"classes", "memorisation", "low_density", "truncation"}
    assert "exact copies" in found["truncation"].reason
    assert not {"worst.png", "truncation.png"} & drawn.keys()


def test_other_images_than_those_of_training_are_refused(exported, images):
    before = (exported / "ganzoo.json").read_text()
    with pytest.raises(ValueError, match=r"trained on, and these are others; name them with --data. Received: "):
        evidence.measure(exported, data_source=images)
    assert (exported / "ganzoo.json").read_text() == before


def test_a_run_of_another_recipe_is_refused(exported, run, source):
    other = run(3, **{"model.latent_dim": 5})
    with pytest.raises(ValueError, match=r"differs in model.latent_dim: 8 -> 5. Received: "):
        evidence.measure(exported, data_source=source, runs=[other.path])


def test_a_checkpoint_in_the_hubs_cache_is_not_written_into():
    with pytest.raises(ValueError, match=r"export it as checkpoint first. Received: 'hf://org/name'"):
        evidence.measure("hf://org/name")


def test_a_renewal_that_fails_changes_nothing(exported, monkeypatch):
    before = {file.name: file.read_bytes() for file in exported.iterdir()}

    def fail(self, content):
        raise OSError("no space left")

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(OSError, match="no space"):
        checkpoint.renew(exported, {"evidence.json": b"{}"})
    monkeypatch.undo()
    assert {file.name: file.read_bytes() for file in exported.iterdir()} == before
    assert not list(exported.parent.glob(".partial-*"))


def test_a_renewal_keeps_other_files_and_writes_through_no_link(exported, tmp_path):
    outside = tmp_path / "outside.json"
    outside.write_text("mine")
    (exported / "evidence.json").symlink_to(outside)
    (exported / "notes.txt").write_text("kept")
    checkpoint.renew(exported, {"evidence.json": b"{}"})
    assert outside.read_text() == "mine"
    assert (exported / "notes.txt").read_text() == "kept"
    assert checkpoint.open_checkpoint(exported).content("evidence.json") == b"{}"


def test_the_command_measures_and_renders(run, tmp_path):
    """With the extractor that ships, on a few images without labels."""
    images, _ = squares(400)
    np.savez(tmp_path / "few.npz", images=images)
    made = run(**{"data.source": str(tmp_path / "few.npz")})
    folder = export.export(made.path, "checkpoint", tmp_path / "mine")
    info = json.loads((folder / "ganzoo.json").read_text())
    (folder / "ganzoo.json").write_text(json.dumps({**info, "data": {}}))
    out = tmp_path / "card.md"
    options = ["--measure", "--data", str(tmp_path / "few.npz"), "-n", "100", "--seeds", "1", "-o", str(out)]
    result = CliRunner().invoke(main, ["card", str(folder), *options])
    assert result.exit_code == 0, result.output
    assert "compare 100 samples with 100 of the one half of the training images" in out.read_text("utf-8")
    assert "](mine/worst.png)" in out.read_text("utf-8")
