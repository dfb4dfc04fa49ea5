"""Which image gets which instructions: arrays in and arrays out; `drawer` begins."""
