"""Training data out: what a trainer reads, with its images reachable, checked by reading it back.

export.py         Sample rows, and a mix ─► a folder in one of FORMATS, whole and checked, or none at all
format.py         what an export has to know of a format; texts without the loaders' own signs
llava.py, sharegpt.py, messages.py, trl.py, webdataset.py, hf.py   the formats: rows written and read back
mix.py            somebody's LLaVA or ShareGPT file ─► the rows of it that train beside the samples
images.py         Sample.image ─► what a row holds, with the file copied, linked, embedded or left where it is
links.py          folders of images ─► links to them, and the paths below
conversations.py  the one shape between all formats
checks.py         Conversation rows ─► their faults by kind
seen.py           which ids and images came before, in few bytes
jsonrows.py, shards.py   rows of JSON and of Parquet, one at a time
anybodys.py, marked.py   anybody's file: which format it has, and one form that is only read
card.py           the run's counts ─► README.md, a data card in the Hugging Face form
folder.py         a folder that appears whole or not at all
"""
