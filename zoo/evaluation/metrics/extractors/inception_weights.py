"""FID's weights: a file on the Hub, pinned by its digest, and its batch normalisation folded into the convolutions."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
from pathlib import Path

import numpy as np
from safetensors.numpy import load as parse_safetensors

from zoo.checkpoints import guard, huggingface
from zoo.files.errors import ZooError

logger = logging.getLogger("ganzoo")

REPOSITORY = "nikhilr01/sen-bridge-weights"  # pytorch-fid's conversion of inception-2015-12-05; Apache-2.0
FILE = "fid_inception.safetensors"
SHA256 = "b7a528bf4051f62c057bc14657865abf180a23eb1748d00ff0933d84698202ed"
MOST_BYTES = 200_000_000  # of the download; the file has half of that
VARIABLE = "GANZOO_INCEPTION"  # the environment variable that names a copy of the file
NORM_EPSILON = 1e-3
CONVOLUTION = ("conv.weight", "bn.weight", "bn.bias", "bn.running_mean", "bn.running_var")


def read() -> dict[str, np.ndarray]:
    """The tensors of the file: {"Mixed_5b.branch1x1.conv.weight": array, ...}.

    It is the copy that GANZOO_INCEPTION names, or the one in the Hub's cache, or downloaded.

    Raises:
        ZooError: it cannot be had, or is another file.
    """
    own = os.environ.get(VARIABLE)
    file = Path(own) if own else fetch()
    try:
        content = file.read_bytes()
    except OSError as error:
        raise ZooError(
            f"{FILE} cannot be read ({error.strerror}); {VARIABLE} may name a copy of it. Received: {str(file)!r}"
        ) from None
    if not own and digest(content) != SHA256:
        content = fetch(again=True).read_bytes()
    if digest(content) != SHA256:
        raise ZooError(
            f"this is not the {FILE} that this package was written for, whose SHA-256 is {SHA256}: scores "
            f"from it would be no FID. Received: {own or REPOSITORY!r} with {digest(content)}"
        )
    return parse_safetensors(content)


def fetch(again: bool = False) -> Path:
    """The file in the Hub's cache, downloaded if it is not there, or `again`; ValueError when it cannot be had."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url
    from huggingface_hub.errors import LocalEntryNotFoundError

    if not again:
        with contextlib.suppress(LocalEntryNotFoundError):
            return Path(hf_hub_download(REPOSITORY, FILE, local_files_only=True))
    try:
        with huggingface.explained(huggingface.Address(REPOSITORY)), guard.guarded(receive=MOST_BYTES):
            told = get_hf_file_metadata(hf_hub_url(REPOSITORY, FILE))  # offline, the download would try for 24 seconds
            logger.info(f"fetching {FILE} from the Hub, {(told.size or 0) / 1e6:,.1f} MB")
            return Path(hf_hub_download(REPOSITORY, FILE, force_download=again, **huggingface.CLIENT))
    except ValueError as error:
        raise ZooError(
            f"the extractor inception needs {FILE} from the Hub. Take efficientnet-lite0, which ships, or "
            f"fetch the file elsewhere and set {VARIABLE} to its path: {error}"
        ) from None


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def folded(arrays: dict[str, np.ndarray], names: list[str]) -> dict[str, np.ndarray]:
    """{"Mixed_5b.branch1x1/kernel": ..., "Mixed_5b.branch1x1/bias": ..., "fc/kernel": ...} for convolutions `names`.

    Args:
        arrays: the state dict of pytorch-fid's or torch-fidelity's network.

    Raises:
        ZooError: names are missing or unexpected.
    """
    expected = {"fc.weight", "fc.bias"} | {f"{name}.{part}" for name in names for part in CONVOLUTION}
    given = {name for name in arrays if not name.endswith(".num_batches_tracked")}
    lines = [f"missing {name}" for name in sorted(expected - given)]
    lines += [f"unexpected {name}" for name in sorted(given - expected)]
    if lines:
        raise ZooError(
            f"the tensors are not named as in pytorch-fid: {'; '.join(lines[:8])}. "
            f"Received: {len(given)} tensors, {len(lines)} of them wrong or missing"
        )
    variables = {"fc/kernel": arrays["fc.weight"].T}
    for name in names:
        kernel, gamma, beta, mean, variance = (arrays[f"{name}.{part}"].astype(np.float64) for part in CONVOLUTION)
        scale = gamma / np.sqrt(variance + NORM_EPSILON)
        variables |= {f"{name}/kernel": kernel.transpose(2, 3, 1, 0) * scale, f"{name}/bias": beta - mean * scale}
    return variables
