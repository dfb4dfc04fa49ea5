import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from mminstruct.config.encoders import ClipEncoder, EmbeddedTextEncoder
from mminstruct.encoders.image_text import ImageTextEncoder
from mminstruct.encoders.kept import fingerprint, image_keys, keep_images, keep_texts, text_keys
from mminstruct.encoders.protocols import Embeddings
from mminstruct.encoders.text import load_text_encoder
from mminstruct.encoders.vectors import VectorFile
from mminstruct.errors import RunError
from mminstruct.imaging import image_hash
from support.tiny_clip import save_tiny_clip

TEXTS = ["plan a trip", "", "write a poem", "plan a trip", "ünïcödé 🐈", "a lone \ud800 surrogate"]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture
def images(tmp_path: Path) -> list[str]:
    numbers = np.random.default_rng(0)
    paths = [str(tmp_path / f"{i}.jpg") for i in range(7)]
    for path in paths:
        PIL.Image.fromarray(numbers.integers(0, 256, (60, 80, 3), np.uint8)).save(path)
    return paths


def hashes(paths: list[str]) -> list[str]:
    return [image_hash(Path(path).read_bytes()) for path in paths]


class Counted:
    """The encoder of a checkpoint, with a list of what it was really asked."""

    def __init__(self, folder: Path) -> None:
        self.config = ClipEncoder(model=str(folder), batch_size=2, device="cpu")
        self.inner = ImageTextEncoder(self.config)
        self.name = self.inner.name
        self.asked: list[str] = []

    def encode_texts(self, texts: Sequence[str]) -> Embeddings:
        self.asked += texts
        return self.inner.encode_texts([text.encode("utf-8", "replace").decode() for text in texts])

    def encode_image_batches(self, paths: Sequence[str], content_hashes: Sequence[str]) -> Iterator[Embeddings]:
        for path, batch in zip(paths[::2], self.inner.encode_image_batches(paths, content_hashes), strict=True):
            self.asked.append(path)
            yield batch


class TestTexts:
    def test_are_the_same_as_without_and_asked_once(self, clip: Path, tmp_path: Path) -> None:
        plain, counted = Counted(clip), Counted(clip)
        for _ in range(2):
            kept = keep_texts(counted, EmbeddedTextEncoder(), tmp_path)
            found = kept.encode_texts(TEXTS)
            assert found.dtype == np.float32
            np.testing.assert_allclose(found, plain.encode_texts(TEXTS), atol=1e-6)
            assert kept.encode_texts(TEXTS).tobytes() == found.tobytes()
            kept.close()
        assert sorted(counted.asked) == sorted(set(TEXTS))

    def test_only_what_is_missing_is_asked(self, clip: Path, tmp_path: Path) -> None:
        counted = Counted(clip)
        kept = keep_texts(counted, EmbeddedTextEncoder(), tmp_path)
        kept.encode_texts(["a", "b"])
        counted.asked.clear()
        assert kept.encode_texts(["c", "b", "d", "a"]).shape == (4, 24)
        assert counted.asked == ["c", "d"]
        assert kept.encode_texts([]).shape == (0, 24)
        assert kept.name == counted.name

    def test_the_embedded_encoder(self, tmp_path: Path) -> None:
        encoder = load_text_encoder(EmbeddedTextEncoder())
        kept = keep_texts(encoder, EmbeddedTextEncoder(), tmp_path)
        assert np.array_equal(kept.encode_texts(["a dog", "two cats"]), encoder.encode_texts(["a dog", "two cats"]))
        assert [path.name[:17] for path in tmp_path.glob("*.sqlite")] == ["all-minilm-l6-v2-"]

    def test_what_came_before_an_error_is_kept(self, clip: Path, tmp_path: Path) -> None:
        class Failing(Counted):
            def encode_texts(self, texts: Sequence[str]) -> Embeddings:
                if "bad" in texts:
                    raise RuntimeError("out of memory")
                return super().encode_texts(texts)

        kept = keep_texts(Failing(clip), EmbeddedTextEncoder(), tmp_path)
        with pytest.raises(RuntimeError, match="out of memory"):
            kept.encode_texts([*map(str, range(600)), "bad"])
        (path,) = tmp_path.glob("*.sqlite")
        assert VectorFile(path).count() == 512


class TestImages:
    def test_are_the_same_as_without_and_asked_once(self, clip: Path, images: list[str], tmp_path: Path) -> None:
        counted = Counted(clip)
        kept = keep_images(counted, counted.config, tmp_path / "kept")
        found = kept.encode_images(images, hashes(images))
        assert np.array_equal(found, counted.inner.encode_images(images))
        n_asked = len(counted.asked)
        again = keep_images(counted, counted.config, tmp_path / "kept").encode_images(
            images[::-1], hashes(images)[::-1]
        )
        assert again.tobytes() == found[::-1].tobytes()
        assert len(counted.asked) == n_asked
        assert np.array_equal(kept.encode_texts(["a"]), counted.inner.encode_texts(["a"]))

    def test_a_kept_image_is_not_opened(self, clip: Path, images: list[str], tmp_path: Path) -> None:
        counted = Counted(clip)
        kept = keep_images(counted, counted.config, tmp_path / "kept")
        known = hashes(images)
        found = kept.encode_images(images, known)
        for path in images:
            Path(path).unlink()
        assert np.array_equal(kept.encode_images(images, known), found)

    def test_another_content_is_another_vector(self, clip: Path, images: list[str], tmp_path: Path) -> None:
        counted = Counted(clip)
        kept = keep_images(counted, counted.config, tmp_path / "kept")
        known = hashes(images)
        found = kept.encode_images(images, known)
        shutil.copy(images[1], images[0])
        assert np.array_equal(kept.encode_images(images[:1], hashes(images[:1])), found[1:2])
        fresh = keep_images(counted, counted.config, tmp_path / "fresh")
        with pytest.raises(RunError, match=r"0\.jpg can no longer be read: found other bytes"):
            fresh.encode_images(images, known)

    def test_an_image_is_no_text(self, clip: Path, images: list[str], tmp_path: Path) -> None:
        counted = Counted(clip)
        kept = keep_images(counted, counted.config, tmp_path / "kept")
        found = kept.encode_images(images[:1], hashes(images[:1]))
        assert not np.allclose(kept.encode_texts(hashes(images[:1])), found)


class TestAnotherModel:
    def test_has_a_file_of_its_own(self, clip: Path, tmp_path: Path) -> None:
        other = tmp_path / clip.name
        shutil.copytree(clip, other)
        config = other / "preprocessor_config.json"
        config.write_text(config.read_text().replace('"do_normalize": true', '"do_normalize": false'))
        for folder in (clip, other, clip):
            counted = Counted(folder)
            keep_images(counted, counted.config, tmp_path / "kept").encode_texts(["a"])
        files = list((tmp_path / "kept").glob("*.sqlite"))
        assert [VectorFile(path).count() for path in files] == [1, 1]

    def test_the_fingerprint_is_of_the_content(self, clip: Path, tmp_path: Path) -> None:
        copy = tmp_path / "elsewhere"
        shutil.copytree(clip, copy)
        (copy / "README.md").write_text("a card changes nothing")
        assert fingerprint(str(copy)) == fingerprint(str(clip))
        weights = copy / "model.safetensors"
        data = bytearray(weights.read_bytes())
        data[-1] ^= 1
        weights.write_bytes(data)
        assert fingerprint(str(copy)) != fingerprint(str(clip))

    def test_of_the_hub_is_its_commit(self, monkeypatch: pytest.MonkeyPatch) -> None:
        import transformers.utils.hub

        commits = iter(["1a", "2b", "1a"])

        def cached_file(model: str, name: str, local_files_only: bool) -> str:
            assert local_files_only
            return f"/cache/models--{model}/snapshots/{next(commits)}/{name}"

        monkeypatch.setattr(transformers.utils.hub, "cached_file", cached_file)
        one, two, three = (fingerprint("openai/clip") for _ in range(3))
        assert one != two
        assert one == three


KILLED = """
import sys
from pathlib import Path
from mminstruct.config.encoders import ClipEncoder
from mminstruct.encoders.image_text import ImageTextEncoder
from mminstruct.encoders.kept import keep_images
config = ClipEncoder(model=sys.argv[1], device="cpu")
kept = keep_images(ImageTextEncoder(config), config, Path(sys.argv[2]))
print("ready", flush=True)
for i in range(1000):
    kept.encode_texts([f"{sys.argv[3]} {i} {j}" for j in range(300)])
    print(i, flush=True)
"""


def test_killed_in_the_middle_beside_another_process(clip: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", KILLED, str(clip), str(tmp_path)]
    processes = [subprocess.Popen([*command, name], stdout=subprocess.PIPE, text=True) for name in "ab"]
    try:
        for process in processes:
            assert process.stdout is not None
            assert [process.stdout.readline().strip() for _ in range(3)] == ["ready", "0", "1"]
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    counted = Counted(clip)
    kept = keep_images(counted, counted.config, tmp_path)
    counted.asked.clear()
    texts = [f"{name} {i} {j}" for name in "ab" for i in range(2) for j in range(300)]
    found = kept.encode_texts(texts)
    assert counted.asked == []
    np.testing.assert_allclose(found[::100], counted.inner.encode_texts(texts[::100]), atol=1e-5)


class TestComputedElsewhere:
    def test_only_what_lacks_is_asked_for_and_all_comes_back(self, clip: Path, tmp_path: Path) -> None:
        encoder = Counted(clip)
        kept = keep_images(encoder, encoder.config, tmp_path)
        try:
            kept.encode_texts(["a", "b"])
            keys = text_keys(["b", "c", "a", "d"])
            assert kept.lacking(keys) == [1, 3]
            computed = encoder.inner.encode_texts(["c", "d"])
            encoder.asked.clear()
            found = kept.completed(keys, [1, 3], computed)
            assert np.allclose(found, encoder.inner.encode_texts(["b", "c", "a", "d"]), atol=1e-6)
            assert np.array_equal(found[[1, 3]], computed)
            assert kept.lacking(keys) == [] and encoder.asked == []
            assert np.array_equal(kept.completed(keys, [], computed[:0]), found)
        finally:
            kept.close()

    def test_keys_are_those_of_the_same_content(self, clip: Path, images: list[str], tmp_path: Path) -> None:
        encoder = Counted(clip)
        kept = keep_images(encoder, encoder.config, tmp_path)
        try:
            kept.encode_images(images[:2], hashes(images[:2]))
            assert kept.lacking(image_keys(hashes(images[:3]))) == [2]
        finally:
            kept.close()
