"""How a GAN learns: the training step, its losses and penalties, augmentation, schedules, and noise as data."""
