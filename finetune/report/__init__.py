"""Report on fine-tuning runs: tables, charts, pages, cards."""
