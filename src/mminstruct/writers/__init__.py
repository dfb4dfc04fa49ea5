"""Training data out: what a trainer reads, with its images reachable, checked by reading it back.

llava.py   Sample rows ─► train.json and images/, as LLaVA's loader expects them
card.py    the run's counts ─► README.md, a data card in the Hugging Face form
images.py  Sample.image ─► the path that an export names, with the file copied, linked or left where it is
folder.py  a folder that appears whole or not at all
"""
