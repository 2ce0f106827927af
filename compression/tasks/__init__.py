"""LightningModules, which define the training and the validation of a network."""
