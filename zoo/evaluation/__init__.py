"""How good a generator is: scores beside their floor, known failure modes, and the evidence for a card."""
