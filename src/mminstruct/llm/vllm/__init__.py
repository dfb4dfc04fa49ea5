"""vLLM inside the cluster, through Ray's own batch processor."""
