"""A search: trials of variants of a recipe, in one folder, of which the bad ones end early and the best is named."""
