import math

import keras
import numpy as np
import pytest

from zoo import recipe as recipes
from zoo.recipe import Adam, Ramp, Schedule
from zoo.step import noise, optimizers, schedule
from zoo.step.gan import GAN


def test_both_move_in_each_step_by_default():
    assert {schedule.players(Schedule(images=1000, batch_size=4), step, 10, r_t=1.0) for step in range(20)} == {
        ("d", "g")
    }


def test_long_periods_in_steps_and_in_epochs():
    plan = Schedule(images=1000, batch_size=4, d_period=3, g_period=2)
    assert [schedule.players(plan, step, 10)[0] for step in range(10)] == list("dddggdddgg")
    plan = Schedule(images=1000, batch_size=4, d_period=1, g_period=2, period_unit="epochs")
    assert [schedule.players(plan, step, 2)[0] for step in range(12)] == list("ddggggddgggg")


def test_the_leader_waits_above_the_bound_alone():
    plan = Schedule(images=1000, batch_size=4, wait_above=0.8)
    assert schedule.players(plan, 0, 10, r_t=0.9) == ("g",)
    assert schedule.players(plan, 0, 10, r_t=0.8) == ("d", "g")


def test_ema_halves_in_its_half_life():
    decay = float(schedule.ema_decay(10_000_000, 100, 1000))
    assert decay**10 == pytest.approx(0.5, rel=1e-5)
    assert float(schedule.ema_decay(0, 100, 1000)) == 0.0  # a young average is the weights
    assert float(schedule.ema_decay(10_000, 100, 1_000_000)) == pytest.approx(0.5 ** (100 / 500), rel=1e-5)


def test_a_lazy_penalty_is_as_strong_on_average():
    values = [float(schedule.lazily(lambda: np.float32(3.0), 4, np.int32(count))) for count in range(8)]
    assert values == [12.0, 0, 0, 0, 12.0, 0, 0, 0]
    assert schedule.lazily(lambda: 3.0, 1, 5) == 3.0


def test_steps_of_a_run():
    assert Schedule(images=1000, batch_size=10, d_steps=5).steps == 20


def test_a_ramp_goes_from_one_value_to_the_other_and_stays():
    plan = Schedule(images=1000, batch_size=10)
    line = Ramp(start=2.0, to=1.0, images=400)
    assert [float(schedule.value(line, images, plan)) for images in (0, 100, 400, 900)] == [2.0, 1.75, 1.0, 1.0]
    wave = Ramp(start=2.0, to=1.0, images=400, shape="cosine")
    expected = [2.0, 1.0 + (0.5 + 0.5 * math.cos(math.pi / 4)), 1.5, 1.0]
    assert [float(schedule.value(wave, images, plan)) for images in (0, 100, 200, 400)] == pytest.approx(expected)
    assert float(schedule.value(Ramp(start=0.0, to=1.0), 250, plan)) == 0.25  # of the whole run
    assert schedule.value(0.3, 250, plan) == 0.3


def test_beta_2_and_the_rate_follow_their_ramps():
    plan = Schedule(images=100, batch_size=10)
    adam = optimizers.Adam(
        Adam(learning_rate=Ramp(start=0.2, to=0.0), beta_1=0.0, beta_2=Ramp(start=0.9, to=0.99)), plan, 10, "adam"
    )
    variable = keras.Variable(np.ones(2, "float32"))
    adam.build([variable])
    for step in range(5):
        assert float(adam.beta_2) == pytest.approx(0.9 + 0.09 * step / 10, abs=1e-6)
        assert float(adam.learning_rate) == pytest.approx(0.2 * (1 - step / 10), abs=1e-6)
        adam.apply([keras.ops.ones(2)], [variable])


@pytest.mark.slow
def test_three_clocks_count_the_images_of_a_ramp(small):
    """Those of a network's own updates, of D's updates, and of all steps, as docs/training.md has them."""
    ramp = {"from": 0.0, "to": 0.9, "images": 90}
    ramps = dict.fromkeys(("optimizer.d.beta_2", "optimizer.g.beta_2", "augment.ada_p"), ramp)
    steps = {"schedule.d_steps": 2, "schedule.g_steps": 2}
    gan = GAN(small("sngan-cifar10", **ramps, **steps, **{"augment.diffaugment": []}))
    real = np.zeros((4, 2, 32, 32, 3), np.uint8)
    for step, players in enumerate((schedule.G_ONLY, schedule.BOTH, schedule.D_ONLY, schedule.D_ONLY)):
        gan.update({"real": real, **noise.batch(gan.recipe, gan.generator, step)}, players)
    assert float(gan.optimizer.d.beta_2) == pytest.approx(0.01 * 3 * 8)
    assert float(gan.optimizer.g.beta_2) == pytest.approx(0.01 * 2 * 8)
    assert float(gan.ada_p) == pytest.approx(0.01 * 3 * 8)  # as the last step began


def test_a_penalty_has_the_clock_of_the_discriminator(small):
    ramp = {"from": 0.0, "to": 1.0, "images": 1}
    gan = GAN(small("sngan-cifar10", **{"loss.r1": ramp, "schedule.d_steps": 1}))
    real = np.random.default_rng(0).integers(0, 256, (4, 1, 32, 32, 3), np.uint8)
    penalties = []
    for step, players in enumerate((schedule.G_ONLY, schedule.BOTH, schedule.BOTH)):
        logs = gan.update({"real": real, **noise.batch(gan.recipe, gan.generator, step)}, players)
        penalties += [float(logs["penalty"])] if "d" in players else []
    assert penalties[0] == 0.0 < penalties[1]


def test_both_networks_of_every_shipped_recipe_move_in_every_step():
    for name in recipes.names():
        plan = recipes.load(name).schedule
        assert (plan.d_period, plan.g_period, plan.wait_above) == (0, 0, 0.0), name
