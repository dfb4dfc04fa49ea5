import socket
import sys
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from pydantic import TypeAdapter, ValidationError

from mminstruct.config.encoders import CaptionEncoder, ClipEncoder, EncoderConfig
from mminstruct.encoders.image_text import load_image_text_encoder
from mminstruct.encoders.protocols import Embeddings
from mminstruct.encoders.text import embedded_folder
from mminstruct.errors import MissingExtraError, ModelError, RunError
from support.tiny_clip import TOWER, save_tiny_clip, save_tokenizer

TEXTS = ["write a poem about the cat", "", "plan a trip", "cat " * 300, "ünïcödé 🐈", "describe the image"]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture(scope="module")
def siglip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch
    from transformers import SiglipConfig, SiglipImageProcessorPil, SiglipModel

    folder = tmp_path_factory.mktemp("siglip")
    n_words = save_tokenizer(folder, "$A <eos>", ["<eos>", "<pad>"], 64)
    text = {
        **TOWER,
        "vocab_size": n_words,
        "max_position_embeddings": 64,
        "bos_token_id": 0,
        "eos_token_id": 0,
        "pad_token_id": 1,
    }
    vision = {**TOWER, "image_size": 32, "patch_size": 8}
    torch.manual_seed(0)
    SiglipModel(SiglipConfig(text_config=text, vision_config=vision)).save_pretrained(folder)
    SiglipImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def siglip2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch
    from transformers import Siglip2Config, Siglip2ImageProcessorPil, Siglip2Model

    folder = tmp_path_factory.mktemp("siglip2")
    n_words = save_tokenizer(folder, "$A <eos>", ["<eos>", "<pad>", "<bos>", "<unk>", "<mask>"], 64)
    text = {
        **TOWER,
        "vocab_size": n_words,
        "max_position_embeddings": 64,
        "bos_token_id": 0,
        "eos_token_id": 0,
        "pad_token_id": 1,
    }
    vision = {**TOWER, "num_patches": 16, "patch_size": 8}
    torch.manual_seed(0)
    Siglip2Model(Siglip2Config(text_config=text, vision_config=vision)).save_pretrained(folder)
    Siglip2ImageProcessorPil(patch_size=8, max_num_patches=16).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Seven images of many sizes and modes; the RGB ones come first."""
    folder = tmp_path_factory.mktemp("images")
    numbers = np.random.default_rng(0)
    paths = []
    for i, (width, height) in enumerate([(64, 48), (48, 64), (33, 200), (32, 32), (500, 90)]):
        # Not the extremes: a value clipped between the two passes of a resize depends on which of them is first.
        pixels = numbers.integers(64, 192, (height, width, 3), np.uint8)
        paths.append(folder / f"{i}.png")
        PIL.Image.fromarray(pixels).save(paths[-1])
    paths += [folder / "palette.gif", folder / "cmyk.jpg"]
    picture = PIL.Image.fromarray(numbers.integers(0, 256, (40, 40, 3), np.uint8))
    picture.convert("P").save(paths[-2])
    picture.convert("CMYK").save(paths[-1])
    return [str(path) for path in paths]


def unit(features: Any) -> Embeddings:
    import torch

    return np.asarray(torch.nn.functional.normalize(features.pooler_output.detach(), dim=1))


def load(folder: Path, batch_size: int = 4) -> Any:
    return load_image_text_encoder(ClipEncoder(model=str(folder), batch_size=batch_size, device="cpu"))


@pytest.mark.parametrize("name", ["clip", "siglip", "siglip2"])
class TestEveryKind:
    def test_images_equal_the_direct_computation(
        self, name: str, images: list[str], request: pytest.FixtureRequest
    ) -> None:
        from transformers import AutoImageProcessor, AutoModel

        folder = request.getfixturevalue(name)
        model, processor = AutoModel.from_pretrained(folder), AutoImageProcessor.from_pretrained(folder)  # type: ignore[no-untyped-call]
        rgb = [PIL.Image.open(path) for path in images[:5]]
        expected = unit(model.get_image_features(**processor(images=rgb, return_tensors="pt")))
        found = load(folder).encode_images(images)
        assert found.shape == (7, expected.shape[1])
        assert found.dtype == np.float32
        assert ((found[:5] * expected).sum(axis=1) > 0.9995).all()  # single pixels differ by a level of 255
        np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)

    def test_batches_change_nothing(self, name: str, images: list[str], request: pytest.FixtureRequest) -> None:
        folder = request.getfixturevalue(name)
        by_two, by_ten = load(folder, 2), load(folder, 10)
        np.testing.assert_allclose(by_two.encode_images(images), by_ten.encode_images(images), atol=1e-5)
        np.testing.assert_allclose(by_two.encode_texts(TEXTS), by_ten.encode_texts(TEXTS), atol=1e-5)

    def test_nothing_in_nothing_out(self, name: str, request: pytest.FixtureRequest) -> None:
        encoder = load(request.getfixturevalue(name))
        width = encoder.encode_texts(["a"]).shape[1]
        assert encoder.encode_texts([]).shape == encoder.encode_images([]).shape == (0, width)

    def test_a_folder_never_touches_the_network(
        self, name: str, images: list[str], request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def no_network(*_: object) -> None:
            raise AssertionError("the network was asked")

        monkeypatch.setattr(socket.socket, "connect", no_network)
        monkeypatch.setattr(socket, "getaddrinfo", no_network)
        encoder = load(request.getfixturevalue(name))
        assert len(encoder.encode_images(images[:1])) == len(encoder.encode_texts(TEXTS[:1])) == 1


class TestTexts:
    def test_of_clip_equal_the_direct_computation(self, clip: Path) -> None:
        from transformers import AutoModel, AutoTokenizer

        tokens = AutoTokenizer.from_pretrained(clip)(
            TEXTS, padding=True, truncation=True, max_length=77, return_tensors="pt"
        )
        assert tokens["input_ids"].shape[1] == 77
        expected = unit(AutoModel.from_pretrained(clip).get_text_features(**tokens))
        np.testing.assert_allclose(load(clip).encode_texts(TEXTS), expected, atol=1e-5)

    @pytest.mark.parametrize("name", ["siglip", "siglip2"])
    def test_of_siglip_are_padded_to_full_length_without_a_mask(
        self, name: str, request: pytest.FixtureRequest
    ) -> None:
        from transformers import AutoModel, AutoTokenizer

        folder = request.getfixturevalue(name)
        tokens = AutoTokenizer.from_pretrained(folder)(
            TEXTS, padding="max_length", truncation=True, max_length=64, return_tensors="pt"
        )
        expected = unit(AutoModel.from_pretrained(folder).get_text_features(input_ids=tokens["input_ids"]))
        np.testing.assert_allclose(load(folder).encode_texts(TEXTS), expected, atol=1e-5)


class TestErrors:
    def test_another_model_says_what_was_found_and_expected(self) -> None:
        with pytest.raises(ModelError, match=r"is a model of type 'bert'\. Expected a CLIP or SigLIP checkpoint"):
            load(embedded_folder())

    def test_an_empty_folder(self, tmp_path: Path) -> None:
        with pytest.raises(ModelError, match=r"cannot be loaded: .* Expected a CLIP or SigLIP"):
            load(tmp_path)

    def test_a_config_that_is_not_json(self, tmp_path: Path) -> None:
        (tmp_path / "config.json").write_text("{")
        with pytest.raises(ModelError, match="cannot be loaded"):
            load(tmp_path)

    def test_weights_that_are_not_weights(self, clip: Path, tmp_path: Path) -> None:
        for file in clip.iterdir():
            (tmp_path / file.name).write_bytes(file.read_bytes())
        (tmp_path / "model.safetensors").write_bytes(b"nothing")
        with pytest.raises(ModelError, match="cannot be loaded"):
            load(tmp_path)

    def test_weights_of_another_model(self, clip: Path, siglip: Path, tmp_path: Path) -> None:
        for file in clip.iterdir():
            (tmp_path / file.name).write_bytes(file.read_bytes())
        (tmp_path / "model.safetensors").write_bytes((siglip / "model.safetensors").read_bytes())
        with pytest.raises(ModelError, match=r"(lacks weights|cannot be loaded)"):
            load(tmp_path)

    def test_a_folder_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(ModelError, match=r"There is no folder .*nowhere"):
            load(tmp_path / "nowhere")

    def test_an_image_that_went_away(self, clip: Path, images: list[str], tmp_path: Path) -> None:
        (tmp_path / "broken.jpg").write_bytes(b"no image")
        encoder = load(clip)
        for path in (tmp_path / "gone.jpg", tmp_path / "broken.jpg"):
            with pytest.raises(RunError, match=f"{path.name} can no longer be read"):
                encoder.encode_images([*images, str(path)])

    @pytest.mark.parametrize("package", ["torch", "transformers"])
    def test_a_missing_package_names_the_extra(self, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, package, None)
        with pytest.raises(MissingExtraError, match=rf"{package}.*pip install 'mminstruct\[clip\]'"):
            load_image_text_encoder(ClipEncoder(model="any"))


class TestConfig:
    def test_the_kind_decides(self) -> None:
        kinds: TypeAdapter[Any] = TypeAdapter(EncoderConfig)
        assert kinds.validate_python({"kind": "caption"}) == CaptionEncoder()
        assert kinds.validate_python({"kind": "clip", "model": "a/b"}) == ClipEncoder(model="a/b")
        for wrong in ({"kind": "clip"}, {"kind": "caption", "model": "a/b"}, {"kind": "blip"}, {}):
            with pytest.raises(ValidationError):
                kinds.validate_python(wrong)
