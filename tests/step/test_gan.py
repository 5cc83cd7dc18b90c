"""The training step: who moves, what is fresh, what is averaged."""

import re

import keras
import numpy as np
import pytest

from zoo import backend, networks
from zoo.backend import device
from zoo.networks.parts.layers import spectral_layers
from zoo.step import noise, schedule
from zoo.step.gan import GAN


def batch_of(gan, step=0):
    recipe, plan = gan.recipe, gan.recipe.schedule
    size, channels = recipe.data.resolution, recipe.data.channels
    real = np.random.default_rng([9, step]).integers(
        0, 256, (plan.batch_size, plan.d_steps, size, size, channels), np.uint8
    )
    return {"real": real, **noise.batch(recipe, gan.generator, step)}


def values(variables, without=()):
    return {v.path: np.asarray(v).copy() for v in variables if not any(word in v.path for word in without)}


def assert_equal(before, after):
    for path, value in before.items():
        np.testing.assert_array_equal(value, after[path], err_msg=path)


def run(engine, players, batch):
    """A step after which the variables are up to date, on JAX too."""
    logs = engine.run(players, batch)
    engine.sync()
    return logs


STATISTICS = ("moving_mean", "moving_variance", "w_mean")
NAMES = tuple(f"{network}-cifar10" for network in networks.NAMES)


def test_ada_rests_while_the_discriminator_waits(small):
    gan = GAN(small("dcgan-cifar10", **{"augment.ada": True, "augment.ada_speed_images": 160}))
    gan.ada_p.assign(0.5)
    engine = backend.Engine(gan)
    for step in range(4):
        run(engine, schedule.G_ONLY, batch_of(gan, step))
    assert float(gan.ada_p) == 0.5
    assert float(gan.r_t) == 0.0


def test_freezing_all_of_the_discriminator_is_refused(small):
    with pytest.raises(ValueError, match="at least one of D's 4 kernels"):
        GAN(small("dcgan-cifar10", **{"schedule.freeze_d": 4}))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_each_player_is_held_constant_while_the_other_moves(small, name):
    gan = GAN(small(name, **{"schedule.d_steps": 1}))
    engine = backend.Engine(gan)
    g, d = values(gan.generator.variables, STATISTICS), values(gan.discriminator.variables)
    run(engine, schedule.D_ONLY, batch_of(gan))
    assert_equal(g, values(gan.generator.variables))
    moved = values(gan.discriminator.trainable_variables)
    assert any(not np.array_equal(d[path], moved[path]) for path in moved)
    g, d = values(gan.generator.trainable_variables), values(gan.discriminator.variables, STATISTICS)
    d_adam = values(gan.optimizer.d.variables)
    run(engine, schedule.G_ONLY, batch_of(gan))
    assert_equal(d, values(gan.discriminator.variables))
    assert_equal(d_adam, values(gan.optimizer.d.variables))
    moved = values(gan.generator.trainable_variables)
    assert any(not np.array_equal(g[path], moved[path]) for path in moved)
    assert int(gan.step) == 2


def test_each_discriminator_update_sees_fresh_images_and_fresh_noise(small):
    gan = GAN(small("dcgan-cifar10", **{"schedule.d_steps": 3}))
    seen = []
    gan.update_discriminator = lambda real, noise: seen.append((np.asarray(real).copy(), noise)) or {}
    batch = batch_of(gan)
    gan.update(batch, schedule.D_ONLY)
    assert len(seen) == 3
    for i, (real, drawn) in enumerate(seen):
        np.testing.assert_allclose(real, batch["real"][:, i] / 127.5 - 1.0, atol=1e-6)
        np.testing.assert_array_equal(drawn["z"], batch["d_z"][:, i])
    assert not np.array_equal(seen[0][0], seen[1][0])
    assert not np.array_equal(batch["d_z"][:, 0], batch["d_z"][:, 1])


@pytest.mark.slow
def test_u_moves_once_for_each_discriminator_update_and_not_with_the_generator(small):
    gan = GAN(small("sngan-cifar10", **{"schedule.d_steps": 2}))
    calls = []
    for layer in gan.discriminator.layers:
        if hasattr(layer, "power_iteration"):
            layer.power_iteration = lambda name=layer.name: calls.append(name)
    run(backend.Engine(gan), schedule.BOTH, batch_of(gan))  # traced once
    assert len(calls) == 2 * len(set(calls))
    assert len(set(calls)) == len(spectral_layers(gan.discriminator)) == 11


def test_the_average_follows_the_generator(small):
    recipe = small("dcgan-cifar10", **{"ema.half_life_images": 1_000_000})
    gan = GAN(recipe)
    engine = backend.Engine(gan)
    for step in range(4):
        before = values(gan.ema.variables)
        run(engine, schedule.BOTH, batch_of(gan, step))
        decay = float(schedule.ema_decay(4 * step, 4, 1_000_000))
        for average, variable in zip(gan.ema.variables, gan.generator.variables, strict=True):
            expected = decay * before[average.path] + (1 - decay) * np.asarray(variable).copy()
            np.testing.assert_allclose(average, expected, rtol=1e-4, atol=1e-6)
    assert not gan.ema.trainable_variables


def test_logs_are_what_they_say(small):
    gan = GAN(small("wgan-gp-cifar10", **{"schedule.d_steps": 1}))
    logs = {name: float(value) for name, value in run(backend.Engine(gan), schedule.BOTH, batch_of(gan)).items()}
    assert logs["d_loss"] == pytest.approx(logs["d_fake"] - logs["d_real"], abs=1e-5)
    assert logs["penalty"] > 0
    assert logs.keys() == {"d_loss", "g_loss", "penalty", "d_real", "d_fake", "d_gradient", "g_gradient"}  # no accuracy
    gan = GAN(small("dcgan-cifar10"))
    logs = run(backend.Engine(gan), schedule.BOTH, batch_of(gan))
    assert logs.keys() == {
        "d_loss",
        "g_loss",
        "penalty",
        "d_real",
        "d_fake",
        "d_gradient",
        "g_gradient",
        "real_accuracy",
        "fake_accuracy",
        "r_t",
    }


def test_r_t_is_the_mean_sign_of_four_steps_and_moves_p(small):
    recipe = small("dcgan-cifar10", **{"augment.ada": True, "augment.ada_speed_images": 160})
    gan = GAN(recipe)
    engine = backend.Engine(gan)
    signs = []
    for step in range(8):
        signs.append(2 * float(run(engine, schedule.BOTH, batch_of(gan, step))["real_accuracy"]) - 1)
        if step % 4 == 3:
            assert float(gan.r_t) == pytest.approx(np.mean(signs[-4:]), abs=1e-6)
            assert float(gan.sign_sum) == 0.0
    moves = [np.sign(np.mean(signs[i : i + 4]) - 0.6) * 0.1 for i in (0, 4)]
    expected = np.clip(np.clip(moves[0], 0, 1) + moves[1], 0, 1)
    assert float(gan.ada_p) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("options", [{"ada": True, "ada_speed_images": 80}, {"diffaugment": ["color", "translation"]}])
def test_augmented_images_keep_their_labels(small, options):
    """Class 0 is dark and class 1 is bright: D learns to expect each with its own label."""
    options = {f"augment.{name}": value for name, value in options.items()}
    gan = GAN(small("dcgan-cifar10", **options, **{"model.classes": 2, "schedule.d_steps": 1}))
    gan.ada_p.assign(p := 0.2)
    engine, signs, labels = backend.Engine(gan), [], np.eye(2, dtype="float32")[[0, 1, 0, 1]]
    shades = np.array([40, 215], np.uint8)[[0, 1, 0, 1]]
    for step in range(12):
        batch = batch_of(gan, step)
        real = np.broadcast_to(shades[:, None, None, None, None], batch["real"].shape)
        batch |= {"real": real, "real_label": labels[:, None]}
        signs.append(2 * float(run(engine, schedule.BOTH, batch)["real_accuracy"]) - 1)
        if step % 4 == 3:
            assert float(gan.r_t) == pytest.approx(np.mean(signs[-4:]), abs=1e-6)
            p = np.clip(p + 0.2 * np.sign(np.mean(signs[-4:]) - 0.6), 0, 1) if gan.recipe.augment.ada else p
            assert float(gan.ada_p) == pytest.approx(p, abs=1e-6)
    plain = gan.scaled(real[:, 0])
    own, other = (
        np.asarray(gan.judge({"label": keras.ops.convert_to_tensor(given)})(plain)) for given in (labels, 1 - labels)
    )
    assert np.all(own - other > 0.1)


def test_frozen_layers_of_the_discriminator_stay(small):
    gan = GAN(small("dcgan-cifar10", **{"schedule.freeze_d": 2}))
    kernel = np.asarray(gan.discriminator.get_layer("from_image").kernel).copy()
    other = np.asarray(gan.discriminator.get_layer("logit").kernel).copy()
    run(backend.Engine(gan), schedule.BOTH, batch_of(gan))
    np.testing.assert_array_equal(gan.discriminator.get_layer("from_image").kernel, kernel)
    assert not np.array_equal(gan.discriminator.get_layer("logit").kernel, other)


def test_the_linear_decay_ends_at_zero(small):
    gan = GAN(
        small(
            "dcgan-cifar10",
            **{
                "schedule.images": 16,
                "schedule.d_steps": 2,
                "optimizer.d.learning_rate": {"from": 2e-4, "to": 0.0},
                "optimizer.g.learning_rate": {"from": 2e-4, "to": 0.0},
            },
        )
    )
    engine = backend.Engine(gan)
    rates = []
    for step in range(2):
        run(engine, schedule.BOTH, batch_of(gan, step))
        rates.append((float(gan.optimizer.d.learning_rate), float(gan.optimizer.g.learning_rate)))
    assert rates == [(pytest.approx(1e-4), pytest.approx(1e-4)), (0.0, 0.0)]


@pytest.mark.parametrize(
    ("name", "overrides"),
    [
        ("dcgan-cifar10", {"loss.name": "least-squares"}),
        ("dcgan-cifar10", {"loss.name": "relativistic"}),
        ("dcgan-cifar10", {"augment.flip": True}),
        ("dcgan-cifar10", {"augment.diffaugment": ["color", "translation", "cutout"]}),
        ("dcgan-cifar10", {"augment.ada": True}),
        ("dcgan-cifar10", {"schedule.g_steps": 2}),
        pytest.param("sngan-cifar10", {"loss.r1": 1.0, "loss.r1_every_steps": 2}, marks=pytest.mark.slow),
        pytest.param("sngan-cifar10", {"loss.gradient_penalty": 10.0}, marks=pytest.mark.slow),
        ("dcgan-cifar10", {"precision": "mixed_bfloat16"}),
        pytest.param("wgan-gp-cifar10", {"precision": "mixed_bfloat16"}, marks=pytest.mark.slow),
        pytest.param(
            "sngan-cifar10",
            {"precision": "mixed_bfloat16", "loss.gradient_penalty": 10.0, "loss.r1": 1.0},
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "stylegan-lite-cifar10", {"precision": "mixed_bfloat16", "model.style_mixing": 0.9}, marks=pytest.mark.slow
        ),
    ],
    ids=str,
)
def test_options_train_and_stay_finite(small, name, overrides, monkeypatch):
    monkeypatch.setattr(device, "precision", lambda wanted: wanted)  # emulated, where it must be
    gan = GAN(small(name, **({"schedule.d_steps": 1} | overrides)))
    engine = backend.Engine(gan)
    for step in range(3):
        logs = run(engine, schedule.BOTH, batch_of(gan, step))
    assert all(np.isfinite(float(value)) for value in logs.values())
    assert {variable.dtype for variable in gan.generator.variables + gan.ema.variables} == {"float32"}


def test_lazy_r1_enters_every_so_many_updates(small):
    gan = GAN(small("sngan-cifar10", **{"schedule.d_steps": 1, "loss.r1": 1.0, "loss.r1_every_steps": 3}))
    engine = backend.Engine(gan)
    penalties = [float(run(engine, schedule.BOTH, batch_of(gan, step))["penalty"]) for step in range(6)]
    assert penalties[0] > 0 and penalties[0] == penalties[1] == penalties[2], "the last one taken"
    assert penalties[3] not in (0, penalties[0]) and penalties[3] == penalties[4] == penalties[5]


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="train_step is TensorFlow's")
def test_keras_fit_runs_the_same_step(small):
    import tensorflow as tf

    recipe = small("dcgan-cifar10")
    ours, keras_ = GAN(recipe), GAN(recipe)
    batches = [batch_of(ours, step) for step in range(3)]
    engine = backend.Engine(ours)
    for batch in batches:
        run(engine, schedule.BOTH, batch)
    data = tf.data.Dataset.from_tensor_slices({k: np.stack([b[k] for b in batches]) for k in batches[0]})
    history = keras_.fit(data, verbose=0, shuffle=False)
    assert np.isfinite(history.history["d_loss"][0])
    for a, b in zip(ours.variables, keras_.variables, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7, err_msg=a.path)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="fit is TensorFlow's")
def test_fit_takes_images_and_save_keeps_all(small, tmp_path):
    gan = GAN(small("dcgan-cifar10"))
    images = np.random.default_rng(0).integers(0, 256, (12, 32, 32, 3), np.uint8)
    history = gan.fit(images, epochs=2, verbose=0).history
    assert len(history["d_loss"]) == 2 and np.isfinite(history["d_loss"]).all()
    assert int(gan.step) == 6  # 12 images in batches of 4, twice
    with pytest.raises(ValueError, match=r"uint8 images \[N, 32, 32, 3\].*Received: float32"):
        gan.fit(images.astype(np.float32))
    gan.save(tmp_path / "gan.keras")
    again = keras.models.load_model(tmp_path / "gan.keras")
    for a, b in zip(
        [*gan.variables, *gan.optimizer.variables], [*again.variables, *again.optimizer.variables], strict=True
    ):
        np.testing.assert_array_equal(a, b, err_msg=a.path)


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="only JAX lowers for devices that are not there")
@pytest.mark.parametrize("name", NAMES)
def test_the_step_lowers_for_accelerators(small, name, monkeypatch):
    """Every operation has a form for CUDA and TPU, convolutions compute in bfloat16, all weights are donated."""
    from jax import export

    monkeypatch.setattr(device, "precision", lambda wanted: wanted)
    augmented = {
        "dcgan-cifar10": {"augment.diffaugment": ["color", "translation", "cutout"]},
        "stylegan-lite-cifar10": {"augment.ada": True},
    }
    overrides = {"precision": "mixed_bfloat16", "schedule.d_steps": 1} | augmented.get(name, {})
    gan = GAN(small(name, **overrides))
    step = backend.Engine(gan)._compile(schedule.BOTH)
    state = [variable.value for variable in [*gan.variables, *gan.optimizer.variables]]
    for platform in ("cuda", "tpu"):
        program = export.export(step, platforms=[platform])(state, batch_of(gan)).mlir_module()
        convolutions = re.findall(r"stablehlo\.convolution.* -> tensor<(?:\d+x)+(\w+)>", program)
        assert len(convolutions) > 30
        assert set(convolutions) == {"bf16"}
        assert len(re.findall("tf.aliasing_output|jax.buffer_donor", program)) == len(state)
        assert "custom_call" not in program


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="TensorFlow's steps are over when they return")
def test_the_host_is_at_most_two_steps_ahead(small):
    gan = GAN(small("dcgan-cifar10", **{"schedule.batch_size": 32, "model.g_channels": 16, "model.d_channels": 16}))
    engine, batch, logs = backend.Engine(gan), batch_of(gan), []
    for _ in range(6):
        logs.append(engine.run(schedule.BOTH, batch))
        assert all(value.is_ready() for done in logs[:-2] for value in done.values())


def test_training_learns(small):
    """On images of one colour, the generator's mean gets there."""
    gan = GAN(
        small(
            "dcgan-cifar10",
            **{
                "schedule.batch_size": 16,
                "model.g_channels": 8,
                "optimizer.g.learning_rate": 2e-3,
                "optimizer.d.learning_rate": 2e-3,
            },
        )
    )
    engine = backend.Engine(gan)
    for step in range(100):
        batch = batch_of(gan, step)
        batch["real"] = np.full_like(batch["real"], 230)
        run(engine, schedule.BOTH, batch)
    images = np.asarray(gan.generator(batch["g_z"][:, 0], training=True))
    assert images.mean() > 0.4, images.mean()
