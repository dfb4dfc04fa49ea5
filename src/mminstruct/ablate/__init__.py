"""Which part of the pipeline pays: the same recipe on variants of one run's data, and one table at the end."""
