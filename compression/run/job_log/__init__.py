"""The log of a run for each kind of logger: TensorBoard, CSV files, Weights & Biases, MLflow, or any other."""
