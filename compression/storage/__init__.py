"""How tensors become bytes: codecs, and the choice among them."""
