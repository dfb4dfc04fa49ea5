"""The paper's stages: functions from rows to rows, with their backends handed in."""
