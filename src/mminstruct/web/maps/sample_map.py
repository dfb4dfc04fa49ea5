"""The map of a run's samples: each is where its image is, and images are near each other that the match found alike.

    01_images ─► the vectors that the match compared ─► a point an image
    samples and rejected answers ─► the point of their image; several of one image side by side around it

Positions belong to images, which are there early in a run and stay; so the answers that come and go move nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mminstruct.config.run import RunConfig
from mminstruct.errors import RunError
from mminstruct.pipeline.run_tables import Tables
from mminstruct.web.maps.project import Points, Told, project
from mminstruct.web.maps.vectors import content_of_match, image_vectors

_GOLDEN_ANGLE = 2.399963  # radians: no two of many directions that far apart fall together
_RING = 0.02  # radius at most, of a map that is 2 wide


@dataclass(frozen=True)
class ImagePoints:
    """A point an image; the columns are equally long."""

    image_ids: list[str]
    xy: Points
    note: str = ""  # which images have none, and why


def image_points(config: RunConfig, tables: Tables, told: Told | None = None) -> ImagePoints:
    """Return the points of a run's images.

    Raises RunError where no vectors are kept and none may be computed, MissingExtraError without scikit-learn.
    """
    told = told or (lambda share: None)
    content_of = content_of_match(config)
    images = [(image.image_id, content_of(image)) for image in tables.captioned.rows()]
    found = image_vectors(config, [content for _, content in images], lambda share: told(0.6 * share))
    if images and not len(found.positions):
        raise RunError(found.why)
    xy = project(found.vectors, config.seed, lambda share: told(0.6 + 0.4 * share))
    return ImagePoints([images[position][0] for position in found.positions.tolist()], xy, found.why)


def sample_points(xy: Points, image_of: npt.NDArray[np.int64]) -> Points:
    """Return a point for each sample, `(n, 2)`: its image's, or of several of one image, on a small ring around it.

    `xy` are the images' points, `image_of` `(n,)` each sample's image as its number there. The same for the same
    samples in the same order.
    """
    if not len(image_of):
        return np.empty((0, 2), np.float32)
    counts = np.bincount(image_of, minlength=len(xy))
    order = np.argsort(image_of, kind="stable")
    ranks = np.empty(len(image_of), np.int64)
    ranks[order] = np.arange(len(image_of)) - np.repeat(np.cumsum(counts) - counts, counts)
    n_own = counts[image_of]
    angles = _GOLDEN_ANGLE * image_of + 2 * np.pi * ranks / n_own
    radius = np.where(n_own > 1, min(_RING, 0.5 / np.sqrt(len(xy))), 0)
    offsets = np.stack([np.cos(angles), np.sin(angles)], axis=1) * radius[:, None]
    points: Points = (xy[image_of] + offsets).astype(np.float32)
    return points
