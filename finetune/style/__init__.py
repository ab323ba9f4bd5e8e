"""Learn a style: an adapter trained on the masked notes of a folder, over a frozen backbone."""
