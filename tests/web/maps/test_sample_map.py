"""Samples around the points of their images, and images without vectors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mminstruct.encoders.kept import image_keys, vector_file
from mminstruct.encoders.vectors import VectorFile
from mminstruct.errors import RunError
from mminstruct.pipeline.run_tables import Tables
from mminstruct.pipeline.story import open_run
from mminstruct.web.maps.sample_map import image_points, sample_points

XY = np.array([[0.5, 0.5], [-0.5, 0.0], [0.0, -1.0]], np.float32)


class TestSamplePoints:
    def test_an_image_s_only_sample_is_at_its_point(self) -> None:
        points = sample_points(XY, np.array([2, 0]))
        assert np.allclose(points, [[0.0, -1.0], [0.5, 0.5]])

    def test_several_are_around_it_and_apart(self) -> None:
        points = sample_points(XY, np.array([1, 0, 1, 1]))
        around = points[[0, 2, 3]]
        assert np.allclose(around.mean(axis=0), XY[1], atol=1e-6)
        distances = [np.linalg.norm(around[one] - around[other]) for one, other in ((0, 1), (1, 2), (0, 2))]
        assert min(distances) > 0.01
        assert max(distances) < 0.1

    def test_the_same_each_time(self) -> None:
        image_of = np.array([0, 0, 1, 1, 1, 2])
        assert (sample_points(XY, image_of) == sample_points(XY, image_of)).all()

    def test_no_samples(self) -> None:
        assert sample_points(XY, np.empty(0, np.int64)).shape == (0, 2)


class TestImagePoints:
    def test_descriptions_are_computed_by_the_embedded_encoder_once(self, run: Path) -> None:
        config, folder = open_run(str(run))
        made = image_points(config, Tables(folder))
        assert len(made.image_ids) == 40
        assert made.note == ""
        kept = VectorFile(vector_file(config.embedder, run / "replies" / "embeddings"))
        assert kept.count() == 40
        kept.close()

    def test_clip_is_not_loaded_for_a_map(self, run: Path, tmp_path: Path) -> None:
        with_clip(run, tmp_path / "clip")
        config, folder = open_run(str(run))
        with pytest.raises(RunError, match=r"40 are not kept in .* run again up to the match"):
            image_points(config, Tables(folder))

    def test_images_with_kept_vectors_are_on_the_map_and_the_others_told(self, run: Path, tmp_path: Path) -> None:
        with_clip(run, tmp_path / "clip")
        config, folder = open_run(str(run))
        images = list(Tables(folder).images.rows())[:30]
        file = VectorFile(vector_file(config.match.encoder, run / "replies" / "embeddings"))  # type: ignore[arg-type]
        rows = np.random.default_rng(0).standard_normal((30, 8)).astype(np.float32)
        file.add(image_keys([image.content_hash for image in images]), rows / np.linalg.norm(rows, axis=1)[:, None])
        file.close()
        made = image_points(config, Tables(folder))
        assert made.image_ids == [image.image_id for image in images]
        assert made.xy.shape == (30, 2)
        assert "Of 40 vectors 10 are not kept" in made.note


def with_clip(run: Path, model: Path) -> None:
    """Have the run's config say that it was matched by CLIP; who loaded this model would fail."""
    model.mkdir()
    (model / "config.json").write_text("{}")
    with (run / "config.yaml").open("a") as file:
        file.write(f"match: {{encoder: {{kind: clip, model: {model}}}}}\n")
