"""Language models behind one narrow door (`chat.py`): client, reply store, embedded model."""
