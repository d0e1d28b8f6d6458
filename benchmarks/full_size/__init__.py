"""Full-size models with random weights, and 12-megapixel photographs."""
