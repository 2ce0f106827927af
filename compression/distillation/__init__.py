"""Knowledge distillation: what a student is asked to share with its teacher."""
