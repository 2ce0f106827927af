"""Storage of tensors as bytes: the codecs, and the choice of the smallest one for each tensor."""
