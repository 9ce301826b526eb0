"""What can be explored besides drawing: a latent plane, walks between pictures, the repair of a picture. No Gradio in here."""
