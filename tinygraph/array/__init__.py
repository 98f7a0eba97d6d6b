"""Functions on Tensors, named as in the Python Array API standard."""
