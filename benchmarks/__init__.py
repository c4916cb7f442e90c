"""How fast the engine is beside a plain PyTorch module and beside TransformerLens: see RESULTS.md."""
