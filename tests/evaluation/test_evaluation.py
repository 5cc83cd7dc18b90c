"""Evaluation: the protocol, the floor, what moves which score, and what is refused."""

import json
import shutil

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import zoo
from zoo import data
from zoo.checkpoints import checkpoint
from zoo.cli import main
from zoo.cli.evaluate import table
from zoo.evaluation import features, measurement, results
from zoo.evaluation.metrics.extractors import classifier
from zoo.evaluation.metrics.scores import Value
from zoo.networks import build
from zoo.publish.card.wording import number


class Projection:
    """A stand-in for an extractor, fast and deterministic: 24 random directions of the images."""

    name, label, resizer, weights_sha256, dimensions = "projection", "projection", "none", "0" * 64, 24
    calls = 0

    def __call__(self, images):
        type(self).calls += 1
        flat = images.reshape(len(images), -1) / 127.5 - 1.0
        directions = np.random.default_rng(0).standard_normal((flat.shape[1], 24)) / 8
        values = (flat @ directions).astype(np.float32)
        return values, values[:, :10]


def evaluated(*arguments, **options):
    """`zoo.evaluate` with an extractor of one's own."""
    return zoo.evaluate(*arguments, extractor=Projection(), **options)


def squares(count, seed=0, size=32):
    """Images of one bright square each at a random place."""
    rng = np.random.default_rng(seed)
    images = np.zeros((count, size, size, 1), np.uint8)
    for image in images:
        top, left = rng.integers(2, size - 12, 2)
        image[top : top + 8, left : left + 8] = rng.integers(100, 255)
    return images


@pytest.fixture
def saved(small, images, tmp_path):
    """A checkpoint of an untrained DCGAN, with a training state, whose recipe names the squares as its data."""
    return untrained(small("dcgan-fashion-mnist", **{"data.source": images}), tmp_path / "saved")


def untrained(recipe, folder):
    generator, discriminator = build(recipe)
    arrays = {
        file: {v.path: np.asarray(v).copy() for v in network.variables}
        for file, network in (("generator", generator), ("discriminator", discriminator))
    }
    arrays["training"] = {f"generator/{name}": np.zeros_like(array) for name, array in arrays["generator"].items()}
    return checkpoint.save(folder, recipe, arrays, {"name": "squares", "images": 0})


def score(result, name):
    return result.evaluations[0].score(name)


def test_every_number_carries_its_protocol(saved):
    result = evaluated(str(saved), images=60, seeds=(0, 5))
    assert results.decode(json.loads(results.encode(result)), results.Evaluation, "evaluation.json") == result
    described = result.generated
    assert (described.name, described.weights, described.truncation) == ("squares", "ema", 1.0)
    assert described.seeds == [0, 5]
    assert (
        described.generator_sha256 == checkpoint.open_checkpoint(saved).info["files"]["generator.safetensors"]["sha256"]
    )
    (one,) = result.evaluations
    assert one.extractor == results.Extractor(name="projection", weights_sha256="0" * 64, resizer="none", dimensions=24)
    assert (one.generated_count, one.real.count, one.real.floor_count) == (59, 59, 59)
    assert one.real.split == "one half of the training images"
    assert len(one.real.fingerprint) == 64
    assert one.settings.precision_recall_k == 3
    assert {"keras-ganzoo", "keras", "numpy", "python"} <= result.versions.keys()
    distance = score(result, "FD-projection")
    assert len(distance.values) == 2
    assert distance.mean == pytest.approx(np.mean(distance.values))
    assert distance.spread == pytest.approx(np.std(distance.values, ddof=1))
    assert distance.ratio == pytest.approx(distance.mean / distance.floor)
    assert distance.floor < distance.mean, "noise is farther from squares than squares from squares"


def test_a_score_says_what_it_means(saved):
    """Which direction is better, its error, and whether a ratio to the floor says something."""
    (one,) = evaluated(str(saved), images=60, seeds=[0]).evaluations
    kid = one.score("KID-projection")
    assert {name for name, score in one.by_name.items() if score.better == "lower"} == {
        "FD-projection",
        "KID-projection",
    }
    assert [name for name, score in one.by_name.items() if score.standard_error is not None] == ["KID-projection"]
    assert kid.ratio is None and kid.standard_error > 0 and kid.floor_standard_error > 0
    assert all(score.ratio is not None for score in one.scores if score is not kid)


def test_other_real_images_score_at_the_floor():
    result = evaluated(squares(400, seed=1), squares(800, seed=2), images=400)
    assert score(result, "FD-projection").ratio == pytest.approx(1, abs=0.35)
    for name in ("precision", "recall", "density", "coverage"):
        assert score(result, name).ratio == pytest.approx(1, abs=0.1)
    similarity = result.ms_ssim
    error = np.hypot(similarity.generated_standard_error, similarity.real_standard_error)
    assert abs(similarity.generated - similarity.real) < 4 * error < 0.1


def test_raw_weights_are_others_than_the_average(saved):
    average = evaluated(str(saved), images=40, seeds=[0])
    raw = evaluated(str(saved), images=40, seeds=[0], weights="raw")
    assert score(average, "FD-projection").mean != score(raw, "FD-projection").mean
    assert raw.generated.weights == "raw"
    with pytest.raises(ValueError, match='weights are "ema", or in the checkpoint of a run "raw"'):
        zoo.load_generator("dcgan-fashion-mnist", weights="raw")


def test_a_judge_that_taught_the_discriminator_is_no_evidence(small, images, tmp_path):
    teacher, judge = Projection(), Projection()
    teacher.name = "efficientnet-lite0"
    pupil = untrained(small("projected-gan-fashion-mnist", **{"data.source": images}), tmp_path / "pupil")
    other = untrained(small("dcgan-fashion-mnist", **{"data.source": images}), tmp_path / "other")

    def said(model, extractor):
        return [w for w in zoo.evaluate(model, images=40, extractor=extractor).warnings if "taught" in w]

    assert said(pupil, [judge, teacher]) == [
        "efficientnet-lite0 taught this model's discriminator, so that its scores are too good: compare models by "
        "another judge"
    ]
    assert said(pupil, judge) == said(other, teacher) == []


def test_a_generator_tells_its_own_weights(saved):
    result = evaluated(zoo.load_generator(saved, "raw"), images=40, seeds=[0])
    assert result.generated.weights == "raw"
    assert (
        result.generated.generator_sha256
        == checkpoint.open_checkpoint(saved).info["files"]["training.safetensors"]["sha256"]
    )


def test_without_data_only_the_training_images_will_do(saved, images):
    info = json.loads((saved / "ganzoo.json").read_text())
    (saved / "ganzoo.json").write_text(json.dumps(info | {"data": {"fingerprint": "of others"}}))
    with pytest.raises(ValueError, match="not the images that the generator was trained on"):
        evaluated(str(saved), images=40)
    assert evaluated(str(saved), images, images=40, seeds=[0]).evaluations


def test_real_images_reach_the_size_as_they_did_in_training(tmp_path):
    np.savez(tmp_path / "small.npz", images=squares(60, size=28))
    cropped, padded = (evaluated(squares(60), str(tmp_path / "small.npz"), images=60, fit=fit) for fit in (None, "pad"))
    assert [result.evaluations[0].real.fit for result in (cropped, padded)] == ["crop", "pad"]
    assert score(cropped, "FD-projection").mean != score(padded, "FD-projection").mean


def test_a_floor_of_fewer_images_gives_no_ratio(monkeypatch, tmp_path):
    monkeypatch.setattr(measurement, "FLOOR_LEAST", 2)
    np.savez(tmp_path / "real.npz", images=squares(120))  # of which two are held out
    monkeypatch.setattr(measurement, "LEAST", 2)
    monkeypatch.setattr(measurement, "balls", lambda real, fake: None)
    monkeypatch.setattr(
        measurement,
        "scores",
        lambda real, fake, label, balls: [Value(f"FD-{label}", float(len(fake.features)), "lower")],
    )
    result = evaluated(squares(60), str(tmp_path / "real.npz"), images=60)
    assert (score(result, "FD-projection").floor, score(result, "FD-projection").ratio) == (2.0, None)
    assert any("no ratio is taken" in line for line in result.warnings)


def test_features_of_real_images_are_extracted_once():
    for _ in range(2):
        Projection.calls = 0
        evaluated(squares(100), squares(200, seed=1), images=100)
    assert Projection.calls == 1, "the second time, the generated images alone"


def test_a_damaged_cache_is_made_anew(images):
    store = data.prepare(images, resolution=32, channels=1)
    first = features.kept(Projection(), store.images, store.fingerprint, "real", 50)
    (file,) = (store.path.parent.parent / "features").glob("*.safetensors")
    file.write_bytes(file.read_bytes()[:100])
    again = features.kept(Projection(), store.images, store.fingerprint, "real", 50)
    np.testing.assert_array_equal(first.features, again.features)


@pytest.mark.slow
def test_what_moves_which_score_through_the_extractor_that_ships():
    """Blur, noise, a dropped class, duplicates, with real features of two kinds of images."""
    from scipy.ndimage import gaussian_filter

    def kinds(count, seed):
        images = squares(count, seed)
        images[: count // 2] = squares(count // 2, seed + 1).max(axis=2, keepdims=True)  # rows of light instead
        return images

    rng = np.random.default_rng(0)
    real, fake = kinds(240, 0), kinds(120, 10)
    changed = {
        "as real": fake,
        "blurred": gaussian_filter(fake, (0, 1.5, 1.5, 0)),
        "noisy": np.clip(fake + rng.normal(0, 40, fake.shape), 0, 255).astype(np.uint8),
        "one kind": kinds(240, 10)[:120],
        "duplicates": np.repeat(fake[::12], 12, axis=0)[rng.permutation(120)],
    }
    results_ = {name: zoo.evaluate(images, real, images=120) for name, images in changed.items()}
    base = results_.pop("as real")
    assert score(base, "FD-lite0").ratio < 1.5
    for name, result in results_.items():
        for distance in ("FD-lite0", "KID-lite0"):
            assert score(result, distance).mean > 1.5 * max(score(base, distance).mean, 0), (name, distance)
    for name in ("blurred", "noisy"):
        assert score(results_[name], "precision").mean < score(base, "precision").mean - 0.2, name
    for name in ("one kind", "duplicates"):
        assert score(results_[name], "coverage").mean < score(base, "coverage").mean - 0.2, name
    assert results_["one kind"].ms_ssim.generated > base.ms_ssim.generated


@pytest.mark.slow
def test_the_classifier_knows_its_classes(tmp_path, monkeypatch):
    """Bright squares in one of three corners: learned at once, kept on disk, and reported as shares."""
    rng = np.random.default_rng(0)
    images, labels = np.zeros((600, 32, 32), np.uint8), np.arange(600) % 3
    for image, label in zip(images, labels, strict=True):
        top, left = ((2, 2), (2, 18), (18, 2))[label]
        image[top : top + 12, left : left + 12] = rng.integers(120, 255, (12, 12))
    np.savez(tmp_path / "corners.npz", images=images, labels=labels)
    store = data.prepare(str(tmp_path / "corners.npz"), resolution=32, channels=1)
    monkeypatch.setattr(classifier, "BATCH_SIZE", 32)
    judge = classifier.Classifier(store)
    assert judge.accuracy == 1.0
    assert judge.name == "classifier:corners"
    found, logits = judge(store.images[:50])
    assert (found.shape, logits.shape) == ((50, 128), (50, 3))
    np.testing.assert_array_equal(np.argmax(logits, axis=-1), store.labels[:50])
    again = classifier.Classifier(store)
    assert again.weights_sha256 == judge.weights_sha256
    np.testing.assert_array_equal(again(store.images[:50])[1], logits)

    np.savez(tmp_path / "drawn.npz", images=images[labels != 2][:300, ..., None])
    result = zoo.evaluate(
        str(tmp_path / "drawn.npz"), str(tmp_path / "corners.npz"), extractor="classifier", images=300
    )
    shares = result.evaluations[0].class_shares
    assert shares.generated == pytest.approx([0.5, 0.5, 0.0], abs=0.02)
    assert "classifier:corners" in table(result.evaluations[0])[0]

    unlabelled = data.prepare(str(tmp_path / "drawn.npz"), resolution=32, channels=1)
    with pytest.raises(ValueError, match="needs labelled images"):
        classifier.Classifier(unlabelled)


def test_generated_images_are_read_as_those_to_train_on(tmp_path):
    """Copies of a notebook are not counted, opaque alpha is no matter, and a zip archive is as good as a folder."""
    for i, image in enumerate(np.repeat(squares(60), 3, -1)):
        opaque = Image.fromarray(np.dstack([image, np.full((32, 32), 255, np.uint8)]))
        for name in (f"{i:04}.png", *([f".ipynb_checkpoints/{i:04}-checkpoint.png"] if i % 2 else [])):
            (tmp_path / "set" / name).parent.mkdir(parents=True, exist_ok=True)
            opaque.save(tmp_path / "set" / name)
    shutil.make_archive(tmp_path / "set", "zip", tmp_path / "set")
    real = np.repeat(squares(60, seed=1), 3, -1)
    folder, archive = (evaluated(str(tmp_path / name), real, images=60) for name in ("set", "set.zip"))
    assert folder.generated.count == archive.generated.count == 60
    assert folder.evaluations == archive.evaluations


def test_real_images_that_are_mostly_copies_leave_out_the_scores_of_neighbours(said):
    copies = np.repeat(squares(10, seed=1), 15, axis=0)
    result = evaluated(squares(60), copies, images=60)
    (part,) = result.evaluations
    assert [score.name for score in part.scores] == ["FD-projection", "KID-projection", "IS-projection"]
    assert all(np.isfinite([score.mean, score.floor]).all() for score in part.scores)
    (reason,) = (line for line in said if line.startswith("precision, recall, density and coverage are left out: "))
    assert "half of the real images or more have 3 exact copies" in reason
    assert reason in result.warnings


@pytest.mark.parametrize(
    "generated, real, options, match",
    [
        (squares(10), squares(20, size=64), {}, r"same size and channels. Received: \(32, 32, 1\) and \(64, 64, 1\)"),
        (squares(10).astype(float), squares(20), {}, "must be uint8"),
        (squares(10), squares(12), {}, "at least 10 images on each side.* Received: 10 wanted, 6 and 6 real images"),
        (squares(5), squares(60), {}, "at least 10 generated images. Received: 5"),
        (squares(60)[:0], squares(60), {}, r"and at least one. Received: uint8 \(0, 32, 32, 1\)"),
        (squares(10), None, {}, "say which real images"),
        (squares(20), squares(40), {"extractor": "classifier"}, "needs labelled images"),
        ("dcgan-fashion-mnist", squares(20), {"seeds": ()}, "at least one seed"),
        ("dcgan-fashion-mnist", squares(20), {"seeds": (1, 1)}, "none twice"),
        ("dcgan-fashion-mnist", squares(20), {"truncation": 0.5}, "no truncation"),
        (squares(20), squares(40), {"extractor": object()}, "callable with the attributes name, .* lacks name, label"),
        (squares(20), squares(40), {"extractor": [Projection(), Projection()]}, "each another name"),
        (squares(20), squares(40), {"extractor": []}, "at least one extractor"),
        ("dcgan-fashion-mist", squares(20), {}, "did you mean 'dcgan-fashion-mnist'"),
    ],
)
def test_bad_input_is_refused(generated, real, options, match):
    with pytest.raises(ValueError, match=match):
        zoo.evaluate(generated, real, images=10, **options)


@pytest.mark.slow
def test_the_commands_print_a_table_and_write_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.savez("a.npz", images=squares(60))
    np.savez("b.npz", images=squares(60, seed=3))
    np.savez("real.npz", images=squares(200, seed=9))
    done = CliRunner().invoke(main, ["evaluate", "a.npz", "--data", "real.npz", "-n", "60"])
    assert done.exit_code == 0, done.output
    content = (tmp_path / "evaluation.json").read_bytes()
    written = results.decode(json.loads(content), results.Evaluation, "evaluation.json").evaluations[0]
    lines = done.stdout.splitlines()
    (row,) = (line for line in lines if line.startswith("FD-lite0"))
    assert row.split()[1] == number(written.score("FD-lite0").mean)
    (row,) = (line for line in lines if line.startswith("  its standard error"))
    assert row.split()[-2:] == [number(written.score("KID-lite0").standard_error), row.split()[-1]]
    done = CliRunner().invoke(main, ["compare", "a.npz", "b.npz", "--data", "real.npz", "-n", "60"])
    assert done.exit_code == 0, done.output
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["efficientnet-lite0", "a.npz", "b.npz", "floor"]
    assert json.loads((tmp_path / "comparison.json").read_text()).keys() == {"a.npz", "b.npz"}
    with Image.open("comparison.png") as chart:
        assert chart.width > 1000
