"""The page: one file per tab, shared components apart."""
