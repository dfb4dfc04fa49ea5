"""mminstruct."""
