"""A stop that is asked for while the processes of a training exchange whether one was."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from mminstruct.train.progress import Silent

callbacks = pytest.importorskip("mminstruct.train.callbacks", exc_type=ImportError)
transformers = pytest.importorskip("transformers")


def test_ctrl_c_in_the_exchange_stops_after_the_next_step(monkeypatch: pytest.MonkeyPatch) -> None:
    stop = callbacks.PatientStop(Silent())
    exchanged: list[float] = []

    def reduce(value: Any, how: str) -> Any:
        if not exchanged:
            signal.raise_signal(signal.SIGINT)  # after this process has said that nobody asked it
        exchanged.append(float(value))
        return value

    class TwoProcesses:
        num_processes = 2
        device = "cpu"

    monkeypatch.setattr(callbacks, "reduce", reduce)
    monkeypatch.setattr(callbacks, "PartialState", TwoProcesses)

    def is_stopped_after_a_step() -> bool:
        control = transformers.TrainerControl()
        stop.on_step_end(None, None, control)
        return bool(control.should_training_stop)

    with stop.listening():
        assert [is_stopped_after_a_step(), is_stopped_after_a_step()] == [False, True]
        assert stop.is_any_asked()  # as the stage asks at its end
    assert exchanged == [0.0, 1.0, 1.0]
