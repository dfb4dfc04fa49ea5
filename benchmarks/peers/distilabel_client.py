"""distilabel: a pipeline that loads the prompts and answers them with one `TextGeneration`; see request_engine.py.

A batch of it waits for its slowest reply, so the batch size is the number of requests in flight.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path

os.environ |= {
    "DISTILABEL_LOG_LEVEL": "WARNING",  # else openai's new HTTP client writes a line for every request
    "HF_HUB_OFFLINE": "1",
}


def main() -> None:
    """Read `BASE_URL PROMPTS CONCURRENCY`, ask, print what it took as JSON."""
    from distilabel.models import OpenAILLM  # type: ignore[import-not-found]
    from distilabel.pipeline import Pipeline  # type: ignore[import-not-found]
    from distilabel.steps import LoadDataFromDicts  # type: ignore[import-not-found]
    from distilabel.steps.tasks import TextGeneration  # type: ignore[import-not-found]

    base_url, prompts_file, concurrency = sys.argv[1:]
    prompts = json.loads(Path(prompts_file).read_text(encoding="utf-8"))
    batch_size = int(concurrency)
    with tempfile.TemporaryDirectory() as folder:
        with Pipeline(name="benchmark", cache_dir=folder) as pipeline:
            load = LoadDataFromDicts(data=[{"instruction": prompt} for prompt in prompts], batch_size=batch_size)
            generate = TextGeneration(
                llm=OpenAILLM(model="stub", base_url=base_url, api_key="none"),
                input_batch_size=batch_size,
                add_raw_input=False,
                add_raw_output=False,
            )
            load >> generate
        started, cpu_started = time.perf_counter(), sum(os.times()[:4])  # user and system, with children
        result = pipeline.run(use_cache=False)
        seconds, cpu = time.perf_counter() - started, sum(os.times()[:4]) - cpu_started
        n_replies = len(set(result["default"]["train"]["generation"]))
    print(json.dumps({"n_replies": n_replies, "seconds": seconds, "cpu_seconds": cpu}))


if __name__ == "__main__":
    main()
