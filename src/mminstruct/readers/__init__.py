"""Captioned images in: each format's reader, and the intake that opens every image once.

    config `images:` ─► read_source ─► CaptionRecord ─► intake ─► Image rows
                                  └──────── Reject ────────┴────► rejects

`sources.py` picks the reader, `coco.py`, `table.py`, `folder.py`, `webdataset.py` and `llava.py` read one format each,
`intake.py` opens the images. `records.py` is what they hand over, `faults.py` what can be wrong.
"""
