"""How the engines' weights are made: `python -m engines.training <world>/<engine>`."""
