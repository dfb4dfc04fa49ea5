"""mminstruct: from captioned images to visual instruction data, a benchmark and a trained model.

The way through is the list of stages in `mminstruct.pipeline.steps`; each stage is a function in `mminstruct.stages`.
"""

__version__ = "0.1.0"

STAGES = ("images", "describe", "augment", "summarize", "match", "exemplars", "answer", "filter", "split")
"""The pipeline's stages in order; `mminstruct.pipeline.steps` wires them. A run without `describe` leaves it out."""
