"""Report on a pretraining run: inspection, pictures, page, card, export."""
