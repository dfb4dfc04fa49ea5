"""The Batch API: the same requests in files, at half the price."""
