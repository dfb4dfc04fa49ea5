"""The config file's shape: one model per section (see `config.run` for the whole)."""
