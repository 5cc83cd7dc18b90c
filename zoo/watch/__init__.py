"""The watcher: signals of a running GAN, the findings they amount to, and what to change."""
