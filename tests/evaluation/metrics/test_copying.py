"""C_T: near 0 without copies, far below with them, above for what is unlike the data."""

import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from zoo.evaluation.metrics.copying import copying, mann_whitney

CENTRES = 8 * np.random.default_rng(9).standard_normal((4, 8))


def images(count, seed):
    rng = np.random.default_rng(seed)
    return CENTRES[rng.integers(0, 4, count)] + rng.standard_normal((count, 8))


TRAIN, HELDOUT = images(2000, 0), images(400, 1)


def test_new_images_lie_where_held_out_ones_do():
    values = np.array(
        [copying(images(800, 10 + i), images(200, 30 + i), images(400, 50 + i), 4)[:2] for i in range(20)]
    )
    z, c_t = values.T
    assert abs(z.mean()) < 3 / np.sqrt(20)
    assert 0.6 < z.std() < 1.5, "a standard deviation"
    assert abs(c_t).max() < 3 / np.sqrt(4) + 0.5


def test_copies_lie_too_near():
    fake = images(1000, 2)
    fake[:300] = TRAIN[:300] + 0.01
    result = copying(TRAIN, HELDOUT, fake, 4)
    assert result.z < -3
    assert result.c_t < -3 / np.sqrt(4)
    np.testing.assert_array_equal(result.nearest[:300], np.arange(300))
    np.testing.assert_allclose(result.distances[:300], 0.01 * np.sqrt(8), rtol=1e-6)


def test_copies_of_one_part_show_in_its_cell():
    fake = images(1000, 2)
    near = np.argmin(np.linalg.norm(fake[:, None] - CENTRES, axis=-1), axis=1) == 2
    of_train = np.argmin(np.linalg.norm(TRAIN[:, None] - CENTRES, axis=-1), axis=1) == 2
    fake[near] = TRAIN[of_train][: near.sum()]
    result = copying(TRAIN, HELDOUT, fake, 4)
    scores = np.sort(result.cell_z)
    assert scores[0] < -10
    assert abs(scores[1:]).max() < 3.5


def test_images_unlike_the_data_lie_too_far():
    result = copying(TRAIN, HELDOUT, images(500, 2) + 3 * np.random.default_rng(0).standard_normal((500, 8)), 4)
    assert result.z > 3
    assert result.c_t > 3


def test_cells_without_images_do_not_count():
    result = copying(TRAIN, HELDOUT, CENTRES[0] + np.random.default_rng(0).standard_normal((200, 8)), 4)
    assert np.isnan(result.cell_z).sum() == 3
    assert result.c_t == np.nanmean(result.cell_z)
    assert result.cell_shares.sum() == pytest.approx(1)


def test_the_statistic_is_mann_and_whitneys():
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 50, 60), rng.integers(5, 60, 80)
    u = mannwhitneyu(a, b).statistic
    assert mann_whitney(a, b) == pytest.approx((u - 2400) / np.sqrt(60 * 80 * 141 / 12))
    assert mann_whitney(a, b) == -mann_whitney(b, a)


def test_too_few_images_are_refused_or_warned_of():
    with pytest.raises(ValueError, match=r"heldout: at least 20 rows are needed. Received: 19"):
        copying(TRAIN, HELDOUT[:19], TRAIN)
    with pytest.warns(UserWarning, match=r"50 held-out images in 5 cells are too few .* at least 100"):
        copying(TRAIN, HELDOUT[:50], TRAIN[:300])
    scattered = np.random.default_rng(0).permutation(TRAIN)
    with pytest.raises(ValueError, match=r"no cell has .* Received: 400 held-out and 21 generated images in 10"):
        copying(TRAIN, HELDOUT, scattered[:21], 10)
