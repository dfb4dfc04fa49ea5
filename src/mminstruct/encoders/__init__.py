"""Texts and images to vectors, and vectors to clusters.

protocols.py    what a stage may ask of an encoder
text.py         sentences: the embedded encoder, or any that transformers loads
minilm.py       the embedded one: a BERT in numpy
image_text.py   CLIP and SigLIP: images and texts in one space
images.py       image files to what CLIP sees, in threads
kept.py         the same encoders, with each vector computed once
vectors.py      the file that holds the vectors
checkpoints.py  opens a model of transformers, from a folder or the hub
clustering.py   k-means
"""
