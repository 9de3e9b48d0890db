"""The demo: a small story, or a real repository's last commits, made again in a scratch folder with the hook on."""
