"""ONNX files in three precisions, and the proof that they answer as the network does."""
