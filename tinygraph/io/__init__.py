"""Files: weights in safetensors format, written so that no reader ever sees half of one."""

from tinygraph.io.atomic import replacing
from tinygraph.io.weights import load, load_metadata, save

__all__ = ["load", "load_metadata", "replacing", "save"]
