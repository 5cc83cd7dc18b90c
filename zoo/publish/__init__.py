"""What leaves the house: exported files, model cards, repositories on the Hugging Face Hub."""
