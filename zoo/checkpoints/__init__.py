"""What is kept: the folders of checkpoints and runs, how a name finds one, and the generator inside."""
