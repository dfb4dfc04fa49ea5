"""bespokelabs-curator: `LLM.__call__` on a dataset of prompts, with its OpenAI backend; see request_engine.py.

Its rate limits are lifted and its response cache is off. It counts tokens with tiktoken, whose table it would fetch;
the same table comes with litellm, which it depends on.
"""

from __future__ import annotations

import json
import os
import sys
import sysconfig
import tempfile
import time
from pathlib import Path

os.environ |= {
    "CURATOR_DISABLE_CACHE": "1",
    "TELEMETRY_ENABLED": "false",
    "HF_HUB_OFFLINE": "1",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "TIKTOKEN_CACHE_DIR": f"{sysconfig.get_path('purelib')}/litellm/litellm_core_utils/tokenizers",
}

from bespokelabs import curator  # type: ignore[import-not-found]
from datasets import Dataset


class Answers(curator.LLM):  # type: ignore[misc]  # from an untyped package
    """Sends each row's prompt as it is."""

    def prompt(self, input: dict[str, str]) -> str:
        """Return the prompt."""
        return input["prompt"]

    def parse(self, input: dict[str, str], response: str) -> dict[str, str]:
        """Return the row of the result."""
        return {"prompt": input["prompt"], "answer": response}


def main() -> None:
    """Read `BASE_URL PROMPTS CONCURRENCY`, ask, print what it took as JSON."""
    base_url, prompts_file, concurrency = sys.argv[1:]
    dataset = Dataset.from_dict({"prompt": json.loads(Path(prompts_file).read_text(encoding="utf-8"))})
    model = Answers(
        model_name="stub",
        backend="openai",
        backend_params={
            "base_url": base_url,
            "api_key": "none",
            "max_concurrent_requests": int(concurrency),
            "max_requests_per_minute": 10**9,
            "max_tokens_per_minute": 10**12,
        },
    )
    with tempfile.TemporaryDirectory() as folder:
        started, cpu_started = time.perf_counter(), sum(os.times()[:4])  # user and system, with children
        result = model(dataset, working_dir=folder).dataset
        seconds, cpu = time.perf_counter() - started, sum(os.times()[:4]) - cpu_started
        n_replies = len(set(result["answer"]))
    print(json.dumps({"n_replies": n_replies, "seconds": seconds, "cpu_seconds": cpu}))


if __name__ == "__main__":
    main()
