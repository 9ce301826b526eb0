"""FID: the Fréchet distance in the features of the Inception network that papers quote, as an extra figure of the row of quality.

It decides nothing: the network learnt from photographs. It needs `pip install torchmetrics[image]`, whose library downloads the weights,
and the world's data set.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from engines import CheckpointError
from playground.figures import Figure
from playground.judges import test_halves
from playground.measure.bench import Bench

AT_ONCE = 50  # pictures


def load() -> Any:
    """The metric with its network. Raises CheckpointError where the library or its weights cannot be had."""
    try:
        from torchmetrics.image.fid import FrechetInceptionDistance

        return FrechetInceptionDistance(reset_real_features=False)
    except (ModuleNotFoundError, OSError, RuntimeError) as error:  # no library, no network, or not the weights that it knows
        raise CheckpointError(f"FID needs torchmetrics[image] and the weights that it downloads: {error}") from error


def fid_figure(bench: Bench, images: np.ndarray, fid: Any) -> dict[str, Figure]:
    """FID (Heusel et al. 2017, arXiv:1706.08500) of pictures, uint8 (N, H, W, C), to as many unseen real ones.

    fid: what `load` gave, None for no figure.
    """
    if fid is None:
        return {}
    if not fid.real_features_num_samples:
        real = bench.world.load_images(split="test")[0]
        look(fid, real[test_halves(len(real))[0][: len(images)]], real=True)
    fid.reset()  # real pictures stay
    look(fid, images, real=False)
    method = f"FID, Inception features (torchmetrics), to {int(fid.real_features_num_samples):,} unseen real pictures"
    return {"fid_inception": bench.figure(fid.compute().item(), "", n=len(images), method=method)}


def look(fid: Any, images: np.ndarray, *, real: bool) -> None:
    """Let the network see pictures, some at once."""
    for start in range(0, len(images), AT_ONCE):
        fid.update(as_rgb(images[start : start + AT_ONCE]), real=real)


def as_rgb(images: np.ndarray) -> torch.Tensor:
    """Pictures, uint8 (N, H, W, 1 or 3), as uint8 (N, 3, H, W)."""
    return torch.from_numpy(images).permute(0, 3, 1, 2).expand(-1, 3, -1, -1)
