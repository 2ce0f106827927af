"""Networks, strategies and quantization plans, built from the configuration."""
