"""Models of the real sizes with random weights, and photographs of 12 megapixels."""
