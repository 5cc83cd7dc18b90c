"""Signals of a GAN in training, measured on a small fixed probe: the same latents and the same images every time."""

from __future__ import annotations

import zlib

import numpy as np

from zoo import backend, data, networks
from zoo.networks.parts import inputs
from zoo.networks.parts.lazy import keras, ops
from zoo.step import augment
from zoo.step.gan import GAN
from zoo.watch import looks

SAMPLES = 256  # fixed latents, to look at
JUDGED = 128  # of each kind, shown to D
DIFFERENTIATED = 32  # of each kind, for gradients with respect to images
AT_ONCE = 64  # pixels: larger images go through the networks in parts, as many pixels at once as all of this size have
REAL_IMAGES = 2_000  # to compare samples with
LARGE_REAL_IMAGES = 500  # the same of images larger than AT_ONCE
HELDOUT_IMAGES = 50  # fewer tell nothing of what D learned by heart


class Probe:
    """Measures without changing anything: both networks are applied as in training, in a scope that is thrown away."""

    def __init__(self, gan: GAN, store: data.Store) -> None:
        rng = np.random.default_rng([gan.recipe.seed, 7])
        self.gan = gan
        self.parts = max(1, gan.recipe.data.resolution // AT_ONCE) ** 2
        latents = inputs.draw_training(gan.generator, (SAMPLES,), rng)
        self.store, self.shown = store, _exactly(store.images, JUDGED, rng)
        real, labels = store.images[self.shown], self._labels(store.labels, self.shown)
        self.has_heldout = len(store.heldout) >= HELDOUT_IMAGES
        heldout, heldout_labels = real, labels
        if self.has_heldout:
            others = _exactly(store.heldout, JUDGED, rng)
            heldout, heldout_labels = store.heldout[others], self._labels(store.heldout_labels, others)
        uniforms = rng.random((JUDGED, 2, augment.uniform_count(gan.recipe.augment.used)), np.float32)
        epsilon = rng.random((DIFFERENTIATED, 1, 1, 1), np.float32)
        if labels:  # those of the images that D is shown, and then the same again, with more of the rare classes
            asked = looks.with_rare_classes(np.resize(store.labels[self.shown], SAMPLES), JUDGED, store.labels)
            latents |= self._labels(asked, slice(None))
        self.inputs = latents, np.asarray(real), np.asarray(heldout), heldout_labels, uniforms, epsilon
        self.compute = backend.compiled(self._compute, gan.variables)
        self.real_images = REAL_IMAGES if self.parts == 1 else LARGE_REAL_IMAGES
        some = _some(store.images, self.real_images, rng)
        self.many = np.asarray(store.images[some])
        self.first = self._first_look(store, rng)
        self.reference = looks.Reference(_scaled(self.many))
        self.classes = self._classes(asked, some) if labels else None
        self.before = None  # step, weights, their last movement and samples at the measurement before

    def _labels(self, labels: np.ndarray | None, which: np.ndarray) -> dict[str, np.ndarray]:
        """What the networks take for these images beside them; nothing without classes."""
        classes = self.gan.recipe.model.classes
        return {"label": inputs.one_hot(labels[which], classes)} if classes else {}

    def _classes(self, asked: np.ndarray, some: np.ndarray) -> looks.Classes:
        """The classes that are drawn, by `some` real images and a few more of those that are rare among these."""
        images, labels = self.store.images, self.store.labels
        which = [some]
        for label in np.unique(asked):
            missing = max(looks.LEAST_REAL - np.sum(labels[some] == label), 0)
            which.append(np.setdiff1d(np.flatnonzero(labels == label), some)[:missing])
        which = np.concatenate(which)
        return looks.Classes(_scaled(np.asarray(images[which])), labels[which])

    def measure(self, step: int) -> dict[str, float]:
        """Signals after `step` steps, float by name. Of D, on JUDGED images of each kind, augmented as in training:

            probe_real, probe_fake, probe_heldout     mean logits
            probe_spread      standard deviation of the logits of real and fake images together
            separation        P(D(real) > D(fake)): 1/2 at chance, 1 when D tells all apart, below 1/2 when reversed
            memorised         P(D(train) > D(held-out)): 1/2 without overfitting
            r_v               Karras 2020, arXiv:2006.06676: 0 without overfitting, 1 when held-out images count as fake
            slope             mean norm of D's gradient between real and fake
            image_gradient    mean norm of the gradient of G's loss that reaches a sample, times the batch
            real_low, real_high   extremes of the real images that D is shown, before augmentation

        of the weights, where [d, g]_ stands for either network:

            [d, g]_update     relative change of the weights in a step, since the measurement before
            [d, g]_direction  cosine of that change and the one before
            [d, g]_weights    root mean square of all kernels
            ema_update        relative change of the average of G's weights in a step
            statistics_update the same of what G keeps beside its weights: the moving statistics of normalisation

        and of SAMPLES samples: `movement`, their mean distance to the same latents' samples at the measurement before
        over that of real pairs, and what `looks.Reference.compare` and, with classes, `looks.Classes.compare` name.

        `data_digest` is a checksum, six digits, of JUDGED training images as they are on the disk at this moment.

        No rule reads probe_heldout, ndb and class_median, nor r_t, kid_raw and recall of the log: they are for people.
        """
        with np.errstate(all="ignore"):
            seen = self._seen()
            signals = self._judgement(seen) | self.reference.compare(seen["samples"])
            if self.classes:
                signals |= self.classes.compare(seen["samples"], self.inputs[0]["label"].argmax(axis=-1))
            signals |= self._weights(step, seen["samples"]) | {"data_digest": self._digest()}
        return _floats(signals | (self.first if step == 0 else {}))

    def _seen(self) -> dict[str, np.ndarray]:
        """What the networks compute, float64 by name, in parts that keep a label beside its image."""
        parts = [
            keras.tree.map_structure(lambda rows, i=i: rows[i :: self.parts], self.inputs) for i in range(self.parts)
        ]
        seen = [self.compute(*part) for part in parts]
        together = {name: np.stack([np.asarray(part[name], np.float64) for part in seen], axis=1) for name in seen[0]}
        return {name: rows.reshape(-1, *rows.shape[2:]) for name, rows in together.items()}

    def _compute(self, latents: dict, real, heldout, heldout_labels: dict, uniforms, epsilon) -> dict:
        """All that is computed by the networks, compiled as one function; real images and samples share labels."""
        gan, judged, differentiated = self.gan, real.shape[0], epsilon.shape[0]
        few = slice(differentiated)
        labels = {name: latents[name][:judged] for name in heldout_labels}
        judge, judge_few = gan.judge(labels), gan.judge({name: value[few] for name, value in labels.items()})
        samples = networks.generate(gan.generator, latents, training=True)
        plain = gan.scaled(real)
        real, fake = gan.augmented(plain, samples[:judged], uniforms)
        heldout, _ = gan.augmented(gan.scaled(heldout), samples[:judged], uniforms)

        logits = {"real": judge(real), "fake": judge(fake), "heldout": gan.judge(heldout_labels)(heldout)}

        def objectives(images):
            """Both in one, and after all else: JAX forbids to read statistics that a differentiated function moved."""
            between, generated = images[few], images[differentiated:]
            shown, fake = gan.augmented(real[few], generated, uniforms[few])
            return ops.sum(ops.mean(judge_few(between), axis=1)) + differentiated * gan.loss.g(
                judge_few(shown) if gan.loss.g_sees_real else None, judge_few(fake)
            )

        between = epsilon * real[few] + (1.0 - epsilon) * fake[few]
        gradients = backend.input_gradient(objectives, ops.concatenate([between, samples[few]]))
        return logits | {
            "samples": ops.cast(samples, "float32"),
            "slopes": gradients[few],
            "image_gradients": gradients[differentiated:],
            "real_range": ops.stack([ops.min(plain), ops.max(plain)]),
        }

    def _judgement(self, seen: dict) -> dict[str, float]:
        kinds = ("real", "fake", "heldout") if self.has_heldout else ("real", "fake")
        logits = {kind: seen[kind].mean(axis=1) for kind in kinds}
        means = {kind: values.mean() for kind, values in logits.items()}
        signals = {f"probe_{kind}": mean for kind, mean in means.items()}
        signals["probe_spread"] = np.concatenate([logits["real"], logits["fake"]]).std()
        signals["separation"] = above(logits["real"], logits["fake"])
        if self.has_heldout:
            signals["memorised"] = above(logits["real"], logits["heldout"])
            gap = means["real"] - means["fake"]
            signals |= {"r_v": (means["real"] - means["heldout"]) / gap} if abs(gap) > 1e-6 else {}
        signals["slope"] = _norms(seen["slopes"]).mean()
        signals["image_gradient"] = _norms(seen["image_gradients"]).mean()
        low, high = seen["real_range"].min(), seen["real_range"].max()
        return signals | {"real_low": low, "real_high": high}

    def _weights(self, step: int, fake: np.ndarray) -> dict:
        """How large the weights are, how they moved, and how far the samples moved."""
        kernels = {
            player: [np.asarray(v, np.float32) for v in network.trainable_variables if len(v.shape) > 1]
            for player, network in (("d", self.gan.discriminator), ("g", self.gan.generator))
        }
        flat = {player: np.concatenate([kernel.ravel() for kernel in arrays]) for player, arrays in kernels.items()}
        others = {
            "ema": [v for v in self.gan.ema.variables if len(v.shape) > 1],
            "statistics": [v for v in self.gan.generator.non_trainable_variables if "float" in v.dtype],
        }
        still = {name: np.concatenate([np.ravel(v) for v in values]) for name, values in others.items() if values}
        signals, moves = {}, {}
        for player, values in flat.items():
            signals[f"{player}_weights"] = np.sqrt(np.mean(values**2))
        if self.before and step > self.before["step"]:
            for player, values in flat.items():
                moves[player] = move = values - self.before["weights"][player]
                length = np.linalg.norm(move)
                signals[f"{player}_update"] = length / max(np.linalg.norm(values), 1e-12) / (step - self.before["step"])
                old = self.before["moves"].get(player)
                if old is not None and length * np.linalg.norm(old) > 0:
                    signals[f"{player}_direction"] = move @ old / (length * np.linalg.norm(old))
            for name, values in still.items():
                signals[f"{name}_update"] = _relative(values, self.before["still"][name]) / (step - self.before["step"])
            moved = np.linalg.norm(looks.cells(fake) - looks.cells(self.before["fake"]), axis=1).mean()
            signals["movement"] = moved / max(self.reference.distance, 1e-6)
        self.before = {"step": step, "weights": flat, "moves": moves, "fake": fake, "still": still}
        return signals

    def _digest(self) -> int:
        return zlib.crc32(np.ascontiguousarray(self.store.images[self.shown])) % 10**6

    def _first_look(self, store: data.Store, rng: np.random.Generator) -> dict[str, float]:
        """Of the data, logged once:

        data_images      how many there are to train on
        data_distance    mean distance of pairs, in pixel units of the range [-1, 1]
        data_shift       ndb of the training images against the held-out ones: other classes, another range
        """
        images = _scaled(self.many)
        features = looks.cells(images)
        signals = {
            "data_images": len(store.images),
            "data_distance": looks.pair_distance(features[:256]) / np.sqrt(features.shape[1]),
        }
        if self.has_heldout:
            heldout = _scaled(np.asarray(store.heldout[_some(store.heldout, self.real_images, rng)]))
            signals["data_shift"] = looks.Reference(heldout).compare(images[:SAMPLES])["ndb"]
        return signals


def above(a: np.ndarray, b: np.ndarray) -> float:
    """P(a > b) + P(a = b) / 2 for a random value of each: the area under the ROC curve."""
    difference = a[:, None] - b
    return float(np.mean((difference > 0) + 0.5 * (difference == 0)))


def _relative(values: np.ndarray, before: np.ndarray) -> float:
    """How far `values` moved, over their length."""
    return float(np.linalg.norm(values - before) / max(np.linalg.norm(before), 1e-12))


def _floats(signals: dict) -> dict[str, float]:
    """With six digits, for the log."""
    return {name: float(f"{value:.6g}") for name, value in signals.items()}


def _norms(gradients: np.ndarray) -> np.ndarray:
    return np.sqrt((gradients.astype(np.float64) ** 2).sum(axis=(1, 2, 3)))


def _some(images: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Which `count` different images, or all if there are fewer."""
    return rng.permutation(len(images))[:count]


def _exactly(images: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Which `count` images, the same ones again where there are fewer."""
    return np.resize(rng.permutation(len(images)), count)


def _scaled(images: np.ndarray) -> np.ndarray:
    return images.astype(np.float32) / 127.5 - 1.0
