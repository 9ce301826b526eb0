"""Networks and their losses. Importing one imports diffusers (seconds), so engines do that when they are loaded."""
