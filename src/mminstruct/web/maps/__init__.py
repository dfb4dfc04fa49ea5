"""Two-dimensional maps of a run: instructions and samples, near each other where they mean the like."""
