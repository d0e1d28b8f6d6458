"""Small CLIP and BLIP models, and the drawn scenes they are trained on."""
