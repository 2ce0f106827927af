"""Knowledge distillation: losses that make a student match the logits and feature maps of its teacher."""
