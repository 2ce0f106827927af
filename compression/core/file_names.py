"""Names of the files that stages leave in the store, and runs and sweeps in their folder."""

# In a stage's folder: the network as safetensors, and the weights that strategies can return to.
WEIGHTS = "model.safetensors"
CURVATURE = "curvature.safetensors"
INITIAL = "initial.safetensors"
EARLY = "early.safetensors"
MASKS = "masks.safetensors"
# The model of every pruning step: steps/01.cmp, steps/02.cmp, ...
STEPS = "steps"

# In the folder of the evaluate stage: the logits of both models on test and held-out images.
PREDICTIONS = "predictions.safetensors"

# In the folders of the export stage and of a run.
ARTIFACT = "model.cmp"
ONNX = "model.onnx"

# In a run's folder only. Hydra writes the configuration.
CONFIG = "config/config.yaml"
DENSE_WEIGHTS = "dense.safetensors"
DENSE_ONNX = "dense.onnx"
# The pruned network before strategy.finetune.
BEFORE_FINETUNE = "before_finetune.cmp"
METRICS = "metrics.json"
REPORT = "report.md"
MODEL_CARD = "model_card.md"
PRUNING_HISTORY = "pruning_history.yaml"
PICTURES = "pictures"
# A folder with the record, the text and the pictures of the analyze stage.
FAILURES = "failure_analysis"
FAILURE_MODES = "failure_modes.json"
LOCK = ".lock"
# The report as a page, and the rows of every epoch that it draws.
PAGE = "report.html"
TRAINING_HISTORY = "training_history.json"

# In a sweep's folder, beside REPORT, PAGE and PICTURES.
RESULTS = "results.csv"
