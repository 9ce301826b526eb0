"""The page, the comparison and the measurements: everything that looks at engines from outside."""
